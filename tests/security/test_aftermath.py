"""What is looked at after every test finds what it looks for: P1 to P6. One place is enough for that."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path

import pytest

from glance.testing.servers import wait_until
from glance.testing.wire import Answer
from tests.security.aftermath import Before, Level
from tests.security.conftest import SAW
from tests.security.matrix import LEAK, SENT, Case, Picture, Place, only_in

HERE = only_in("none/embedded")

#: Something bad that happens to a place, and is put right afterwards.
Damage = Callable[[Case, Picture], AbstractContextManager[None]]


def answered(*, body: str = "", headers: tuple[tuple[str, str], ...] = (), status: int = 200) -> Damage:
    @contextlib.contextmanager
    def damage(case: Case, standing: Picture) -> Iterator[None]:
        case.answers.append(Answer(status, headers, body.encode()))
        yield

    return damage


@contextlib.contextmanager
def path_is_told(case: Case, standing: Picture) -> Iterator[None]:
    case.answers.append(Answer(400, (), f"cannot read {case.glance.images}/x".encode()))
    yield


@contextlib.contextmanager
def log_has(case: Case, text: str) -> Iterator[None]:
    with (case.glance.directory / "log" / "api.log").open("a") as log:
        log.write(f"{text}\n")
    yield


@contextlib.contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


@contextlib.contextmanager
def row_is_changed(case: Case, standing: Picture) -> Iterator[None]:
    rename(case.glance.database, standing.id, "other")
    try:
        yield
    finally:
        rename(case.glance.database, standing.id, None)


def rename(path: Path, image_id: str, name: str | None) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE images SET name = ? WHERE id = ?", (name, image_id))


@contextlib.contextmanager
def file_is_made(case: Case, standing: Picture) -> Iterator[None]:
    path = case.glance.directory / "stray"
    path.symlink_to("/etc/passwd")
    try:
        yield
    finally:
        path.unlink()


@contextlib.contextmanager
def service_connects(case: Case, standing: Picture) -> Iterator[None]:
    canary = case.place.canaries[0]
    before = canary.connections
    socket.create_connection(("127.0.0.1", canary.port)).close()
    wait_until(lambda: canary.connections > before, "the canary to notice")
    yield


DAMAGE: dict[str, tuple[str, Damage]] = {
    "a crash": ("P1", answered(status=500)),
    "a traceback": ("P1", answered(body="Traceback (most recent call last)", status=400)),
    "a module": ("P1", answered(headers=(("X-Error", "glance.db.images"),))),
    "a path": ("P1", path_is_told),
    "a traceback in the log": ("P1", lambda case, standing: log_has(case, "Traceback (most recent call last)")),
    "a secret": ("P2", answered(body=SENT)),
    "an encoded secret": ("P2", answered(headers=(("X", b64encode(f"user:{SENT}".encode()).decode()),))),
    "a secret in the log": ("P2", lambda case, standing: log_has(case, SENT)),
    "a foreign file": ("P2", answered(body=LEAK, headers=(("Content-Type", "application/octet-stream"),))),
    "other data": ("P3", lambda case, standing: changed(case.glance.images / standing.id, b"other")),
    "another row": ("P3", row_is_changed),
    "a stray file": ("P4", file_is_made),
    "another configuration": ("P4", lambda case, standing: changed(case.glance.conf("api"), b"")),
    "a connection": ("P5", service_connects),
}


@HERE
@pytest.mark.parametrize("name", DAMAGE)
def test_damage_when_a_test_has_done_it_then_found(
    place: Place, standing: Picture, name: str, record_property: Callable[[str, object], None]
) -> None:
    found, damage = DAMAGE[name]
    before = Before.of(place, standing)
    case = Case(place, print)
    with damage(case, standing), pytest.raises(AssertionError, match=found):
        before.check(case)
    record_property(SAW, (found, f"{name} is noticed", place.name))


@HERE
def test_memory_when_it_has_grown_then_found(place: Place, record_property: Callable[[str, object], None]) -> None:
    now = Level.of(place)
    now.check()
    with pytest.raises(AssertionError, match="P6"):
        replace(now, memory=now.memory - (64 << 20)).check()
    record_property(SAW, ("P6", "memory that has grown is noticed", place.name))
