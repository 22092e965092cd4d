"""What tests have seen, at the end of a run, whichever of its processes ran them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import results
from tests.security.matrix import FLAVORS, PLACES, REGISTRIES

#: Names, among the properties of a test's report, of what a row of the security matrix saw, and of a line about reliability.
SAW, FIGURE = "saw", "figure"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = list(_kept(terminalreporter, FIGURE))
    if figures:
        terminalreporter.section("figures of reliability")
    for line in figures:
        terminalreporter.write_line(line)
    page = terminalreporter.config.getoption("results")
    if page:
        results.write(Path(page), list(_kept(terminalreporter, FIGURE, ("passed",))))
    seen: dict[tuple[str, str], list[str]] = {}
    for row, text, where in _kept(terminalreporter, SAW):
        seen.setdefault((row, text), []).append(where)
    if seen:
        terminalreporter.section("what the rows of the security matrix saw")
    for (row, text), places in sorted(seen.items()):
        terminalreporter.write_line(f"{row}: {text} [{_places(places)}]")


def _kept(terminalreporter: pytest.TerminalReporter, name: str, outcomes: Collection[str] = ()) -> Iterator[Any]:
    """``outcomes``: of tests that ended so; any, where there are none."""
    for outcome in outcomes or terminalreporter.stats:
        for report in terminalreporter.stats.get(outcome, ()):
            if getattr(report, "when", "") == "call":
                yield from (value for key, value in report.user_properties if key == name)


def _places(found: list[str]) -> str:
    """Names of places, short where these are all there are, or all of a flavor."""
    if set(found) >= set(PLACES):
        return "everywhere"
    flavors = [flavor for flavor in FLAVORS if {f"{flavor}/{registry}" for registry in REGISTRIES} <= set(found)]
    return ", ".join([*flavors, *sorted(one for one in set(found) if one.partition("/")[0] not in flavors)])
