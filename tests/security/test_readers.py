"""Who reads the data of an image: S03."""

from __future__ import annotations

from glance.testing.wire import Answer
from tests.security.matrix import Case, Picture

PART = {"Range": "bytes=0-99"}


def downloads(case: Case, who: str, picture: Picture) -> list[Answer]:
    """The answers of both versions to a download, and to one of a part."""
    return [case.ask(who, "GET", path, headers) for path in (picture.v1, f"{picture.v2}/file") for headers in ({}, PART)]


def statuses(case: Case, who: str, picture: Picture) -> list[int]:
    """The statuses of ``downloads``; whoever is refused gets no byte of the image."""
    answers = downloads(case, who, picture)
    for answer in answers:
        if answer.status >= 400:
            assert picture.data[:32] not in answer.body
            assert len(answer.body) < 1000
        else:
            assert answer.body == (picture.data if answer.status == 200 else picture.data[:100])
    return [answer.status for answer in answers]


READ = [200, 206, 200, 206]


def test_download_when_the_policy_refuses_it_then_403_without_a_byte(case: Case) -> None:
    """S03, CVE-2013-4428: somebody who may has read the image before, so that a cache would have it; there is none in this release."""
    mine, public = case.image("A"), case.image("B", "public")
    with case.with_options(policy={"download_image": "role:admin"}):
        for picture in (mine, public):
            assert statuses(case, "ADM", picture) == READ
            assert statuses(case, "A", picture) == (READ if case.everybody_is_admin else [403] * 4)
            assert statuses(case, "ADM", picture) == READ
    assert statuses(case, "A", mine) == READ
    if case.everybody_is_admin:
        case.saw("download_image: role:admin is everybody: 200")
    else:
        case.saw("download_image: role:admin: ADM reads, A then gets 403 in v1 and v2 (whole and range) and no byte; no cache exists yet")


def test_download_when_the_image_is_deactivated_or_deleted_then_refused(case: Case) -> None:
    """S03: what was read before is read no more."""
    picture = case.image("A")
    assert statuses(case, "A", picture) == READ

    assert case.ask("ADM", "POST", f"{picture.v2}/actions/deactivate").status == 204
    closed = statuses(case, "A", picture)
    assert closed == ([403, 403, 200, 206] if case.everybody_is_admin else [403] * 4)
    assert case.ask("ADM", "DELETE", picture.v2).status == 204
    assert statuses(case, "A", picture) == [404] * 4
    assert statuses(case, "ADM", picture) == [404] * 4
    case.saw(f"owner after deactivate {closed} (v1, range, v2, range), after delete 404")


def test_download_when_the_reader_is_a_member_no_more_then_404(case: Case) -> None:
    """S03: as soon as the sharing ends."""
    picture = case.image("B", "shared")
    member = f"{picture.v2}/members/{case.project('A')}"
    assert case.json("B", "POST", f"{picture.v2}/members", {"member": case.project("A")}).status == 200
    assert statuses(case, "A", picture) == READ

    assert case.ask("B", "DELETE", member).status == 204
    after = statuses(case, "A", picture)
    assert after == (READ if case.everybody_is_admin else [404] * 4)
    case.saw(f"A reads an image of B that is shared with it, and is answered {after} once it is a member no more (v1, range, v2, range)")
