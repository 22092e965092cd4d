"""What is counted, and how two that stand beside each other compare."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

T = TypeVar("T")

Average = Callable[[Sequence[float]], float]
#: Figures of one run of a measure, by unit: "req/s", "p99 ms", "CPU s/GiB".
Sample = dict[str, float]
#: Those of all rounds, by what was measured; ours come first.
Taken = Mapping[str, Sequence[Sample]]

OURS = "ours"


@dataclass(frozen=True)
class Goal:
    """What a figure should be: ``limit`` at least, or at most. ``stretch`` is what would be better still."""

    limit: float
    at_most: bool = False
    stretch: float | None = None

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.limit:g}{'' if self.stretch is None else f' ({self.stretch:g})'}"

    def reached(self, figure: float) -> bool:
        return figure <= self.limit if self.at_most else figure >= self.limit


@dataclass(frozen=True)
class Line:
    """A line of the table: medians. The goal is about ``ratio``, ours by theirs, or about ``ours`` where nothing stands beside it."""

    work: str
    unit: str
    ours: float
    against: str = ""
    theirs: float | None = None
    ratio: float | None = None
    goal: Goal | None = None

    @property
    def verdict(self) -> str:
        """Whether the goal is reached; "" where there is none, or what it is about is missing."""
        if self.goal is None or (self.against and self.ratio is None):
            return ""
        return "yes" if self.goal.reached(self.ours if self.ratio is None else self.ratio) else "no"

    def as_document(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


def in_turn(rounds: int, measures: Mapping[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
    """``rounds`` samples of each measure, taken A B B A after one of each that does not count: none comes always after the same one."""
    for measure in measures.values():
        measure()
    taken: dict[str, list[Sample]] = {name: [] for name in measures}
    for number in range(rounds):
        for name, measure in list(measures.items())[:: -1 if number % 2 else 1]:
            taken[name].append(measure())
    return taken


def median(samples: Sequence[Sample], unit: str) -> float:
    return statistics.median(sample[unit] for sample in samples)


def compared(work: str, unit: str, taken: Taken, goals: Mapping[str, Goal], ours: str = OURS) -> Sequence[Line]:
    """What ``beside`` gives, or ours alone where that is nothing."""
    return list(beside(work, unit, taken, goals, ours)) or [alone(work, unit, taken[ours])]


def beside(work: str, unit: str, taken: Taken, goals: Mapping[str, Goal], ours: str = OURS) -> Iterator[Line]:
    """A line for ours beside each other that has such figures: medians, and the median of the ratios of each round. A goal against somebody who was
    not measured has a line without them."""
    own = median(taken[ours], unit)
    others = [name for name in taken if name != ours and unit in taken[name][0]]
    for name in others:
        # Little work may take no tick of the clock.
        ratios = [mine[unit] / theirs[unit] for mine, theirs in zip(taken[ours], taken[name], strict=True) if theirs[unit]]
        yield Line(work, unit, own, name, median(taken[name], unit), statistics.median(ratios) if ratios else None, goals.get(name))
    for name in goals.keys() - set(others):
        yield Line(work, unit, own, name, goal=goals[name])


def alone(work: str, unit: str, samples: Sequence[Sample], goal: Goal | None = None, of: Average = statistics.median) -> Line:
    """A line for a figure that counts by itself."""
    return Line(work, unit, of([sample[unit] for sample in samples]), goal=goal)


def at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What the calls return, each on a thread of its own."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [done.result() for done in [pool.submit(call) for call in calls]]
