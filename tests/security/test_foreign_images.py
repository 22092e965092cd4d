"""What a stranger makes of the images of others, and an owner of what is fixed: S16 to S18."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlencode

import pytest

from glance.testing.wire import Answer
from tests.security.matrix import ANON, Case, Picture

IMPORT_METHODS = ("glance-direct", "web-download", "copy-image", "glance-download")
SOURCE = "http://127.0.0.1:9/image"


def shown(case: Case, who: str, picture: Picture) -> tuple[object, object]:
    """An image as both versions show it, without the time of its last change."""
    v1 = case.ask(who, "HEAD", picture.v1)
    v2 = case.ask(who, "GET", picture.v2)
    assert (v1.status, v2.status) == (200, 200)
    headers = {name: value for name, value in v1.headers if name.startswith("X-Image-Meta-") and name != "X-Image-Meta-Updated_at"}
    return headers, {**v2.json, "updated_at": None}


# S16


def attempts_to_bring_data(case: Case, picture: Picture) -> list[Answer]:
    """All that starts a transfer of data into an image, or out of a store, by A."""
    location = {"url": SOURCE, "metadata": {}}
    imports = [
        case.json("A", "POST", f"{picture.v2}/import", {"method": {"name": name, "uri": SOURCE}, "stores": ["file"], "all_stores": False})
        for name in IMPORT_METHODS
    ]
    assert {answer.status for answer in imports} <= {403, 404}
    return [
        *imports,
        case.ask("A", "PUT", f"{picture.v2}/stage", body=b"other data"),
        case.ask("A", "PUT", f"{picture.v2}/file", body=b"other data"),
        case.ask("A", "PUT", picture.v1, body=b"other data"),
        case.ask("A", "PUT", picture.v1, {"x-glance-api-copy-from": SOURCE}),
        case.ask("A", "PUT", picture.v1, {"x-image-meta-location": SOURCE}),
        case.json("A", "POST", f"{picture.v2}/locations", {"url": SOURCE}),
        case.json("A", "PATCH", picture.v2, [{"op": "add", "path": "/locations/-", "value": location}]),
        case.ask("A", "DELETE", f"/v2/stores/file/{picture.id}"),
    ]


def test_import_when_the_image_is_another_projects_then_refused_and_nothing_moves(case: Case) -> None:
    """S16, LP 1884587 and 1932337: importing, copying and migrating need the right to change the image."""
    for visibility in ("public", "community", "private"):
        picture = case.image("B", visibility)
        before = shown(case, "B", picture)

        statuses = [answer.status for answer in attempts_to_bring_data(case, picture)]

        hidden = visibility == "private" and not case.everybody_is_admin
        assert all(status in ({404} if hidden else {400, 403, 404, 409}) for status in statuses), statuses
        assert shown(case, "B", picture) == before
        assert case.is_intact(picture, "B")
        case.saw(f"{visibility}: 4 imports (no route yet), stage, file, v1 data, copy and location, v2 locations twice, stores: {statuses}")


# S17

V1_QUERIES: tuple[Mapping[str, str], ...] = (
    {},
    *({"is_public": value} for value in ("False", "false", "None", "none", "NONE", "0", "True", "1", "x", "", " None", "null")),
    {"is_public": "None", "owner": "{owner}"},
    {"owner": "{owner}"},
    {"property-mark": "{mark}"},
    {"property-mark": "{mark}", "is_public": "None"},
    {"changes-since": "1970-01-01T00:00:00"},
    {"changes-since": "1970-01-01T00:00:00", "is_public": "None", "deleted": "True"},
    {"marker": "{id}"},
    {"marker": "{id}", "sort_key": "id", "sort_dir": "asc"},
    {"deleted": "True"},
    {"status": "deleted"},
    {"status": "active", "size_min": "0", "limit": "1000"},
    {"name": "{mark}", "protected": "false", "disk_format": "raw"},
)
V2_QUERIES: tuple[Mapping[str, str], ...] = (
    {},
    *({"visibility": value} for value in ("private", "shared", "all", "public", "community", "none")),
    *({"visibility": value, "owner": "{owner}"} for value in ("private", "shared", "all")),
    {"owner": "{owner}"},
    {"member_status": "all"},
    {"member_status": "all", "visibility": "shared", "owner": "{owner}"},
    {"member_status": "pending"},
    {"id": "{id}"},
    {"id": "in:{id},{id}"},
    {"name": "{mark}"},
    {"mark": "{mark}"},
    {"tag": "{mark}"},
    {"os_hidden": "true"},
    {"checksum": "{checksum}"},
    {"marker": "{id}"},
    {"is_public": "None"},
    {"is_public": "False", "visibility": "private"},
    {"deleted": "True"},
    {"status": "deleted"},
    {"status": "in:active,deleted,queued"},
    {"size_min": "0", "updated_at": "gt:1970-01-01T00:00:00Z", "limit": "1000"},
    {"sort": "owner:asc"},
    {"sort_key": "id", "sort_dir": "asc", "limit": "1000"},
)
V1_LISTS = ("/v1/images", "/v1/images/detail", "/images/detail")


def listing(path: str, query: Mapping[str, str], about: Mapping[str, str]) -> str:
    return f"{path}?{urlencode({name: value.format(**about) for name, value in query.items()})}"


def rows(answer: Answer) -> set[str]:
    """The ids of the images that a list shows."""
    document = answer.json if answer.status == 200 else {}
    return {row["id"] for row in document.get("images", ())} | {row["image_id"] for row in document.get("shared_images", ())}


def marked(case: Case, mark: str) -> list[Picture]:
    """Images of B that A has nothing to do with: private, shared with a third project, deleted."""
    private, shared, deleted = (case.image("B", visibility, b"data") for visibility in ("private", "shared", "private"))
    assert case.json("B", "POST", f"{shared.v2}/members", {"member": "a-third-project"}).status == 200
    marks = {"/mark": mark, "/name": mark, "/tags": [mark]}
    for picture in (private, shared, deleted):
        answer = case.json("B", "PATCH", picture.v2, [{"op": "add", "path": path, "value": value} for path, value in marks.items()])
        assert answer.status == 200
    assert case.ask("B", "DELETE", deleted.v2).status == 204
    return [private, shared, deleted]


def test_list_when_asked_in_any_way_then_shows_no_hidden_image_of_another_project(case: Case) -> None:
    """S17, LP 1060481 and 1061331: who may see an image is a condition that no filter takes away."""
    mark = f"mark-of-{case.project('B')}"
    pictures = marked(case, mark)
    private, hidden = pictures[0], {picture.id for picture in pictures}
    about = {"owner": case.project("B"), "mark": mark, "id": private.id, "checksum": case.ask("B", "GET", private.v2).json["checksum"]}
    paths = [
        *(listing(path, query, about) for query in V1_QUERIES for path in case.some(V1_LISTS)),
        *(listing("/v2/images", query, about) for query in V2_QUERIES),
        *(f"/v1/shared-images/{project}" for project in ("a-third-project", case.project("B"))),
    ]

    shows = 0
    for path in paths:
        for who in ("A", *case.some(("R", "SVC", ANON))):
            answer = case.ask(who, "GET", path)
            assert answer.status in ({401} if who == ANON and not case.everybody_is_admin else {200, 400, 403, 404})
            shows += not hidden.isdisjoint(rows(answer))

    for path in ("/v1/images?is_public=None", f"/v2/images?id={private.id}"):
        assert private.id in rows(case.ask("ADM", "GET", path))
    if case.everybody_is_admin:
        assert all(hidden.isdisjoint(rows(case.ask("A", "GET", path))) for path in V1_LISTS)
        assert shows > 0
        case.saw("everybody is the administrator: is_public=None, owner= and the like show what is private, the default lists of v1 do not")
    else:
        assert shows == 0
        case.saw(
            f"{len(paths)} lists by A (200/400/404) and {case.how_many} of R, SVC (the same), ANON (401): no row of B; "
            "ADM sees them by is_public=None and id="
        )


# S18

FIXED_IN_V1 = {
    "x-image-meta-id": "6f1e1c61-9a2c-4a0e-9c11-0123456789ab",
    "x-image-meta-checksum": "0" * 32,
    "x-image-meta-size": "1",
    "x-image-meta-status": "queued",
    "x-image-meta-created_at": "1999-01-01T00:00:00",
    "x-image-meta-updated_at": "1999-01-01T00:00:00",
    "x-image-meta-deleted_at": "1999-01-01T00:00:00",
    "x-image-meta-deleted": "True",
    "x-image-meta-store": "http",
    "x-image-meta-location": SOURCE,
    "x-image-meta-uri": SOURCE,
    "x-image-meta-copy_from": SOURCE,
    "x-glance-api-copy-from": SOURCE,
    "x-image-meta-os_hash_algo": "md5",
    "x-image-meta-os_hash_value": "0" * 128,
    "x-image-meta-visibility": "public",
    "x-image-meta-direct_url": SOURCE,
    "x-image-meta-location_data": "[]",
}
OWNER_IN_V1 = {"x-image-meta-owner": "somebody-else"}
FIXED_IN_V2: dict[str, object] = {
    "id": "6f1e1c61-9a2c-4a0e-9c11-0123456789ab",
    "checksum": "0" * 32,
    "size": 1,
    "virtual_size": 1,
    "status": "queued",
    "created_at": "1999-01-01T00:00:00Z",
    "updated_at": "1999-01-01T00:00:00Z",
    "deleted_at": "1999-01-01T00:00:00Z",
    "deleted": True,
    "stores": "http",
    "location": SOURCE,
    "locations": [{"url": SOURCE, "metadata": {}}],
    "direct_url": SOURCE,
    "self": SOURCE,
    "file": SOURCE,
    "schema": SOURCE,
    "os_hash_algo": "md5",
    "os_hash_value": "0" * 128,
    "disk_format": "qcow2",
    "container_format": "ovf",
}
OWNER_IN_V2 = {"owner": "somebody-else"}


def changes_of(case: Case, who: str, picture: Picture, in_v1: Mapping[str, str], in_v2: Mapping[str, object]) -> dict[str, int]:
    """The status that each single change is answered with."""
    answered = {}
    for name, value in in_v1.items():
        keep = {"x-glance-registry-purge-props": "false"}
        answered[f"v1 {name.removeprefix('x-image-meta-')}"] = case.ask(who, "PUT", picture.v1, {**keep, name: value}).status
    for name, value in in_v2.items():
        for operation in case.some(("replace", "add", "remove")):
            change = {"op": operation, "path": f"/{name}", "value": value}
            answered[f"v2 {operation} {name}"] = case.json(who, "PATCH", picture.v2, [change]).status
    return answered


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_core_attribute_when_its_owner_changes_it_then_refused_or_ignored(case: Case, version: str) -> None:
    """S18, LP 1483353 and 1483688: what was said of an active image stays true."""
    picture = case.image("A", version=version)
    before = shown(case, "A", picture)
    in_v1, in_v2 = (FIXED_IN_V1, FIXED_IN_V2) if case.everybody_is_admin else ({**FIXED_IN_V1, **OWNER_IN_V1}, {**FIXED_IN_V2, **OWNER_IN_V2})

    answered = changes_of(case, "A", picture, in_v1, in_v2)

    assert shown(case, "A", picture) == before
    assert case.is_intact(picture, "A")
    assert set(answered.values()) <= {200, 400, 403}
    ignored = sorted(name for name, status in answered.items() if status == 200)
    assert all(name.startswith("v1 ") for name in ignored)
    assert {name for name, status in answered.items() if status == 400} <= {f"v1 {name}" for name in BAD_IN_V1}
    owner = "; the owner, whom an administrator may change, left out" if case.everybody_is_admin else ""
    case.saw(
        f"{len(answered)} changes (v2: {case.how_many} of 3 operations): ignored {json.dumps(ignored)}, "
        f"all others 403 (400 where the header means nothing here); same image{owner}"
    )


#: Headers that version 1 does not know, and sources of data for an image that has some.
BAD_IN_V1 = ("location", "x-glance-api-copy-from", "os_hash_algo", "os_hash_value", "visibility", "direct_url", "location_data")


def test_core_attribute_when_a_stranger_changes_it_then_404_or_403(case: Case) -> None:
    """S18: as for every other change of somebody else's image."""
    for visibility, expected in (("private", 404), ("public", 403)):
        picture = case.image("B", visibility)
        before = shown(case, "B", picture)

        answered = changes_of(case, "A", picture, FIXED_IN_V1, FIXED_IN_V2)

        assert shown(case, "B", picture) == before
        if not case.everybody_is_admin:
            assert {status for name, status in answered.items() if status != 400} == {expected}
            case.saw(f"{visibility} image of B, {len(answered)} changes: {expected}")


def test_owner_when_an_administrator_changes_it_then_it_is_another(case: Case) -> None:
    """S18: the one core attribute that somebody may give away."""
    picture = case.image("A")

    assert case.ask("ADM", "PUT", picture.v1, {"x-image-meta-owner": case.project("B")}).status == 200
    assert case.ask("B", "GET", picture.v2).json["owner"] == case.project("B")
    assert case.json("ADM", "PATCH", picture.v2, [{"op": "replace", "path": "/owner", "value": case.project("A")}]).status == 200
    assert case.ask("A", "GET", picture.v2).json["owner"] == case.project("A")
    case.saw("ADM gives an image to B in v1 and back in v2: 200")
