"""Two nodes that share a database and a place for images, and uploads that are in the middle when something happens to one of the nodes."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from glance.testing.servers import Glance, Service, wait_until
from glance.testing.wire import parse_all, request_bytes
from tests.faults.clients import BYTES, PATIENCE, V1
from tests.faults.conftest import EMBEDDED, Scene, served
from tests.faults.namespaces import needs_namespaces
from tests.swift_server import SwiftServer

#: Seconds: long enough that no node that runs loses a lease on a busy machine, short enough to wait for.
LEASE = 8

#: In a namespace of its own a process neither sees those of others nor their end, as on another machine.
ELSEWHERE: Mapping[Service, Sequence[str]] = {"api": ("unshare", "-r", "--pid", "--fork", "--mount-proc", "--kill-child")}

QUICK = {**EMBEDDED, "upload_lease_seconds": LEASE, "recovery_interval": 0.2}


@dataclass(frozen=True)
class Nodes(Scene):
    """``glance`` is the node that things happen to; ``second`` seems to be on another machine."""

    second: Glance

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The first node is as good as dead, and goes on afterwards as if nothing had been. It does not hold the lock of the database: who is frozen
        with that in his hands holds up everybody, which is how SQLite is."""
        wait_until(self._freeze, "the node to be frozen outside of a transaction")
        try:
            yield
        finally:
            os.kill(self.glance.pid("api"), signal.SIGCONT)

    def _freeze(self) -> bool:
        pid = self.glance.pid("api")
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: _threads(pid) == {"T"}, "all threads to stand still")
        with contextlib.closing(sqlite3.connect(self.glance.database, timeout=1, isolation_level=None)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                os.kill(pid, signal.SIGCONT)
                return False
            database.rollback()
        return True

    def waiting(self) -> int:
        """Locations whose data are to be erased."""
        with contextlib.closing(sqlite3.connect(self.glance.database)) as database:
            [count] = database.execute("SELECT count(*) FROM image_locations WHERE status IN ('pending_delete', 'condemned')").fetchone()
            return int(count)

    def staged(self) -> list[str]:
        return sorted(path.name for path in self.glance.staging.iterdir())


def _threads(pid: int) -> set[str]:
    """The states of a process' threads."""
    return {path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")}


@contextlib.contextmanager
def two_nodes(driver: str, directory: Path, swift_server: SwiftServer) -> Iterator[Nodes]:
    needs_namespaces()
    with served(driver, directory / "first", swift_server, DEFAULT=QUICK) as scene:
        first = scene.glance
        first.staging.mkdir(0o750, exist_ok=True)
        options: dict[str, dict[str, object]] = {
            "DEFAULT": {**QUICK, "node_staging_uri": f"file://{first.staging}"},
            "database": {"connection": f"sqlite:///{first.database}"},
            "glance_store": {"filesystem_store_datadir": first.images},
        }
        if driver != "file":
            options["glance_store"] |= {"stores": f"{driver},file", "default_store": driver, **scene.place.options(scene.proxy.url)}
        second = Glance(directory / "second", services=("api",), api_options=options)
        try:
            second.start(ELSEWHERE)
            yield Nodes(scene.glance, scene.place, scene.proxy, second)
        finally:
            second.kill()


class HalfSent:
    """An upload of ``data`` of which half has come."""

    def __init__(self, glance: Glance, line: str, data: bytes, *headers: str) -> None:
        self.data = data
        self._left = data[len(data) // 2 :]
        self._connection = glance.connect(PATIENCE)
        request = request_bytes(f"{line} HTTP/1.1", BYTES, f"Content-Length: {len(data)}", *headers)
        self._connection.sendall(request + data[: len(data) // 2])

    def finish(self) -> int | None:
        """Sends the rest; the status of the answer, None where there is none."""
        received = b""
        with self._connection:
            with contextlib.suppress(ConnectionError):
                self._connection.sendall(self._left)
            with contextlib.suppress(ConnectionError):
                while part := self._connection.recv(65536):
                    received += part
        return next((answer.status for answer in parse_all(received)), None)


#: How an upload begins, of each kind: its first line, and the status that an image falls to whose upload fails.
KINDS = {
    "v2": ("PUT /v2/images/{}/file", "queued"),
    "stage": ("PUT /v2/images/{}/stage", "queued"),
    "v1": ("PUT /v1/images/{}", "killed"),
    "v1 create": ("POST /v1/images", "killed"),
}


def begin(glance: Glance, kind: str, image_id: str, data: bytes) -> HalfSent:
    """An upload of that kind; the image must be there, unless it is made by the upload."""
    headers = (*V1, f"x-image-meta-id: {image_id}") if kind == "v1 create" else ()
    return HalfSent(glance, KINDS[kind][0].format(image_id), data, *headers)


def await_status(glance: Glance, image_id: str, *expected: str) -> None:
    """Returns when the image is in one of these."""
    wait_until(lambda: shown(glance, image_id)["status"] in expected, f"the image to be {expected}", 90)


def shown(glance: Glance, image_id: str) -> dict[str, str]:
    answer = glance.request("GET", f"/v2/images/{image_id}")
    return dict(answer.json) if answer.status == 200 else {"status": str(answer.status)}
