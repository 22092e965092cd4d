"""URLs of locations."""

import pytest

from glance.store import location


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("file:///var/lib/glance/images/one", ("file", "", "/var/lib/glance/images/one")),
        ("FILE:///one", ("file", "", "/one")),
        ("http://host:80/path?query#rest", ("http", "host:80", "/path?query#rest")),
        ("swift+https://user:key@host/v1/container/object", ("swift+https", "user:key@host", "/v1/container/object")),
        ("memory://one", ("memory", "one", "")),
        ("file:///with space/%41", ("file", "", "/with space/%41")),
    ],
)
def test_parse_when_well_formed_gives_the_parts(url, parts):
    found = location.parse(url)
    assert (found.scheme, found.authority, found.path) == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "one",
        "/one",
        "file:/one",
        "file:one",
        "//host/one",
        " file:///one",
        "\tfile:///one",
        "%66ile:///one",
        "file:///one\n",
        "f\0ile:///",
        "1a://b",
    ],
)
def test_parse_when_not_well_formed_gives_nothing(url):
    assert location.parse(url) is None


def test_location_url_when_printed_shows_no_secret():
    found = location.parse("swift+https://user:key@host/v1/container/object?token=key")
    assert f"{found} {found!r}" == "swift+https://... LocationUrl(scheme='swift+https')"
