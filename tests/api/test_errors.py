"""Every error over HTTP: its status in each version, its sentence, and the body that Accept asks for (spec-v1 2.13, spec-v2 0.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import pytest
from sqlalchemy import Engine

from glance.api.errors import NEVER_SENT, STATUSES, Version, status_of
from glance.api.settings import ApiSettings
from glance.context import RequestContext
from glance.errors import GlanceError, every_error
from glance.policies.engine import PolicyEngine
from glance.service import Limits
from tests.api.conftest import Api
from tests.api.provocations import PROVOCATIONS, Never, Provoked, Scene
from tests.web import Web, web

__all__ = ["web"]

VERSIONS: tuple[Version, Version] = ("v1", "v2")
CASES = {
    f"{error.__name__}-{version}": (error, version, entry)
    for error, entries in PROVOCATIONS.items()
    for version, entry in zip(VERSIONS, entries, strict=True)
    if isinstance(entry, Provoked)
}


@pytest.mark.parametrize(("error", "version", "entry"), CASES.values(), ids=CASES)
def test_error_when_provoked_then_its_status_and_sentence(
    make_api: Callable[..., Api], web: Web, engine: Engine, error: type[GlanceError], version: Version, entry: Provoked
) -> None:
    limits = Limits(image_size=1000, properties=1, members=1, tags=1, locations=2)
    api = make_api(trusted=True, limits=limits, settings=ApiSettings(show_locations=True))

    answer = entry.act(Scene(api, version, web, engine))

    assert answer.status == status_of(error, version), answer.text
    sentence = re.sub(r"\\{\w+\\}", ".+", re.escape(error.template))
    assert re.search(sentence, answer.text), answer.text
    assert entry.words in answer.text
    assert entry.words or error.template != "{reason}"


def test_provocations_then_every_error_has_an_entry_in_both_versions() -> None:
    assert set(PROVOCATIONS) == set(every_error())
    assert all(entry.reason for entries in PROVOCATIONS.values() for entry in entries if isinstance(entry, Never))


def test_errors_that_are_never_sent_then_none_is_provoked() -> None:
    assert NEVER_SENT.isdisjoint((version, error.code) for error, version, _ in CASES.values())


def test_statuses_then_every_row_is_met() -> None:
    met = {code for error, _, _ in CASES.values() for code in (one.code for one in error.__mro__ if issubclass(one, GlanceError))}
    assert set(STATUSES) <= met


class _Broken(PolicyEngine):
    def allows(self, rule: str, ctx: RequestContext, target: Mapping[str, object]) -> bool:
        raise ZeroDivisionError("a secret of the inside")


@pytest.mark.parametrize("version", VERSIONS)
def test_failure_of_ours_then_500_that_tells_nothing(make_api: Callable[..., Api], caplog: pytest.LogCaptureFixture, version: Version) -> None:
    api = make_api(policy=_Broken(None))
    answer = api.request("GET", f"/{version}/images")
    assert (answer.status, "secret" in answer.text, "Traceback" in answer.text) == (500, False, False)
    assert "a secret of the inside" in caplog.text


HTML, PLAIN, FLAT = "text/html", "text/plain", "application/json"
FORMS: list[tuple[str | None, str, str]] = [
    (None, PLAIN, HTML),
    ("", PLAIN, HTML),
    ("*/*", HTML, HTML),
    ("text/html", HTML, HTML),
    ("application/json", FLAT, FLAT),
    ("application/json, */*;q=0.1", FLAT, FLAT),
    ("text/plain", PLAIN, PLAIN),
    ("application/octet-stream", PLAIN, PLAIN),
    ("text/html;q=0, text/plain", PLAIN, PLAIN),
]


@pytest.mark.parametrize(("accept", "in_v1", "in_v2"), FORMS, ids=str)
@pytest.mark.parametrize("version", VERSIONS)
def test_error_body_then_has_the_form_that_accept_asks_for(api: Api, version: Version, accept: str | None, in_v1: str, in_v2: str) -> None:
    form = in_v1 if version == "v1" else in_v2
    answer = api.request("GET", f"/{version}/images/<no>&'", {} if accept is None else {"Accept": accept})

    assert answer.status == 404
    assert answer.header("Content-Type") == (FLAT if form == FLAT else f"{form}; charset=UTF-8")
    body = answer.body.decode()
    if form == HTML:
        assert "<title>404 Not Found</title>" in body
        assert "Image with identifier &lt;no&gt;&amp;&#x27; not found" in body
    elif form == PLAIN:
        assert body.startswith("404 Not Found\n\n")
        assert "&' not found" in body
    else:
        assert (answer.json["code"], answer.json["title"]) == ("404 Not Found", "Not Found")
        assert "Image with identifier" in answer.json["message"]


@pytest.mark.parametrize(("version", "form"), [("v1", PLAIN), ("v2", HTML)])
def test_missing_identity_when_no_form_is_asked_for_then_that_of_the_version(shared_api: Api, version: str, form: str) -> None:
    answer = shared_api.request("GET", f"/{version}/images")
    assert (answer.status, answer.header("Content-Type")) == (401, f"{form}; charset=UTF-8")


def test_paths_and_methods_then_are_answered_in_stock_sentences(api: Api) -> None:
    unknown, wrong = api.request("GET", "/v2/zzz"), api.request("DELETE", "/v2/images")
    assert (unknown.status, "The resource could not be found." in unknown.text) == (404, True)
    assert (wrong.status, wrong.header("Allow"), "The method DELETE is not allowed for this resource." in wrong.text) == (405, "GET, POST", True)
