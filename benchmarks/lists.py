"""Rows about a page of 25 images out of few and out of many: every way to ask, as administrator, as member, and as one who owns three images."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks import callers
from benchmarks.bench import POSTGRESQL, SQLITE, Bench
from benchmarks.measuring import Goal, Line, Sample
from benchmarks.populate import deep_marker
from benchmarks.requests_per_second import latencies
from benchmarks.wire import Connection, Headers
from glance.model.image import SORT_KEYS

PLAIN = ("", *(f"sort_key={key}&sort_dir={direction}" for key in SORT_KEYS for direction in ("asc", "desc")))
FILTERED = (
    "name=image-500",
    "name=nothing",
    "status=active",
    "status=queued",
    "status=killed",
    "disk_format=raw",
    "os=linux",
    "os=plan9",
    "build=77",
    "os=linux&arch=arm",
    "os=nothing",
    "tag=common",
    "tag=rare",
    "tag=nothing",
    "owner=project-3",
    "owner=newcomer",
    "owner=nobody",
    "visibility=public",
    "visibility=private",
    "visibility=all",
    "os_hidden=true",
    "member_status=all&visibility=shared",
    "size_min=500",
    "status=active&sort_key=name&sort_dir=asc",
    "os=linux&sort_key=size&sort_dir=asc",
)
NEWCOMERS = ("", "visibility=private", "visibility=shared", "sort_key=name", "owner=newcomer")

_GOAL = Goal(1.5, at_most=True)


@dataclass(frozen=True)
class Kind:
    """Lists that stand in one line: of one caller, from the start or behind a ``deep`` marker."""

    name: str
    caller: Headers
    asked: tuple[str, ...]
    deep: bool = False


KINDS = (
    *(
        Kind(f"{name}, {what}", caller, asked, deep=what == "deep")
        for name, caller in (("administrator", callers.admin()), ("member", callers.MEMBER))
        for what, asked in (("every order", PLAIN), ("filtered", FILTERED), ("deep", (*PLAIN, "status=active", "os=linux", "tag=common")))
    ),
    Kind("newcomer", callers.of_project(callers.NEWCOMER), NEWCOMERS),
)


def pages_of_many(bench: Bench) -> Iterator[Line]:
    """How much more a page of many takes than one of few. A line tells the worst list of its kind; the samples have all."""
    counts = (bench.plan.few, bench.plan.many)
    for database, few in ((POSTGRESQL, bench.ours.url), (SQLITE, bench.on_sqlite.url)):
        urls = (few, bench.with_many[database].url)
        for kind in KINDS:
            each = {asked: _compare(kind, asked, urls, counts, bench.plan.calls) for asked in kind.asked}
            bench.samples[f"list of many, {database}, {kind.name}"] = {asked or "plain": [sample] for asked, sample in each.items()}
            yield _worst(f"list of 25 of {counts[1]:,}, {database}, {kind.name}", each, counts)


def _compare(kind: Kind, asked: str, urls: tuple[str, str], counts: tuple[int, int], calls: int) -> Sample:
    """Both lists in turn, on kept connections."""
    paths = [f"/v2/images?limit=25&{asked}{f'&marker={deep_marker(count)}' if kind.deep else ''}" for count in counts]
    with Connection(urls[0], kind.caller) as few, Connection(urls[1], kind.caller) as many:
        calls_of_both = [(*latencies(few, paths[0], 1), *latencies(many, paths[1], 1)) for _ in range(calls)]
    of_few, of_many = (statistics.median(times) for times in zip(*calls_of_both[1:], strict=True))
    return {"few ms": of_few, "many ms": of_many, "ratio": of_many / of_few}


def _worst(work: str, each: Mapping[str, Sample], counts: tuple[int, int]) -> Line:
    asked, sample = max(each.items(), key=lambda one: one[1]["ratio"])
    over = sum(not _GOAL.reached(one["ratio"]) for one in each.values())
    what = f"worst of {len(each)}: `{asked or 'plain'}`{f', {over} over the goal' if over else ''}"
    return Line(f"{work}, {what}", "p50 ms", sample["many ms"], f"{counts[0]:,} images", sample["few ms"], sample["ratio"], _GOAL)
