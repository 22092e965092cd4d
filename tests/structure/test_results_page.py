"""The table of docs/reliability.md is made of what experiments report; nobody writes it by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.results import BEGIN, END, updated

ROOT = Path(__file__).parents[2]

PAGE = f"# Reliability\n\nProse.\n\n{BEGIN}\n{END}\n\nMore prose.\n"


def rows(page: str) -> list[str]:
    return [line for line in page.splitlines() if line.startswith("| R")]


def test_page_when_experiments_reported_then_a_row_for_each_by_number_with_day_and_commit() -> None:
    page = updated(PAGE, ["R15 file: 60 uploads: leftovers 0", "R08 swift: full, leftovers 0"], "2026-11-22", "abc1234")

    assert rows(page) == [
        "| R08 | swift | full, leftovers 0 | 2026-11-22 | abc1234 |",
        "| R15 | file | 60 uploads: leftovers 0 | 2026-11-22 | abc1234 |",
    ]
    assert page.startswith("# Reliability\n\nProse.\n\n")
    assert page.endswith("\n\nMore prose.\n")


def test_page_when_some_experiments_ran_again_then_only_their_rows_are_new() -> None:
    first = ["R15 file: old", "R15 file: old too", "R15 s3: kept", "R23 postgres: kept"]
    page = updated(PAGE, first, "2026-11-20", "aaaaaaa")

    page = updated(page, ["R15 file: new"], "2026-11-22", "bbbbbbb")

    assert rows(page) == [
        "| R15 | file | new | 2026-11-22 | bbbbbbb |",
        "| R15 | s3 | kept | 2026-11-20 | aaaaaaa |",
        "| R23 | postgres | kept | 2026-11-20 | aaaaaaa |",
    ]


def test_page_when_nothing_ran_then_unchanged() -> None:
    page = updated(PAGE, ["R15 file: 3 | 4"], "2026-11-22", "abc1234")

    assert updated(page, [], "2026-11-23", "bbbbbbb") == page
    assert rows(page) == [r"| R15 | file | 3 \| 4 | 2026-11-22 | abc1234 |"]


def test_line_that_names_no_place_then_a_row_without_one() -> None:
    assert rows(updated(PAGE, ["R37 no request dropped"], "2026-11-22", "abc1234")) == ["| R37 |  | no request dropped | 2026-11-22 | abc1234 |"]


@pytest.mark.parametrize(("page", "line"), [(PAGE, "file: no number"), ("# A page without marks\n", "R15 file: 60 uploads")])
def test_page_when_there_is_no_number_or_no_place_for_results_then_refused(page: str, line: str) -> None:
    with pytest.raises(ValueError, match=r"number|place for results"):
        updated(page, [line], "2026-11-22", "abc1234")


def test_experiments_that_report_then_all_of_them_are_explained_in_the_page() -> None:
    prose = (ROOT / "docs" / "reliability.md").read_text().partition(BEGIN)[0]
    explained = set(re.findall(r"R\d\d", prose))
    reported = {number for path in (ROOT / "tests" / "faults").glob("*.py") for number in re.findall(r'f?"(R\d\d) ', path.read_text())}

    assert len(reported) > 10
    assert reported <= explained


def test_headline_of_the_page_then_that_of_its_rows() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    headlines = re.findall(r"^\*\*(Files|S3) and \w+: (.+)\*\*$", page, re.MULTILINE)
    figures = [row.split(" | ")[2] for row in rows(page)]

    assert [store for store, _sentence in headlines] == ["Files", "S3"]
    for _store, sentence in headlines:
        assert any(figure.startswith(sentence.replace(",", "", 1)) for figure in figures), sentence
