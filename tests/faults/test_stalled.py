"""R17: clients that fall silent in the middle of an upload or a download: real curl processes that are stopped. What they held is free in time."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from tests.faults.clients import PATIENCE, attempts, descriptors, new_image, status, stored
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.places import MIB

#: Seconds that the server waits for bytes, here.
TIMEOUT = 3

SIZE = 16 * MIB
SLOWLY = ["--limit-rate", "1M"]


@contextmanager
def stopped(commands: list[list[str]], begun: Callable[[], bool]) -> Iterator[None]:
    """Runs these until all have begun; then they neither send nor read."""
    clients = [subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    try:
        wait_until(begun, "all clients to be in the middle", PATIENCE)
        for client in clients:
            client.send_signal(signal.SIGSTOP)
        yield
    finally:
        for client in clients:
            client.kill()
            client.wait(PATIENCE)


def readers(glance: Glance, image_id: str) -> int:
    """How many read the file of an image."""
    return glance.open_files().count(str(glance.images / image_id))


@pytest.mark.timeout(600)
def test_clients_that_are_stopped_then_what_they_held_is_free_after_the_time_out(
    fresh_glance: Callable[..., Glance], tmp_path: Path, report: Report, rounds: Rounds
) -> None:
    glance, count = fresh_glance(services=("api",), api_options={"DEFAULT": {**EMBEDDED, "client_socket_timeout": TIMEOUT}}), rounds(5, 50)
    (tmp_path / "data").write_bytes(bytes(SIZE))
    read = stored(glance, bytes(4 * SIZE))
    filled = [new_image(glance) for _ in range(count)]
    uploads = [["-T", f"{tmp_path}/data", "-H", "Content-Type: application/octet-stream", f"{glance.url}/v2/images/{one}/file"] for one in filled]
    downloads = [["-o", "/dev/null", f"{glance.url}/v2/images/{read}/file"]] * count
    before, memory = descriptors(glance), glance.memory()

    commands = [["curl", "--silent", *SLOWLY, *words] for words in (*uploads, *downloads)]
    with stopped(commands, lambda: (attempts(glance), readers(glance, read)) == (count, count)):
        began = time.monotonic()
        held = glance.memory() - memory
        wait_until(lambda: attempts(glance) == 0 and descriptors(glance) <= before, "all to be free", PATIENCE)
        seconds = time.monotonic() - began

    kept = glance.memory() - memory
    report(
        f"R17 file: {count} uploads and {count} downloads of curl stopped: free after {seconds:.1f} s (time-out {TIMEOUT} s), "
        f"memory {held / MIB:+.0f} MiB meanwhile, {kept / MIB:+.0f} MiB afterwards"
    )
    assert {status(glance, one) for one in filled} == {"queued"}
    assert [path.name for path in glance.images.iterdir()] == [read]
    assert kept < 2 * count * MIB
