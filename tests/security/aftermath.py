"""What is true after every attack, however it was answered: P1 to P6 of the list of security issues."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from glance.testing.servers import wait_until
from glance.testing.wire import Answer
from tests.security.matrix import Case, Picture, Place

#: What no client needs to know: the code, its files, its database.
INSIDE = re.compile(r'Traceback|File "|\.py\b|sqlalchemy|\bSELECT |\bINSERT INTO |\bUPDATE images|\bglance\.(?:api|db|registry|service|store)\b')

#: Tables that say something about an image, and the column that names it.
TABLES = {"images": "id", "image_locations": "image_id", "image_properties": "image_id", "image_members": "image_id", "image_tags": "image_id"}

#: Bytes of memory that all processes of a service may have taken after a module of tests, and connections that they keep for later.
GROWTH = 32 << 20
KEPT = 16


@dataclass(frozen=True)
class Before:
    """A place as a test found it, with an image of B that nobody else may read or change."""

    place: Place
    standing: Picture
    logs: Mapping[Path, int]
    files: Mapping[str, str]
    rows: object
    connections: int

    @classmethod
    def of(cls, place: Place, standing: Picture) -> Self:
        return cls(place, standing, place.logs(), _files(place), _rows(place, standing.id), _connections(place))

    def check(self, case: Case) -> None:
        """P1 to P5, where ``case`` is what the test did."""
        answers = tuple(case.answers)
        assert case.is_intact(self.standing, "B"), "P3: an image of B was harmed"
        assert _rows(self.place, self.standing.id) == self.rows, "P3: what is known of an image of B was changed"
        assert _files(self.place) == self.files, "P4: files were changed"
        assert _connections(self.place) == self.connections, "P5: the service has connected to where it must not"
        log = self.place.log_since(self.logs)
        assert "Traceback" not in log, "P1: an error that nobody expected"
        _check_silent(case, answers)
        answered = {part for answer in answers for part in (repr(answer.headers).encode(), answer.body)}
        assert _leaks(self.place, {"an answer": b"\n".join(answered), "a log": log.encode()}) == [], "P2: a secret was told"


@dataclass(frozen=True)
class Level:
    """What the processes of a place hold when a module of tests begins."""

    place: Place
    memory: int
    files: int

    @classmethod
    def of(cls, place: Place) -> Self:
        return cls(place, _used(place), len(place.glance.open_files()))

    def check(self) -> None:
        """P6, and those parts of P2 that are about the database and the processes, which stay the same."""
        glance = self.place.glance
        assert glance.request("GET", "/healthcheck", timeout=10).status == 200, "P6: not healthy"
        wait_until(lambda: len(glance.open_files()) <= self.files + KEPT, "P6: open files to be closed")
        assert _used(self.place) - self.memory < GROWTH, "P6: memory has grown"
        database = glance.directory.glob(f"{glance.database.name}*")
        processes = (Path(f"/proc/{pid}/{name}") for pid in glance.pids() for name in ("cmdline", "environ"))
        seen = {str(path): path.read_bytes() for path in (*database, *processes)}
        assert _leaks(self.place, seen) == [], "P2: a secret is in the database, or shown with a process"


def _check_silent(case: Case, answers: Sequence[Answer]) -> None:
    """P1: nothing has failed, and nothing is told that is not for clients. Many answers say the same, which is looked at once."""
    for answer in answers:
        assert answer.status < 500 or answer.status in case.allowed, f"P1: {answer.status} {answer.text}"
    shown = (answer for answer in answers if answer.header("Content-Type") != "application/octet-stream")
    for text in {part for answer in shown for part in (repr(answer.headers), answer.text)}:
        assert INSIDE.search(text) is None, f"P1: {text}"
        assert case.paths_allowed or str(case.glance.directory) not in text, f"P1: {text}"


def _leaks(place: Place, seen: Mapping[str, bytes]) -> list[str]:
    """Where one of the secrets is."""
    return [what for what, content in seen.items() if any(form in content for form in place.secrets)]


def _rows(place: Place, image_id: str) -> list[object]:
    """All that the database knows about an image."""
    with closing(sqlite3.connect(f"file:{place.glance.database}?mode=ro", uri=True)) as database:
        return [database.execute(f"SELECT * FROM {table} WHERE {column} = ?", (image_id,)).fetchall() for table, column in TABLES.items()]


def _used(place: Place) -> int:
    """Bytes of memory, without those that configurations took."""
    return place.glance.memory() - sum(place.loaded)


def _files(place: Place) -> dict[str, str]:
    """Every file in and around the service's directory, and what is in it; not data, logs and the database, and not what operators change."""
    glance = place.glance
    changing = tuple(map(str, (glance.images, glance.staging, glance.directory / "log", glance.database, glance.directory / "tokens.json")))
    found = {}
    for directory, names, files in os.walk(glance.directory.parent):
        if directory.startswith(changing):
            names.clear()  # of many images
            continue
        for path in (Path(directory, name) for name in (*names, *files)):
            if not str(path).startswith(changing):
                found[str(path)] = f"{path.lstat().st_mode:o} {hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ''}"
    return found


def _connections(place: Place) -> int:
    return sum(canary.connections for canary in place.canaries)
