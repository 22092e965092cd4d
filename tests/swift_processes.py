"""Program: the four servers of a Swift, as children of one process that ends them when its standard input ends, however its parent did.

::

    python -m tests.swift_processes ETC PORT PORT PORT PORT
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from swift.common.ring import RingBuilder
from swift.common.wsgi import run_wsgi

#: The proxy, and what it finds the others by.
SERVERS = ("proxy", "account", "container", "object")


def main(directory: str, *ports: str) -> None:
    etc = Path(directory)
    for server, port in list(zip(SERVERS, ports, strict=True))[1:]:
        _make_ring(etc / f"{server}.ring.gz", int(port))
    children = [_start(server, etc) for server in SERVERS]
    sys.stdin.buffer.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _make_ring(path: Path, port: int) -> None:
    """One copy of everything, on the one device."""
    builder = RingBuilder(part_power=2, replicas=1, min_part_hours=0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1})
    builder.rebalance()
    builder.get_ring().save(str(path))


def _start(server: str, etc: Path) -> int:
    child = os.fork()
    if child == 0:
        os._exit(run_wsgi(str(etc / f"{server}-server.conf"), f"{server}-server", verbose=True))
    return child


if __name__ == "__main__":
    main(*sys.argv[1:])
