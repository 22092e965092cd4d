"""Reserving room for data whose size nobody knows: all that there is can be used, and the registry is seldom asked."""

from __future__ import annotations

from typing import Any

import pytest

from glance import errors
from glance.model.image import Upload
from glance.service.reserving import Reservation
from glance.stream import CHUNK


class Room:
    """A registry that has room for so many bytes. ``reserved`` is all that was asked for, in order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.reserved: list[int] = []
        self.uploads = self

    def reserve(self, image_id: str, attempt: str, size: int) -> None:
        self.reserved.append(size)
        if size > self.size:
            raise errors.ProjectQuotaExceeded(what="storage", attempted=size, maximum=self.size)


def passing(room: Any, reserved: int = 0) -> Reservation:
    return Reservation(room, Upload("an image", "an attempt", "file", "worker", reserved=reserved))


@pytest.mark.parametrize("chunks", [1, 2, 3, 999, 1000, 1024])
def test_reservation_when_there_is_room_for_just_so_many_chunks_then_all_pass_and_no_byte_more(chunks: int) -> None:
    room = Room(chunks * CHUNK)
    tap = passing(room)

    for _ in range(chunks):
        tap.update(bytes(CHUNK))
    with pytest.raises(errors.ProjectQuotaExceeded):
        tap.update(b"1")
    assert room.reserved[-1] == chunks * CHUNK + 1


def test_reservation_when_data_are_long_then_asks_seldom() -> None:
    room = Room(100_000 * CHUNK)
    tap = passing(room)
    chunk = bytes(CHUNK)

    for _ in range(100_000):
        tap.update(chunk)

    assert len(room.reserved) < 200


def test_reservation_when_enough_was_reserved_before_then_never_asks() -> None:
    room = Room(0)
    tap = passing(room, reserved=10)

    for _ in range(10):
        tap.update(b"1")
    assert room.reserved == []
    with pytest.raises(errors.ProjectQuotaExceeded):
        tap.update(b"1")
