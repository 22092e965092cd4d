"""The tables of docs/reference/v1-v2.md, which the tests of this directory hold the service to."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs/reference/v1-v2.md"


def read(heading: str) -> dict[str, dict[str, str]]:
    """first cell -> version -> what the cell of that version says, which is its first text in backquotes; of the table below a heading."""
    section = PAGE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {name.strip(): {"v1": _quoted(v1), "v2": _quoted(v2)} for name, v1, v2 in rows[2:]}


def _quoted(cell: str) -> str:
    found = re.search("`([^`]*)`", cell)
    if found is None:
        raise ValueError(f"{PAGE.name}: nothing in backquotes in the cell {cell!r}")
    return found[1]
