"""Large bodies: uploads and downloads, one or many at once, whole or in ranges, fast or slow."""

from __future__ import annotations

import contextlib
import random
import resource
import selectors
import socket
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks import callers
from benchmarks.measuring import Sample, at_once
from benchmarks.services import Target
from benchmarks.wire import BLOCK, MIB, Connection, download, upload

GIB = 1024 * MIB
_RAW = {"disk_format": "raw", "container_format": "bare"}
_HEAD = {f"x-image-meta-{name.replace('_', '-')}": value for name, value in _RAW.items()}
_SLOW_PIECE = 16 * 1024


def prime(directory: Path, size: int) -> None:
    """Memory that the host has not backed yet costs whoever touches it first (docs/performance.md): not one of those who are compared."""
    path = directory / "prime"
    write(path, size)
    path.unlink()


def write(path: Path, size: int) -> None:
    """A file of the same bytes that uploads send."""
    with path.open("wb") as file:
        for _ in range(size // len(BLOCK)):
            file.write(BLOCK)


def watched(target: Target, size: int, transfer: Callable[[], float]) -> Sample:
    """The rate of a transfer of ``size`` bytes, and what it costs the server: processor time, and memory that it had not held before."""
    tree, client = target.tree, _own_seconds()
    if tree is not None:
        tree.reset_peak()
    before = (tree.seconds(), tree.memory()) if tree else (0.0, 0)
    seconds = transfer()
    sample = {"MiB/s": size / MIB / seconds, "client CPU s/GiB": (_own_seconds() - client) * GIB / size}
    if tree is not None:
        sample["CPU s/GiB"] = (tree.seconds() - before[0]) * GIB / size
        sample["MiB more"] = max(0.0, (tree.peak() - before[1]) / MIB)
    return sample


def uploads(target: Target, size: int, streams: int = 1, *, chunked: bool = False) -> Sample:
    """``streams`` images of ``size`` bytes in all, through version 2; made before, and deleted after."""
    with images(target, streams) as paths:
        send = [partial(_send, target, f"{path}/file", size // streams, chunked=chunked) for path in paths]
        return watched(target, size, lambda: longest(send))


def upload_v1(target: Target, size: int) -> Sample:
    """One image through version 1, record and data in one request."""
    image = str(uuid.uuid4())
    headers = {**_HEAD, "x-image-meta-id": image, "x-image-meta-name": "upload"}
    with Connection(target.url, callers.MEMBER) as connection:
        sample = watched(target, size, lambda: upload(connection, "POST", "/v1/images", headers, size))
        connection.call("DELETE", f"/v1/images/{image}")
    return sample


def put_file(target: Target, size: int) -> Sample:
    """A file for a server that only stores what comes."""
    with Connection(target.url) as connection:
        sample = watched(target, size, lambda: upload(connection, "PUT", "/up", {}, size))
        connection.call("DELETE", "/up")
    return sample


def downloads(target: Target, path: str, size: int, streams: int) -> Sample:
    """The same data, ``streams`` times at once."""
    return watched(target, size * streams, lambda: longest([partial(fetch, target, path)] * streams))


def first_byte(target: Target, path: str, calls: int) -> Sample:
    """How long the first bytes of a download take to come."""
    with Connection(target.url, callers.MEMBER) as connection:
        return {"p50 ms": statistics.median(download(connection, path).seconds for _ in range(calls)) * 1000}


def ranges(target: Target, path: str, size: int, length: int, clients: int, seconds: float) -> Sample:
    """Pieces of ``length`` bytes from anywhere in data of ``size`` bytes, again and again."""
    end = time.monotonic() + seconds

    def work(seed: int) -> int:
        choose, received = random.Random(seed), 0
        with Connection(target.url, callers.MEMBER) as connection:
            while time.monotonic() < end:
                start = choose.randrange(size // length) * length
                download(connection, path, {"Range": f"bytes={start}-{start + length - 1}"}, 206)
                received += length
        return received

    started = time.perf_counter()
    received = sum(at_once([partial(work, seed) for seed in range(clients)]))
    return {"MiB/s": received / MIB / (time.perf_counter() - started)}


@contextlib.contextmanager
def meanwhile(streams: Sequence[Callable[[], float]]) -> Iterator[None]:
    """Each stream again and again, on a thread of its own, until the end of the block."""
    enough = threading.Event()

    def repeat(stream: Callable[[], float]) -> None:
        while not enough.is_set():
            stream()

    with ThreadPoolExecutor(len(streams)) as pool:
        running = [pool.submit(repeat, stream) for stream in streams]
        try:
            yield
        finally:
            enough.set()
    for one in running:
        one.result()


def one_upload(target: Target, size: int) -> float:
    """Seconds of an image's data, for a stream that goes on."""
    with images(target, 1) as [path]:
        return _send(target, f"{path}/file", size)


def slow_uploads(target: Target, count: int, seconds: float) -> Sample:
    """By how much a server grows that waits for ``count`` clients, each of which sends 64 KiB a second."""
    tree = target.tree
    if tree is None:
        raise ValueError("only of processes that are known can the memory be measured")
    with images(target, count) as paths, contextlib.ExitStack() as stack:
        tree.reset_peak()
        before = tree.memory()
        socks = []
        for path in paths:
            connection = stack.enter_context(Connection(target.url, callers.MEMBER))
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(GIB)}
            socks.append(connection.send_head("PUT", f"{path}/file", headers))
        _drip(socks, seconds)
        return {"MiB more": max(0.0, (tree.peak() - before) / MIB)}


def _drip(socks: Sequence[socket.socket], seconds: float) -> None:
    with selectors.DefaultSelector() as selector:
        for sock in socks:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_WRITE)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for key, _events in selector.select(1):
                key.fileobj.send(BLOCK[:_SLOW_PIECE])  # type: ignore[union-attr]
            time.sleep(_SLOW_PIECE / (64 * 1024))


@contextlib.contextmanager
def images(target: Target, count: int) -> Iterator[list[str]]:
    """The paths of new images without data, which are deleted at the end."""
    with Connection(target.url, callers.MEMBER) as connection:
        paths = [f"/v2/images/{connection.call_json('POST', '/v2/images', _RAW).json['id']}" for _ in range(count)]
    try:
        yield paths
    finally:
        with Connection(target.url, callers.MEMBER) as connection:
            for path in paths:
                # The server may not have noticed yet that an upload was given up.
                connection.call("DELETE", path, expected=(204, 409))


def stored(target: Target, size: int) -> str:
    """The path of the data of a new image."""
    with Connection(target.url, callers.MEMBER) as connection:
        path = f"/v2/images/{connection.call_json('POST', '/v2/images', _RAW).json['id']}"
    _send(target, f"{path}/file", size)
    return f"{path}/file"


def longest(calls: Sequence[Callable[[], float]]) -> float:
    """Seconds until the last of the calls, made at once, has ended."""
    started = time.perf_counter()
    at_once(calls)
    return time.perf_counter() - started


def _send(target: Target, path: str, size: int, *, chunked: bool = False) -> float:
    with Connection(target.url, callers.MEMBER) as connection:
        return upload(connection, "PUT", path, {}, size, chunked=chunked)


def fetch(target: Target, path: str) -> float:
    """Seconds of a whole download."""
    started = time.perf_counter()
    with Connection(target.url, callers.MEMBER) as connection:
        download(connection, path)
    return time.perf_counter() - started


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
