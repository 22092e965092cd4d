"""Ids of deleted images: S11. Who knows one cannot put other data behind it, in any spelling."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing

import pytest

from glance.testing.wire import Answer
from tests.security.matrix import ANON, FORMATS, Case

DELETED = {"v1": 200, "v2": 204}


def spelled(image_id: str) -> dict[str, str]:
    """Other ways to write an id."""
    plain = image_id.replace("-", "")
    return {
        "upper case": image_id.upper(),
        "mixed case": "".join(one.upper() if number % 2 else one for number, one in enumerate(image_id)),
        "no hyphens": plain,
        "no hyphens, upper case": plain.upper(),
        "braces": f"{{{image_id}}}",
        "URN": f"urn:uuid:{image_id}",
        "moved hyphens": f"{plain[:4]}-{plain[4:]}",
    }


def claims(case: Case, who: str, image_id: str) -> list[Answer]:
    """All ways to make an image with that id: v1 without and with data, without version, and v2."""
    v1 = {"x-image-meta-id": image_id}
    formats = {f"x-image-meta-{name}": value for name, value in FORMATS.items()}
    return [
        case.ask(who, "POST", "/v1/images", v1),
        case.ask(who, "POST", "/v1/images", {**v1, **formats}, b"other data"),
        case.ask(who, "POST", "/images", v1),
        case.json(who, "POST", "/v2/images", {"id": image_id}),
    ]


def rows(case: Case, image_id: str) -> list[tuple[str, int, str]]:
    """(id, whether deleted, status) of all images whose id is spelled in any way like that."""
    with closing(sqlite3.connect(f"file:{case.glance.database}?mode=ro", uri=True)) as database:
        query = "SELECT id, deleted, status FROM images WHERE replace(lower(id), '-', '') = ?"
        return database.execute(query, (image_id.replace("-", ""),)).fetchall()


@pytest.mark.parametrize("version", DELETED)
def test_id_of_a_deleted_public_image_then_nobody_can_take_it_again(case: Case, version: str) -> None:
    """S11, OSSN-0075: deleted by v1 or v2, before and after its rows are purged."""
    picture = case.image("ADM", "public")
    assert case.ask("ADM", "DELETE", f"/{version}/images/{picture.id}").status == DELETED[version]

    check_burnt(case, picture.id)
    assert rows(case, picture.id) == [(picture.id, 1, "deleted")]
    assert case.status(picture, "A") == "gone"

    case.glance.manage("db_purge", "--age-in-days", "0", "--max-rows", "-1")
    assert rows(case, picture.id) == []
    check_burnt(case, picture.id)
    assert rows(case, picture.id) == []
    assert case.status(picture, "A") == "gone"
    case.saw(
        f"after DELETE by {version}, and again after db_purge of all ages: the id 409 for A, B, ADM in v1 and v2; "
        f"{len(spelled(picture.id))} other spellings 400"
    )


def check_burnt(case: Case, image_id: str) -> None:
    for who in ("A", "B", "ADM"):
        assert [answer.status for answer in claims(case, who, image_id)] == [409] * 4
    strangers = [[answer.status for answer in claims(case, who, image_id)] for who in ("R", ANON)]
    assert strangers == ([[409] * 4] * 2 if case.everybody_is_admin else [[403] * 4, [401] * 4])
    for spelling, written in spelled(image_id).items():
        assert [answer.status for answer in claims(case, "A", written)] == [400] * 4, spelling


def test_id_of_an_image_that_never_had_data_then_burnt_as_well(case: Case) -> None:
    """S11: queued when it was deleted."""
    image_id = case.queued("A")
    assert case.ask("A", "DELETE", f"/v2/images/{image_id}").status == 204

    assert [answer.status for who in ("A", "B") for answer in claims(case, who, image_id)] == [409] * 8
    assert rows(case, image_id) == [(image_id, 1, "deleted")]
    case.saw("queued and deleted: 409 for its owner and for B")


def test_other_spelling_when_the_id_was_never_used_then_refused_the_same(case: Case) -> None:
    """S11: an id has one spelling, whoever has it; so what is said of another one tells nothing, and it can stand for no image."""
    for picture_id in (case.queued("A"), str(uuid.uuid4())):
        for spelling, written in spelled(picture_id).items():
            answers = claims(case, "A", written)
            assert [answer.status for answer in answers] == [400] * 4, spelling
            assert [case.ask("A", "GET", f"/{version}/images/{written}").status for version in DELETED] == [404, 404], spelling
    case.saw("other spellings of a used and of a fresh id: POST 400 in v1 and v2, GET 404")


def test_id_of_an_own_image_when_changed_into_a_burnt_one_then_403(case: Case) -> None:
    """S11, S18: an image cannot move to the id of another one."""
    burnt, own = case.queued("A"), case.queued("A")
    assert case.ask("A", "DELETE", f"/v2/images/{burnt}").status == 204

    for written in (burnt, *spelled(burnt).values()):
        too_long = len(written) > len(own)
        assert case.ask("A", "PUT", f"/v1/images/{own}", {"x-image-meta-id": written}).status == (400 if too_long else 403)
        assert case.json("A", "PATCH", f"/v2/images/{own}", [{"op": "replace", "path": "/id", "value": written}]).status == 403
    assert rows(case, burnt) == [(burnt, 1, "deleted")]
    assert case.ask("A", "GET", f"/v2/images/{own}").json["id"] == own
    case.saw("v1 PUT x-image-meta-id and v2 PATCH /id with a burnt id, in any spelling: 403 (400 where longer than an id)")


def test_id_of_a_deleted_image_when_taken_at_the_registry_then_refused(case: Case) -> None:
    """S11: not around the API either."""
    if case.registry == "embedded":
        case.saw("no registry to reach")
        return
    image_id = case.queued("A")
    assert case.ask("A", "DELETE", f"/v2/images/{image_id}").status == 204

    body = b'{"image": {"id": "%s", "status": "queued"}}' % image_id.encode()
    for who in ("A", "ADM", ANON):
        assert case.ask_registry(who, "POST", "/images", {"Content-Type": "application/json"}, body).status == 401
    assert rows(case, image_id) == [(image_id, 1, "deleted")]
    case.saw("POST with a burnt id at the registry: 401 for A, ADM, ANON")
