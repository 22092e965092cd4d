"""Whom the registry talks to, and about what: S22."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping
from itertools import cycle, islice, product
from pathlib import Path

from glance.registry.operations import OPERATIONS
from glance.testing.servers import Glance
from glance.testing.wire import Answer, parse_one, request_bytes
from tests.security.matrix import ANON, JSON_TYPE, SENT, Case, Picture

SECRET = "X-Glance-Registry-Secret"
#: 127.0.0.1, in the words of the kernel.
LOOPBACK = "0100007F"
REQUIRED = b"The registry's secret is required."
#: What glance-api says of an administrator.
ADMINISTRATOR = {"X-Identity-Status": "Confirmed", "X-Roles": "admin", "X-Glance-Admin": "True", "X-User-Id": "root", "X-Tenant-Id": "root"}


def everything(picture: Picture) -> list[tuple[str, str]]:
    """Method and path of all that the registry has an answer to, about one image."""
    names = {"image_id": picture.id, "attempt": "x", "member": "x"}
    lists = [("GET", path) for path in ("/", "/images", "/images/", "/images/detail", "/images/detail?is_public=None", "/nothing")]
    return [*lists, *((row.verb, row.target(names)) for row in OPERATIONS), ("PUT", f"/images/{picture.id}/members/x")]


def listening_addresses(port: int) -> set[str]:
    """Where somebody on this machine waits for connections to a port, in the words of the kernel."""
    tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    return set(re.findall(rf"([0-9A-F]+):{port:04X} [0-9A-F]+:0000 0A", tables))


def through_the_door(case: Case, caller: Mapping[str, str], method: str, path: str, document: object = None) -> Answer:
    """A request with the secret of glance-api, about a caller."""
    body = None if document is None else json.dumps(document).encode()
    return case.ask_registry(ANON, method, path, {SECRET: SENT, **JSON_TYPE, **caller}, body)


def member_of(project: str) -> dict[str, str]:
    """What glance-api says of a member."""
    identity = {"X-Identity-Status": "Confirmed", "X-User-Id": "somebody", "X-Tenant-Id": project, "X-Roles": "member,reader"}
    return {**identity, "X-Glance-Admin": "False", "X-Glance-Read-Only": "False", "X-Glance-Owner-Is-Project": "True"}


def has_door(case: Case) -> bool:
    """False where the registry is part of glance-api, and nobody listens; else only this machine reaches it."""
    found = listening_addresses(case.glance.registry_port)
    assert found == (set() if case.registry == "embedded" else {LOOPBACK})
    case.saw("the registry listens on 127.0.0.1 only" if found else "the registry is part of glance-api: nobody listens")
    return bool(found)


def owned(case: Case, who: str, visibility: str = "private") -> Picture:
    """An image that has an owner, also where nobody is asked who makes it."""
    picture = case.image(who, visibility)
    answer = case.json("ADM", "PATCH", picture.v2, [{"op": "replace", "path": "/owner", "value": case.project(who)}])
    assert answer.status == 200
    return picture


def test_registry_when_the_secret_is_missing_then_401_whoever_asks_whatever(case: Case) -> None:
    """S22: neither a token nor an identity opens it, and no answer tells anything of an image."""
    if not has_door(case):
        return
    picture = case.image("B", "public")
    wrong: tuple[Mapping[str, str], ...] = (
        {},
        ADMINISTRATOR,
        {SECRET: ""},
        {SECRET: SENT[:-1]},
        {SECRET: f"{SENT}x"},
        {SECRET: SENT.upper()},
        {SECRET: "\u00e9"},
        {SECRET.replace("-", "_"): SENT},
        {"X-Auth-Token": SENT},
        {"Authorization": f"Bearer {SENT}"},
    )
    asked = everything(picture)
    keys = list(product(("A", "ADM", "SVC", ANON), wrong))
    each_once = islice(zip(cycle(keys), cycle(asked), strict=False), max(len(keys), len(asked)))
    requests = list(product(keys, asked) if case.in_full else each_once)
    for (who, headers), (method, path) in requests:
        answer = case.ask_registry(who, method, path, headers)
        assert (answer.status, answer.body) == (401, REQUIRED), (method, path)
    case.saw(f"{len(requests)} requests ({len(asked)} kinds) by A, ADM, SVC, ANON, without the secret and with {len(wrong) - 1} wrong ones: 401 each")


def test_registry_when_secrets_come_twice_then_400(case: Case) -> None:
    """S22: a wrong one and the right one in one request."""
    if not has_door(case):
        return
    for lines in ([f"{SECRET}: x", f"{SECRET}: {SENT}"], [f"{SECRET}: {SENT}", f"{SECRET.lower()}: x"], [f"{SECRET} : {SENT}"]):
        with socket.create_connection(("127.0.0.1", case.glance.registry_port), 30) as connection:
            connection.sendall(request_bytes("GET /images HTTP/1.1", *lines))
            answer = parse_one(b"".join(iter(lambda: connection.recv(65536), b"")))
        case.answers.append(answer)
        assert answer.status == 400
    case.saw("the secret twice with different values, or with a blank before the colon: 400")


def test_registry_when_glance_api_asks_for_a_member_then_enforces_who_owns_what(case: Case) -> None:
    """S22: with the secret, the registry itself knows whose an image is, and tells where data are."""
    if not has_door(case):
        return
    case.allow(paths=True)
    private, public, mine = owned(case, "B"), owned(case, "B", "public"), owned(case, "A")
    a = member_of(case.project("A"))

    for picture, refusal in ((private, 404), (public, 403)):
        image = f"/images/{picture.id}"
        answers = [
            through_the_door(case, a, "PUT", image, {"image": {"name": "stolen", "owner": case.project("A")}}),
            through_the_door(case, a, "POST", f"{image}/activate", {"location": None, "size": 0}),
            through_the_door(case, a, "DELETE", image, {}),
        ]
        assert [answer.status for answer in answers] == [refusal] * len(answers)
    assert through_the_door(case, a, "GET", f"/images/{private.id}").status == 404
    listed = through_the_door(case, a, "GET", "/images/detail?is_public=None&limit=1000").json["images"]
    assert private.id not in {image["id"] for image in listed}
    assert mine.id in {image["id"] for image in listed}
    for path in ("/uploads", "/locations/condemned"):
        assert through_the_door(case, a, "GET", path).status == 403
    assert through_the_door(case, a, "POST", "/locations/erased", {"location_id": 1}).status == 403

    [data] = through_the_door(case, a, "GET", f"/images/{mine.id}").json["image"]["location_data"]
    assert data["url"].startswith("file://")
    nobody = through_the_door(case, {}, "GET", "/images").status
    assert nobody == (200 if case.everybody_is_admin else 401)
    case.saw(f"with the secret, as A: B private 404, B public 403, what programs ask 403, locations shown; with no identity {nobody}")


def test_registry_when_no_address_is_set_then_listens_for_this_machine_and_has_a_secret(tmp_path: Path) -> None:
    """S22: as glance-manage setup leaves it, and where the option is taken out."""
    glance = Glance(tmp_path / "site", services=("registry",))
    assert len(glance.registry_secret) >= 32
    conf = glance.conf("registry")
    conf.write_text(re.sub(r"^bind_host = .*\n", "", conf.read_text(), flags=re.MULTILINE))
    assert "bind_host" not in conf.read_text()

    with glance:
        assert listening_addresses(glance.registry_port) == {LOOPBACK}
        assert glance.request("GET", "/images", service="registry").status == 401
