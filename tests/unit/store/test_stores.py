"""The set of stores, and the names of drivers."""

import pytest

from glance import errors
from glance.model.image import Location
from glance.model.stores import StoreTraits
from glance.store.drivers.memory import MemoryStore
from glance.store.stores import StoreSet, driver_name, load_driver, load_options

INSTALLED = """[glance.store.drivers]
file = glance.store.drivers.file:FileStore
http = glance.store.drivers.http:HttpStore
memory = glance.store.drivers.memory:MemoryStore
acme = glance.store.drivers.memory:MemoryStore
broken = glance.store.drivers.no_such_module:Nothing

[glance.store.options]
acme = acme_store:OPTIONS
broken = acme_store:NOTHING
"""


class WebStore(MemoryStore):
    schemes = ("http", "https")
    writable = False


class DiskStore(MemoryStore):
    schemes = ("file", "filesystem")


class StagingDisk(MemoryStore):
    schemes = ("file", "staged")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A distribution that brings drivers, as a third party's would."""
    metadata = tmp_path / "acme_store-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-store\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(INSTALLED)
    (tmp_path / "acme_store.py").write_text('OPTIONS = ("an option",)\n')
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def stores():
    return StoreSet([DiskStore("file"), WebStore("http"), MemoryStore("scratch")], "file", StagingDisk("staging"))


@pytest.mark.parametrize(
    ("classic", "name"),
    [
        ("file", "file"),
        ("filesystem", "file"),
        ("glance.store.filesystem.Store", "file"),
        ("glance_store._drivers.filesystem.Store", "file"),
        ("http", "http"),
        ("https", "http"),
        ("glance.store.http.Store", "http"),
        ("memory", "memory"),
        ("acme", "acme"),
        ("glance.store.gridfs.Store", "gridfs"),
        ("glance.store.Store", "glance.store.Store"),
    ],
)
def test_driver_name_is_that_of_an_entry_point(classic, name):
    assert driver_name(classic) == name


def test_load_driver_when_installed_gives_its_class(installed):
    assert load_driver("acme") is MemoryStore


@pytest.mark.parametrize("name", ["nothing", "broken", ""])
def test_load_driver_when_it_cannot_be_had_says_so(installed, name):
    with pytest.raises(errors.ConfigurationError, match=f"The store driver '{name}'"):
        load_driver(name)


def test_load_options_when_declared_gives_them_and_none_for_a_driver_without(installed):
    assert (load_options("acme"), load_options("memory")) == (("an option",), None)


def test_load_options_when_they_cannot_be_had_says_so(installed):
    with pytest.raises(errors.ConfigurationError, match="The store driver 'broken'"):
        load_options("broken")


def test_names_are_in_the_order_of_the_configuration(stores):
    assert stores.names == ("file", "http", "scratch")


@pytest.mark.parametrize(
    ("asked", "name"), [("file", "file"), ("scratch", "scratch"), ("filesystem", "file"), ("https", "http"), ("memory", "scratch")]
)
def test_choose_by_name_or_scheme_gives_the_store(stores, asked, name):
    assert stores.choose(asked).name == name


@pytest.mark.parametrize("asked", ["bogus", "staging", "staged"])
def test_choose_when_unknown_or_reserved_names_the_enabled_stores(stores, asked):
    with pytest.raises(errors.StoreUnknown, match=f"{asked} is invalid; enabled stores: file, http, scratch"):
        stores.choose(asked)


@pytest.mark.parametrize("name", ["file", "scratch", "staging"])
def test_get_gives_the_store_of_a_record(stores, name):
    assert stores.get(name).name == name


@pytest.mark.parametrize("name", ["bogus", "https", ""])
def test_get_when_no_store_has_the_name_raises(stores, name):
    with pytest.raises(errors.StoreUnknown):
        stores.get(name)


@pytest.mark.parametrize(
    ("store", "url", "name"),
    [
        ("scratch", "memory://x", "scratch"),
        ("staging", "file:///x", "staging"),
        ("", "file:///x", "file"),
        ("", "https://h/x", "http"),
        ("removed", "file:///x", "file"),
        ("scratch", "file:///x", "file"),
        ("scratch", "rbd://pool/x", "scratch"),
    ],
)
def test_of_a_location_is_by_name_and_where_that_is_another_place_by_url(stores, store, url, name):
    assert stores.of(Location(url=url, store=store)).name == name


@pytest.mark.parametrize("url", ["file:///x", "memory://x", "x"])
def test_of_a_location_when_a_client_named_it_is_never_another_store(stores, url):
    assert stores.of(Location(url=url, store="http", owned=False)).name == "http"


