"""Deleting what belongs to others, and pushing images into the lists of others: S01 and S02."""

from __future__ import annotations

import pytest

from glance.testing.servers import free_ports
from tests.security.matrix import ANON, Case, Picture

#: Where images are, and what is answered there to whoever deletes one: version 1, the paths of 2010, version 2.
PATHS = {"/v1/images": 200, "/images": 200, "/v2/images": 204}

#: What another project is answered there. Version 2 tells whoever sees an image that it may not delete it, version 1 only where everybody sees it.
REFUSED = {
    "private": [404, 404, 404],
    "shared": [404, 404, 404],
    "shared with it": [404, 404, 403],
    "community": [403, 403, 403],
    "public": [403, 403, 403],
}


def delete(case: Case, who: str, picture: Picture) -> list[int]:
    """The answers to all ways to delete an image."""
    return [case.ask(who, "DELETE", f"{path}/{picture.id}").status for path in PATHS]


def check_refused(case: Case) -> None:
    """Whoever may not delete the images of B does not, in any way, and their data stay."""
    for kind, refused in REFUSED.items():
        picture = case.image("B", kind.removesuffix(" with it"))
        if kind == "shared with it":
            share(case, "B", picture, "A")
        assert delete(case, "A", picture) == refused
        assert delete(case, ANON, picture) == [401] * 3
        assert case.is_intact(picture, "B")
    own = case.image("A")
    assert delete(case, "R", own) == [403] * 3
    assert case.is_intact(own, "A")


def check_deleted_by_everybody(case: Case) -> None:
    """Where all are the administrator."""
    for path, status in PATHS.items():
        for who in ("A", "R", ANON):
            picture = case.image("B")
            assert case.ask(who, "DELETE", f"{path}/{picture.id}").status == status
            assert case.status(picture) == "gone"
            assert not (case.glance.images / picture.id).exists()


def test_delete_of_what_others_own_then_refused_before_the_data_are_touched(case: Case) -> None:
    """S01, CVE-2012-4573, CVE-2012-5482."""
    if case.everybody_is_admin:
        check_deleted_by_everybody(case)
        case.saw("everybody is the administrator, and deletes the throw-away images of B: v1 200, v2 204")
        return
    check_refused(case)
    case.saw(f"A deletes no image of B (v1, without version, v2): {REFUSED}; a reader of the owner's project: 403, ANON: 401; data intact")


def test_delete_when_delayed_then_refused_the_same(case: Case) -> None:
    """S01: with ``delayed_delete`` nobody deletes more images than without; data that their owner deletes wait, and nobody gets them."""
    mine, theirs = case.image("A"), case.image("B")
    with case.with_options({"DEFAULT": {"delayed_delete": True}}):
        if not case.everybody_is_admin:
            assert delete(case, "A", theirs) == [404] * 3
        assert case.ask("A", "DELETE", mine.v2).status == 204
        assert (case.glance.images / mine.id).exists()
        assert [case.ask(who, "GET", f"{mine.v2}/file").status for who in ("A", "B")] == [404] * 2
        assert delete(case, "A", mine) == ([403, 403, 404] if case.everybody_is_admin else [404] * 3)  # administrators see it
    assert case.is_intact(theirs, "B")
    case.saw("delayed_delete: A's DELETE of B's image is 404 as before; A's own data wait, 404 for everybody")


def test_delete_when_the_registry_is_down_then_nothing_happens(case: Case) -> None:
    """S01: with the registry down nobody can say whose image it is, so not even its owner's request touches the data."""
    if case.registry == "embedded":
        case.saw("no registry that could be down")
        return
    picture = case.image("B")
    case.allow(503)
    with case.with_options({"DEFAULT": {"registry_port": free_ports(1)[0]}}):
        assert [delete(case, who, picture) for who in ("A", "B")] == [[503] * 3] * 2
        assert (case.glance.images / picture.id).read_bytes() == picture.data
    assert case.is_intact(picture, "B")
    case.saw("registry down: A and the owner are answered 503 in v1 and v2, the data stay, and the image is served once it is back")


