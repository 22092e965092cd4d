"""The table of docs/reliability.md: what experiments reported, each line with the day and the commit of its run."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

BEGIN, END = "<!-- results: make faults writes them -->", "<!-- end of results -->"
HEAD = ("| experiment | where | figures | date | commit |", "|---|---|---|---|---|")

#: A line as experiments report it: "R15 file: 60 uploads given up, leftovers 0".
_LINE = re.compile(r"(R\d\d) (?:([^:]+): )?(.+)")


def write(path: Path, lines: Sequence[str]) -> None:
    """Puts the lines of a run of today, of the commit that is checked out, into a page."""
    path.write_text(updated(path.read_text(), lines, str(datetime.now(UTC).date()), commit(besides=path)))


def updated(page: str, lines: Sequence[str], date: str, commit: str) -> str:
    """The page with these lines in place of those of the same experiments at the same places; all others stay, with their day and commit. Raises
    ValueError for a line without the number of an experiment, and a page without the marks."""
    rows = [(*_cells(line), date, commit) for line in lines]
    new = {row[:2] for row in rows}
    before, _, rest = page.partition(BEGIN)
    table, mark, after = rest.partition(END)
    if not mark:
        raise ValueError("there is no place for results in the page")
    kept = [cells for cells in map(cells_of, table.splitlines()) if cells and cells[0].startswith("R") and cells[:2] not in new]
    body = [f"| {' | '.join(cells)} |" for cells in sorted([*kept, *rows])]
    return f"{before}{BEGIN}\n\n{chr(10).join([*HEAD, *body])}\n\n{END}{after}"


def commit(besides: Path) -> str:
    """The commit that is checked out, "-dirty" where another file than that page differs from it."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1]).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":(exclude){besides}")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("-dirty" if changed else "")


def _cells(line: str) -> tuple[str, ...]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"an experiment reported something without its number: {line}")
    return tuple((text or "").replace("|", r"\|") for text in found.groups())


def cells_of(line: str) -> tuple[str, ...]:
    """The cells of a line of a table; none for another line."""
    return tuple(cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