def test_of_a_location_when_several_stores_could_hold_it_is_the_named_one():
    twins = StoreSet([MemoryStore("one"), MemoryStore("two")], "one", StagingDisk("staging"))
    assert [twins.of(Location(url="memory://x", store=name)).name for name in ("two", "one", "removed")] == ["two", "one", "one"]


@pytest.mark.parametrize(("store", "url"), [("removed", "rbd://pool/x"), ("", "swift://u:secret@h/x"), ("", "secret")])
def test_of_a_location_when_no_store_has_it_says_so_without_the_url(stores, store, url):
    with pytest.raises(errors.StoreUnknown) as caught:
        stores.of(Location(url=url, store=store))
    assert "secret" not in str(caught.value)


def test_default_when_given_as_a_scheme_is_the_stores_name():
    assert StoreSet([DiskStore("images")], "filesystem", StagingDisk("staging")).default == "images"


@pytest.mark.parametrize(("names", "default"), [(["file"], "other"), ([], "file"), (["a", "a"], "a"), (["file"], "staged"), (["staging"], "staging")])
def test_store_set_when_it_cannot_be_used_refuses_to_start(names, default):
    with pytest.raises(errors.ConfigurationError):
        StoreSet([MemoryStore(name) for name in names], default, StagingDisk("staging"))


@pytest.mark.parametrize("url", ["http://host/image", "HTTPS://host/image"])
def test_for_external_when_the_scheme_is_allowed_gives_its_store(stores, url):
    assert stores.for_external(url).name == "http"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "FILE:///etc/passwd", "filesystem:///etc/passwd", "swift+config://ref/c/o", "cinder://volume", "rbd://pool/image",
        "file://localhost/etc/passwd", " file:///etc/passwd", "\tfile:///etc/passwd", "\0file:///etc/passwd", "%66ile:///etc/passwd", "memory://one",
        "gopher://h/", "ftp://h/", "data:,x", "jar:http://h/!/", "unix:///run/s", "dict://h/", "", "http", "//h/", "http:/h/", "http:h",
        "/etc/passwd",
    ],
)  # fmt: skip
def test_for_external_when_the_scheme_is_not_allowed_refuses(stores, url):
    with pytest.raises(errors.SourceRefused):
        stores.for_external(url)


def test_for_external_when_refused_shows_the_url_but_no_credentials(stores):
    with pytest.raises(errors.SourceRefused, match="External sources are not supported: 'file:///etc/passwd'"):
        stores.for_external("file:///etc/passwd")
    with pytest.raises(errors.SourceRefused) as caught:
        stores.for_external("swift://user:secret@host/c/o")
    assert "secret" not in f"{caught.value} {caught.value.details}"


def test_for_external_when_no_store_reads_the_scheme_refuses():
    with pytest.raises(errors.SourceRefused):
        StoreSet([DiskStore("file")], "file", WebStore("staging")).for_external("http://host/image")


@pytest.mark.parametrize("schemes", [("http", "file"), ("filesystem",), ("memory",), ("rbd",), ("FILE",), ("",)])
def test_store_set_when_clients_may_name_what_it_writes_or_does_not_know_refuses_to_start(schemes):
    with pytest.raises(errors.ConfigurationError, match=f"source_schemes names '{schemes[-1]}'"):
        StoreSet([DiskStore("file"), WebStore("http"), MemoryStore("memory")], "file", StagingDisk("staging"), schemes)


def test_store_set_when_a_store_of_web_addresses_is_written_refuses_them():
    shelf = WebStore("shelf")
    shelf.writable = True
    with pytest.raises(errors.ConfigurationError, match="source_schemes names 'http'"):
        StoreSet([WebStore("http"), shelf], "shelf", StagingDisk("staging"))


def test_store_set_when_no_store_reads_web_addresses_or_one_reads_another_scheme_then_starts():
    archive = DiskStore("archive")
    archive.writable = False
    assert StoreSet([DiskStore("file")], "file", StagingDisk("staging")).names == ("file",)
    made = StoreSet([archive, MemoryStore("memory")], "memory", StagingDisk("staging"), ("file", "https"))
    assert made.for_external("file:///x") is archive


def test_traits_are_those_that_were_given_and_else_plain(stores):
    said = {"file": StoreTraits("file", "Fast disks", 3, verify_on_read=True)}
    made = StoreSet([DiskStore("file"), WebStore("http")], "file", StagingDisk("staging"), traits=said)
    assert (made.traits("file"), made.traits("http")) == (said["file"], StoreTraits())
    with pytest.raises(errors.StoreUnknown):
        made.traits("bogus")
