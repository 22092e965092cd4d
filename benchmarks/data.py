"""Rows about large bodies: uploads beside what bounds them, downloads and ranges beside nginx."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import callers, hashing
from benchmarks.bench import Bench
from benchmarks.measuring import OURS, Goal, Line, Sample, Taken, alone, beside, compared
from benchmarks.requests_per_second import wrk
from benchmarks.services import Target
from benchmarks.transfers import GIB, downloads, first_byte, prime, put_file, ranges, stored, upload_v1, uploads, write
from benchmarks.wire import MIB, Connection, download

MD5, BOUND = "md5", "two-core bound"
_DIGESTS = ("md5", "sha512")
_STREAMS = 4
_KIB = 1024


def one_upload(bench: Bench) -> Iterator[Line]:
    """One image, of announced length and chunked, beside md5 on one core, which no program that makes that digest can pass."""
    size = bench.plan.size
    prime(bench.root, size)
    for framing, chunked in (("Content-Length", False), ("chunked", True)):
        measures = {one.name: partial(uploads, one, size, chunked=chunked) for one in (bench.ours, *bench.peers)}
        taken = bench.in_turn({**measures, MD5: partial(hashing.rate, size, ("md5",))}, f"upload, {framing}")
        work = f"upload of {_sized(size)}, {framing}"
        yield from compared(work, "MiB/s", taken, {MD5: Goal(0.7, stretch=0.8), "upstream": Goal(2.5)})
        yield from _costs(work, taken, streams=1, processor=Goal(3, at_most=True))


def four_uploads(bench: Bench) -> Iterator[Line]:
    """Four images at once, beside what this machine's processors allow."""
    size = bench.plan.size
    prime(bench.root, size)
    measures: dict[str, Callable[[], Sample]] = {one.name: partial(uploads, one, size, _STREAMS) for one in (bench.ours, *bench.peers)}
    measures |= {"hash": partial(hashing.rate, size, _DIGESTS), "nginx": partial(put_file, bench.nginx.target, size)}
    taken = bench.in_turn(measures, "uploads")
    theirs = {name: samples for name, samples in taken.items() if name not in {"hash", "nginx"}}
    theirs[BOUND] = [_bound(*both) for both in zip(taken["hash"], taken["nginx"], strict=True)]
    work = f"{_STREAMS} uploads at once, {_sized(size)} in all"
    yield from compared(work, "MiB/s", theirs, {BOUND: Goal(0.75), "upstream": Goal(1.5)})
    yield from _costs(work, theirs, streams=_STREAMS)


def _bound(hashed: Sample, stored_only: Sample) -> Sample:
    """The rate at which all processors are busy: with both digests, and with what it costs to send, receive and write without any."""
    seconds = hashed["thread s/GiB"] + stored_only["CPU s/GiB"] + stored_only["client CPU s/GiB"]
    return {"MiB/s": len(os.sched_getaffinity(0)) * GIB / MIB / seconds}


def one_upload_v1(bench: Bench) -> Iterator[Line]:
    """One image through version 1, where the operator wants no digest but md5."""
    size = bench.plan.size
    prime(bench.root, size)
    plain = bench.configured({"hashing_algorithm": ""})
    taken = bench.in_turn({OURS: partial(upload_v1, plain, size), MD5: partial(hashing.rate, size, ("md5",))}, "upload, v1")
    work = f"upload of {_sized(size)}, v1, md5 only"
    yield from compared(work, "MiB/s", taken, {MD5: Goal(0.85)})
    yield from _costs(work, taken, streams=1)


def whole_downloads(bench: Bench) -> Iterator[Line]:
    """The same image, some times at once."""
    paths = _everywhere(bench, bench.plan.size)
    for streams, least in ((1, 0.8), (4, 0.9), (16, 0.9)):
        measures = {one.name: partial(downloads, one, path, bench.plan.size, streams) for one, path in paths}
        taken = bench.in_turn(measures, f"download, {streams}")
        work = f"download of {_sized(bench.plan.size)}, {streams} at once"
        yield from compared(work, "MiB/s", taken, {"nginx": Goal(least)})
        yield from _costs(work, taken, streams=streams, processor=Goal(0.2, at_most=True))


def first_bytes(bench: Bench) -> Iterator[Line]:
    """How long a client waits for the beginning of an image of 4 MiB."""
    paths = _everywhere(bench, 4 * MIB)
    taken = bench.in_turn({one.name: partial(first_byte, one, path, 5 * bench.plan.calls) for one, path in paths}, "first byte")
    yield alone("first byte of a download", "p50 ms", taken[OURS], Goal(1, at_most=True))
    yield from beside("first byte of a download", "p50 ms", taken, {})


def pieces(bench: Bench) -> Iterator[Line]:
    """Ranges of one image, small ones counted by wrk."""
    size = bench.plan.size
    paths = _everywhere(bench, size)
    seconds = bench.plan.seconds
    taken = bench.in_turn({one.name: partial(_small, one, path, size, seconds) for one, path in paths}, "ranges, 64 KiB")
    yield from compared("ranges of 64 KiB, 8 clients", "req/s", taken, {"upstream": Goal(6)})
    for length, clients, least in ((MIB, 8, 0.5), (16 * MIB, 4, 0.9)):
        measures = {one.name: partial(ranges, one, path, size, length, clients, seconds) for one, path in paths}
        taken = bench.in_turn(measures, f"ranges, {length // MIB} MiB")
        yield from compared(f"ranges of {length // MIB} MiB, {clients} clients", "MiB/s", taken, {"nginx": Goal(least)})


def _small(one: Target, path: str, size: int, seconds: float) -> Sample:
    length = 64 * _KIB
    with Connection(one.url, callers.MEMBER) as connection:
        download(connection, path, {"Range": f"bytes=0-{length - 1}"}, 206)  # wrk asks for no status of that kind
    lua = f"""\
request = function()
  local start = math.random(0, {size // length - 1}) * {length}
  wrk.headers["Range"] = string.format("bytes=%d-%d", start, start + {length - 1})
  return wrk.format()
end"""
    return wrk(one, path, 8, seconds, more=lua)


def _sized(size: int) -> str:
    return f"{size // GIB} GiB" if size % GIB == 0 else f"{size // MIB} MiB"


def _everywhere(bench: Bench, size: int) -> list[tuple[Target, str]]:
    """Data of that size at ours, at nginx and at each peer, and their paths there."""
    write(bench.nginx.files / str(size), size)
    return [(bench.ours, stored(bench.ours, size)), (bench.nginx.target, f"/{size}"), *((peer, stored(peer, size)) for peer in bench.peers)]


def _costs(work: str, taken: Taken, streams: int, processor: Goal | None = None) -> Iterator[Line]:
    """Processor time, and memory for each stream in the worst round, which no transfer may pass."""
    yield alone(f"{work}: processor", "CPU s/GiB", taken[OURS], processor)
    yield from beside(f"{work}: processor", "CPU s/GiB", taken, {})
    each = [{"MiB more": sample["MiB more"] / streams} for sample in taken[OURS]]
    yield alone(f"{work}: memory for each", "MiB more", each, Goal(32, at_most=True), max)
