"""Every method on every path: S13. Python without ``assert`` (PYTHONOPTIMIZE) answers the same; that depends on no place, and is tried in one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from glance.api.routing import Table
from glance.api.v1 import routes as v1
from glance.api.v2 import routes as v2
from glance.testing.servers import Glance
from glance.testing.wire import Answer
from tests.security.matrix import ANON, DATA_TYPE, FORMATS, JSON_TYPE, PATCH_TYPE, Case, only_in

OPTIMISED = ("env", "PYTHONOPTIMIZE=2")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
TABLES: dict[str, Table] = {"/v1": v1.TABLE, "/v2": v2.TABLE}
MEMBER = "gamma"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Sent(NamedTuple):
    headers: dict[str, str]
    body: bytes | None


def document(value: object, media_type: dict[str, str] = JSON_TYPE) -> Sent:
    return Sent(media_type, json.dumps(value).encode())


NOTHING = Sent({}, None)
DATA = Sent(DATA_TYPE, b"other data")
#: What handlers get that want something.
WANTED = {
    ("POST", "/v1/images"): Sent({**DATA_TYPE, **{f"x-image-meta-{name}": value for name, value in FORMATS.items()}}, b"data"),
    ("PUT", "/v1/images/{image_id}"): Sent({"x-image-meta-name": "new"}, None),
    ("PUT", "/v1/images/{image_id}/members"): document({"memberships": [{"member_id": "delta"}]}),
    ("POST", "/v2/images"): document(FORMATS),
    ("PATCH", "/v2/images/{image_id}"): document([{"op": "add", "path": "/p", "value": "x"}], PATCH_TYPE),
    ("PUT", "/v2/images/{image_id}/file"): DATA,
    ("PUT", "/v2/images/{image_id}/stage"): DATA,
    ("POST", "/v2/images/{image_id}/locations"): document({"url": "http://127.0.0.1:9/image"}),
    ("POST", "/v2/images/{image_id}/members"): document({"member": "delta"}),
    ("PUT", "/v2/images/{image_id}/members/{member}"): document({"status": "accepted"}),
}
#: Handlers that store data in images which have none.
FILLING = {("PUT", "/v2/images/{image_id}/file"), ("PUT", "/v2/images/{image_id}/stage")}


@pytest.fixture
def optimised(case: Case, tmp_path: Path) -> Iterator[Case]:
    """The same service with nothing in it, run by Python without ``assert`` and docstrings."""
    before = case.glance
    twin = Glance(tmp_path / "glance", services=before.services)
    for service in ("api", "registry"):
        twin.conf(service).write_text(before.conf(service).read_text().replace(str(before.directory), str(twin.directory)))
    twin.add_options("api", {"DEFAULT": {"bind_port": twin.api_port, "registry_port": twin.registry_port}})
    twin.add_options("registry", {"DEFAULT": {"bind_port": twin.registry_port}})
    try:
        twin.start(dict.fromkeys(before.services, OPTIMISED))
        yield Case(replace(case.place, glance=twin), case.saw)
        assert "Traceback" not in twin.logs()
    finally:
        twin.kill()


def as_seen(answer: Answer) -> tuple[object, ...]:
    """What one service says, as far as another one must say the same."""
    headers = sorted(name for name, _value in answer.headers)
    return answer.status, answer.header("Allow"), headers, _ID.sub("ID", answer.text) if answer.status >= 400 else ""


def shared(case: Case, who: str) -> str:
    """A new image of ``who`` with data, a tag and a member."""
    picture = case.image(who, "shared", b"data")
    assert case.ask(who, "PUT", f"{picture.v1}/members/{MEMBER}").status == 204
    assert case.ask(who, "PUT", f"{picture.v2}/tags/one").status == 204
    return picture.id


def walk(case: Case, who: str, owner: str) -> dict[str, tuple[object, ...]]:
    """The answers to ``who`` of every method on every path, about images of ``owner``; who may change one finds a new one each time."""
    standing = shared(case, owner)
    found = {}
    for prefix, table in TABLES.items():
        for path, handlers in table.items():
            for method in METHODS:
                row = method, f"{prefix}{path}"
                changes = who == owner and method in handlers and method not in {"GET", "HEAD"}
                image_id = standing if not changes else case.queued(owner) if row in FILLING else shared(case, owner)
                filled = row[1].format(image_id=image_id, member=MEMBER, name="one", store="file")
                found[" ".join(row)] = as_seen(case.ask(who, method, filled, *(WANTED.get(row, NOTHING) if method in handlers else NOTHING)))
    return found


@only_in("trusted-auth/embedded")
def test_methods_when_python_drops_asserts_then_answered_the_same(case: Case, optimised: Case) -> None:
    """S13, OSSN-0048, LP 1414532: to an owner, to somebody who may not see the image, and to nobody."""
    for pid in optimised.glance.pids():
        assert b"PYTHONOPTIMIZE=2" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    for who, owner in (("A", "A"), ("A", "B"), (ANON, "A")):
        usual, without = walk(case, who, owner), walk(optimised, who, owner)
        assert without == usual
        done = sum(str(status).startswith("2") for status, *_rest in usual.values())
        case.saw(f"{who} on images of {owner}: {len(usual)} methods and paths alike with PYTHONOPTIMIZE=2, {done} of them 2xx")


def test_method_when_a_path_does_not_know_it_then_405_and_nothing_is_deleted(case: Case) -> None:
    """S13, OSSN-0048: ``DELETE`` of data and of all members, as an owner, as somebody who may not see the image, and as nobody."""
    mine, theirs = case.image("A"), case.image("B")
    for who, picture in (("A", mine), ("A", theirs), (ANON, mine)):
        nobody = who == ANON and not case.everybody_is_admin
        for path in (f"{picture.v2}/file", f"{picture.v1}/members"):
            answer = case.ask(who, "DELETE", path)
            assert (answer.status, answer.header("Allow")) == ((401, None) if nobody else (405, "GET, PUT"))
    assert case.is_intact(mine, "A")
    assert case.is_intact(theirs, "B")
    case.saw(f"DELETE of /v2 file and /v1 members of an own and of a hidden image: 405, ANON {405 if case.everybody_is_admin else 401}")
