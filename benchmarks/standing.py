"""Rows about what a service is like meanwhile: how others are served during transfers, memory, and how soon it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import callers
from benchmarks.bench import Bench
from benchmarks.measuring import OURS, Goal, Line, Sample, alone, beside, compared
from benchmarks.populate import public_image
from benchmarks.requests_per_second import wrk
from benchmarks.services import Target
from benchmarks.transfers import fetch, meanwhile, one_upload, slow_uploads, stored
from benchmarks.wire import MIB, Connection
from glance.testing.servers import Glance

_CALLERS = 2
_SLOW_SECONDS = 10


def show_meanwhile(bench: Bench) -> Iterator[Line]:
    """What two callers see while others send or receive images."""
    image, seconds = f"/v2/images/{public_image(bench.plan.few)}", max(5, bench.plan.seconds)

    def sample(target: Target, stream: Callable[[], float], count: int) -> Sample:
        with meanwhile([stream] * count):
            return wrk(target, image, _CALLERS, seconds)

    def measures(count: int, stream_of: Callable[[Target], Callable[[], float]]) -> dict[str, Callable[[], Sample]]:
        return {one.name: partial(sample, one, stream_of(one), count) for one in targets}

    targets = (bench.ours, *bench.peers)
    paths = {one.name: stored(one, bench.plan.size) for one in targets}
    for what, each in (
        ("4 uploads", measures(4, lambda one: partial(one_upload, one, bench.plan.size // 4))),
        ("16 downloads", measures(16, lambda one: partial(fetch, one, paths[one.name]))),
    ):
        taken = bench.in_turn(each, f"show during {what}", min(3, bench.plan.rounds))
        yield alone(f"show during {what}", "p99 ms", taken[OURS], Goal(50, at_most=True))
        yield from beside(f"show during {what}", "p99 ms", taken, {})


def idle_memory(bench: Bench) -> Iterator[Line]:
    """All processes of a service that has made its images, and has nothing to do now."""
    measures: dict[str, Callable[[], Sample]] = {one.name: partial(_memory, one) for one in (bench.ours, *bench.peers) if one.tree is not None}
    taken = bench.in_turn(measures, "idle")
    work = "memory of all processes, idle"
    yield alone(work, "MiB", taken[OURS], Goal(200, at_most=True))
    yield from beside(work, "MiB", taken, {})
    yield from compared(f"{work}, what they share counted once", "PSS MiB", taken, {})


def _memory(target: Target) -> Sample:
    with Connection(target.url, callers.MEMBER) as connection:
        connection.call("GET", "/v2/images")
    tree = target.tree
    return {"MiB": tree.memory() / MIB, "PSS MiB": tree.proportional_memory() / MIB} if tree else {}


def slow(bench: Bench) -> Iterator[Line]:
    """Many who send little."""
    measure = partial(slow_uploads, bench.ours, bench.plan.slow, _SLOW_SECONDS)
    taken = bench.in_turn({OURS: measure}, "slow", rounds=min(3, bench.plan.rounds))
    yield alone(f"{bench.plan.slow} slow uploads", "MiB more", taken[OURS], Goal(64, at_most=True), max)


def start(bench: Bench) -> Iterator[Line]:
    """From the command to the first list."""
    for database, running in bench.with_many.items():
        taken = bench.in_turn({OURS: partial(_start, running)}, f"start, {database}")
        yield alone(f"start to the first 200 with {bench.plan.many:,} images, {database}", "s", taken[OURS], Goal(1.5, at_most=True))


def _start(running: Glance) -> Sample:
    running.stop()
    started = time.perf_counter()
    running.start()
    with Connection(running.url, callers.MEMBER) as connection:
        connection.call("GET", "/v2/images?limit=1", expected=(200,))
    return {"s": time.perf_counter() - started}
