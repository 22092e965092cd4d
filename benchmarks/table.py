"""Lines as people read them, in a terminal and in docs/performance.md, and as programs do, in JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.bench import Plan
from benchmarks.measuring import Line, Sample
from benchmarks.rows import ROWS
from tests.results import cells_of

BEGIN, END = "<!-- figures: make bench writes them -->", "<!-- end of figures -->"
COLUMNS = ("row", "server", "work", "unit", "ours", "beside", "theirs", "ratio", "goal", "reached", "date", "commit")


@dataclass(frozen=True)
class Run:
    """When and of what figures are. ``host`` is the server that carried the applications."""

    host: str
    date: str
    commit: str


@dataclass
class Report:
    """What a run has measured so far: lines by row."""

    run: Run
    lines: dict[str, list[Line]] = field(default_factory=dict)

    def cells(self) -> list[tuple[str, ...]]:
        """All lines in full."""
        return [(row, self.run.host, *cells(line), self.run.date, self.run.commit) for row, lines in self.lines.items() for line in lines]


def cells(line: Line) -> tuple[str, ...]:
    """A line from its work to its verdict."""
    numbers = (number(line.ours), line.against, number(line.theirs), "" if line.ratio is None else f"{line.ratio:.2f}")
    return (line.work.replace("|", r"\|"), line.unit, *numbers, str(line.goal or ""), line.verdict)


def number(value: float | None) -> str:
    """Three digits that count, or all before the point."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def printed(line: Line) -> str:
    """A line for a terminal."""
    work, unit, ours, against, theirs, ratio, goal, verdict = cells(line)
    beside = f"{against} {theirs or 'not measured'}" if against else ""
    return f"{work:<70} {ours:>9} {unit:<10} {beside:<28} {ratio:>7}  {goal:<14} {verdict}".rstrip()


def updated(page: str, report: Report) -> str:
    """The page with the lines of a run in place of those of the same rows and server; all others stay, with their day and commit. Raises ValueError
    for a page without the marks."""
    kept = [found for found in shown(page) if (found[0], found[1]) not in {(row, report.run.host) for row in report.lines}]
    # Within a row of a server the order stays.
    order = sorted([*kept, *report.cells()], key=lambda found: (found[1] != "own", list(ROWS).index(found[0])))
    return placed(page, BEGIN, END, list(_markdown(order)))


def placed(page: str, begin: str, end: str, lines: Sequence[str]) -> str:
    """The page with these lines between two marks, in place of what was there. Raises ValueError for a page without the marks."""
    before, _, rest = page.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"there is no place for figures in the page: {begin}")
    return f"{before}{begin}\n\n{chr(10).join(lines)}\n\n{end}{after}"


def shown(page: str) -> Iterator[tuple[str, ...]]:
    """The lines that stand in a page, as their cells."""
    for found in map(cells_of, page.splitlines()):
        if len(found) == len(COLUMNS) and found[0] in ROWS:
            yield found


def document(report: Report, plan: Plan, samples: Mapping[str, Mapping[str, Sequence[Sample]]]) -> str:
    """Everything about a run, as JSON."""
    machine = {"processors": len(os.sched_getaffinity(0)), "system": platform.platform(), "python": platform.python_version()}
    lines = {row: [line.as_document() for line in lines] for row, lines in report.lines.items()}
    whole = {"run": asdict(report.run), "machine": machine, "plan": asdict(plan), "lines": lines, "samples": samples}
    return json.dumps(whole, indent=1) + "\n"


def _markdown(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{'---|' * len(COLUMNS)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
