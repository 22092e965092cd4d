"""Rows about records: show, list, a walk through all, create and delete."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.bench import EMBEDDED, POSTGRESQL, SQLITE, Bench
from benchmarks.measuring import OURS, Goal, Line, Sample, Taken, alone, compared
from benchmarks.populate import public_image
from benchmarks.requests_per_second import pairs, walk, wrk
from benchmarks.services import Target

CLIENTS = 8
#: Seconds that a walk may take, which is enough for ours: others tell how far they got.
_WALK = 30


def show(bench: Bench) -> Iterator[Line]:
    """One image, again and again."""
    taken = _requests(bench, "show", f"/v2/images/{public_image(bench.plan.few)}")
    yield from _on_each("show, 8 clients", taken, Goal(10, stretch=15))


def page(bench: Bench) -> Iterator[Line]:
    """The first page of the list."""
    taken = _requests(bench, "list", "/v2/images?limit=25")
    yield from _on_each("list of 25, 8 clients", taken, Goal(20, stretch=35))


def walks(bench: Bench) -> Iterator[Line]:
    """Many images, page by page."""
    urls = {OURS: bench.with_many[POSTGRESQL].url, SQLITE: bench.with_many[SQLITE].url}
    urls |= {peer.name: peer.many for peer in bench.peers if peer.many}
    taken = bench.in_turn({name: partial(walk, url, _WALK) for name, url in urls.items()}, "walk", rounds=min(3, bench.plan.rounds))
    work = f"walk of {bench.plan.many:,} in pages of 100"
    yield from compared(f"{work}, {POSTGRESQL}", "images/s", _without(taken, SQLITE), {"upstream": Goal(20)})
    yield from compared(f"{work}, {SQLITE}", "images/s", _without(taken, OURS), {}, SQLITE)


def create_and_delete(bench: Bench) -> Iterator[Line]:
    """Records without data."""
    measures = {one.name: partial(pairs, one, CLIENTS, bench.plan.seconds) for one in _all(bench)}
    taken = bench.in_turn(measures, "create")
    for name, database in ((OURS, POSTGRESQL), (SQLITE, SQLITE)):
        work = f"create and delete, 8 clients, {database}"
        yield from compared(work, "pairs/s", _without(taken, SQLITE if name == OURS else OURS), {"upstream": Goal(5)}, name)
        yield alone(f"{work}: failures", "failures", taken[name], Goal(0, at_most=True), sum)


def _all(bench: Bench) -> list[Target]:
    return [bench.ours, bench.on_sqlite, *bench.peers]


def _requests(bench: Bench, row: str, path: str) -> Taken:
    def measure(target: Target) -> Sample:
        return wrk(target, path, CLIENTS, bench.plan.seconds)

    return bench.in_turn({one.name: partial(measure, one) for one in (*_all(bench), bench.embedded)}, row)


def _on_each(work: str, taken: Taken, goal: Goal) -> Iterator[Line]:
    """What ours does in each way beside the others; the goal is about PostgreSQL, which upstream is measured on."""
    yield from compared(f"{work}, {POSTGRESQL}", "req/s", _without(taken, SQLITE, EMBEDDED), {"upstream": goal})
    yield from compared(f"{work}, {SQLITE}", "req/s", _without(taken, OURS, EMBEDDED), {}, SQLITE)
    yield from compared(f"{work}, {EMBEDDED}", "req/s", _without(taken, OURS, SQLITE), {}, EMBEDDED)
    yield from compared(f"{work}, {POSTGRESQL}: server", "CPU ms", _without(taken, SQLITE, EMBEDDED), {})


def _without(taken: Taken, *names: str) -> Taken:
    return {other: samples for other, samples in taken.items() if other not in names}