def test_delete_when_a_cache_is_asked_for_the_image_then_there_is_none(case: Case) -> None:
    """S01, S03: with the image in a cache, which this release does not have."""
    picture = case.image("B")
    for method, path in (("GET", "/v2/cache"), ("DELETE", f"/v2/cache/{picture.id}"), ("GET", "/v1/cached_images"), ("DELETE", "/v1/cached_images")):
        assert [case.ask(who, method, path).status for who in ("A", "ADM")] == [404, 404]
    assert case.is_intact(picture, "B")
    case.saw("no cache yet: its routes are 404 for A and ADM")


# Sharing


def share(case: Case, who: str, picture: Picture, whom: str, version: str = "v2") -> None:
    """Lets the project of ``whom`` see an image of ``who``."""
    if version == "v1":
        assert case.ask(who, "PUT", f"{picture.v1}/members/{case.project(whom)}").status == 204
    else:
        assert case.json(who, "POST", f"{picture.v2}/members", {"member": case.project(whom)}).status == 200


def listed(case: Case, who: str, path: str, picture: Picture) -> bool:
    """Whether a list of ``who`` shows an image."""
    answer = case.ask(who, "GET", path)
    assert answer.status == 200
    return picture.id in {image["id"] for image in answer.json["images"]}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_image_that_was_shared_unasked_then_in_no_list_before_its_member_accepts_it(case: Case, version: str) -> None:
    """S02, CVE-2013-4354, OSSN-0005. Version 1 has no acceptance, and lists what is shared (spec-v1 2.11); real clients of it know no other way."""
    picture = case.image("A", "shared")
    member = f"{picture.v2}/members/{case.project('B')}"
    share(case, "A", picture, "B", version)

    assert case.ask("B", "GET", picture.v2).status == 200
    if case.everybody_is_admin:
        assert case.json("A", "PUT", member, {"status": "accepted"}).status == 200
        case.saw("everybody is the administrator: lists all images, and accepts for everybody")
        return
    assert [listed(case, "B", path, picture) for path in ("/v2/images", "/v1/images", "/v1/images/detail")] == [False, True, True]
    assert listed(case, "B", "/v2/images?member_status=pending", picture)
    assert [case.json(who, "PUT", member, {"status": "accepted"}).status for who in ("A", "R", "SVC", ANON, "B")] == [403, 403, 404, 401, 200]
    assert listed(case, "B", "/v2/images", picture)
    assert case.json("B", "PUT", member, {"status": "rejected"}).status == 200
    assert not listed(case, "B", "/v2/images", picture)
    case.saw("B sees an unasked image by id, in v2 lists only once B has accepted it, in v1 lists at once; A, R, SVC, ANON accept: 403 403 404 401")


def test_image_when_its_member_shares_it_on_then_refused(case: Case) -> None:
    """S02: whom an image is shared with may neither share it on, unless its owner lets it, nor end the sharing with others."""
    picture = case.image("A", "shared")
    share(case, "A", picture, "B")
    first, second, third = map(case.project, ("ADM", "SVC", "R"))

    answers = [
        case.json("B", "POST", f"{picture.v2}/members", {"member": first}).status,
        case.ask("B", "PUT", f"{picture.v1}/members/{second}").status,
        case.ask("B", "DELETE", f"{picture.v2}/members/{case.project('B')}").status,
        case.json("B", "PUT", f"{picture.v1}/members", {"memberships": [{"member_id": third}]}).status,
    ]

    assert answers == ([200, 204, 204, 204] if case.everybody_is_admin else [403, 404, 403, 404])
    case.saw(f"a member shares on or ends the sharing: v2 POST, v1 PUT, v2 DELETE, v1 PUT of a list: {answers}")
