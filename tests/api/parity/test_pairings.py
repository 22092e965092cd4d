"""One image in the hands of two clients, each of any version: they are two views of one service."""

from __future__ import annotations

import hashlib

import pytest

from tests.api.conftest import Api
from tests.api.parity.clients import CLIENTS, Client, Refused, V2Client

BYTES = b"0123456789"
PAIRINGS = [(one, other) for one in CLIENTS for other in CLIENTS]


@pytest.fixture(params=PAIRINGS, ids="-".join)
def pair(request: pytest.FixtureRequest, shared_api: Api) -> tuple[Client, Client]:
    """Two clients of one caller, an administrator of project P1."""
    first, second = request.param
    return CLIENTS[first](shared_api).as_caller("P1", "admin"), CLIENTS[second](shared_api).as_caller("P1", "admin")


def test_image_when_created_by_one_then_the_other_shows_and_lists_the_same(pair: tuple[Client, Client]) -> None:
    one, other = pair
    image_id = one.create("first", min_ram=512)
    one.set_property(image_id, "colour", "blue \N{SNOWMAN}")
    shown = other.show(image_id)
    assert shown == one.show(image_id)
    assert (shown.name, shown.status, shown.public, shown.owner, shown.size) == ("first", "queued", False, "P1", 0)
    assert (shown.disk_format, shown.container_format, shown.min_ram) == ("raw", "bare", 512)
    assert shown.properties == {"colour": "blue \N{SNOWMAN}"}
    assert other.names() == one.names() == ["first"]


def test_data_when_brought_by_one_then_the_other_reads_them_whole_and_in_part(pair: tuple[Client, Client]) -> None:
    one, other = pair
    image_id = one.create("data")
    other.upload(image_id, BYTES)
    for client in pair:
        shown = client.show(image_id)
        assert (shown.status, shown.size, shown.checksum) == ("active", 10, hashlib.md5(BYTES).hexdigest())
        assert client.download(image_id) == BYTES
        assert (client.download(image_id, "bytes=2-4"), client.download(image_id, "bytes=-3")) == (b"234", b"789")


def test_image_when_changed_by_the_other_then_the_first_sees_it_and_nothing_else_changed(pair: tuple[Client, Client]) -> None:
    one, other = pair
    image_id = one.create("old", min_ram=64)
    one.set_property(image_id, "kept", "1")
    one.upload(image_id, BYTES)
    other.update(image_id, name="new", min_ram=128)
    other.set_property(image_id, "added", "2")
    shown = one.show(image_id)
    assert (shown.name, shown.min_ram, shown.properties) == ("new", 128, {"kept": "1", "added": "2"})
    assert (shown, shown.status, one.download(image_id)) == (other.show(image_id), "active", BYTES)


def test_image_when_published_by_one_then_strangers_read_it_by_the_other(pair: tuple[Client, Client]) -> None:
    one, other = pair
    image_id = one.create("open")
    one.upload(image_id, BYTES)
    stranger = other.as_caller("P9")
    assert stranger.names() == []
    one.publish(image_id)
    assert (other.show(image_id).public, stranger.names(), stranger.download(image_id)) == (True, ["open"], BYTES)


def test_image_when_shared_by_one_then_the_member_reads_it_by_the_other_until_that_ends(pair: tuple[Client, Client]) -> None:
    one, other = pair
    owner, member = one.as_caller("P1"), other.as_caller("P2")
    image_id = owner.create("shared")
    owner.upload(image_id, BYTES)
    owner.share(image_id, "P2")
    V2Client(member.api).accept(image_id, "P2")
    for client in (one.as_caller("P2"), member):
        assert (client.names(), client.download(image_id), client.members(image_id)) == (["shared"], BYTES, ["P2"])
    assert other.as_caller("P1").members(image_id) == ["P2"]
    other.as_caller("P1").unshare(image_id, "P2")
    assert (owner.members(image_id), member.names(), one.as_caller("P2").names()) == ([], [], [])


def test_image_when_protected_by_one_then_the_other_cannot_delete_it(pair: tuple[Client, Client]) -> None:
    one, other = pair
    image_id = one.create("safe")
    one.update(image_id, protected=True)
    with pytest.raises(Refused):
        other.delete(image_id)
    assert one.show(image_id).protected
    other.update(image_id, protected=False)
    other.delete(image_id)
    assert one.names() == []


def test_image_when_deleted_by_the_other_then_gone_for_both_and_its_data_too(pair: tuple[Client, Client]) -> None:
    one, other = pair
    image_id = one.create("short-lived")
    one.upload(image_id, BYTES)
    other.delete(image_id)
    assert one.names() == other.names() == []
    for client in (one.as_caller("P1"), other.as_caller("P1")):
        with pytest.raises(Refused):
            client.show(image_id)
    assert not list(one.api.images.glob(f"*{image_id}*"))
