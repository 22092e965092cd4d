"""The table of docs/performance.md is made of what the benchmarks measure, and its prose speaks of every goal that is missed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import layers
from benchmarks.__main__ import main as bench
from benchmarks.bench import Plan
from benchmarks.measuring import Goal, Line, alone, compared, in_turn
from benchmarks.rows import ROWS
from benchmarks.table import BEGIN, COLUMNS, END, Report, Run, cells, document, shown, updated

ROOT = Path(__file__).parents[2]
PAGE = f"# Performance\n\nProse.\n\n{BEGIN}\n{END}\n\nMore prose.\n"
WRITTEN = (ROOT / "docs" / "performance.md").read_text()


def report(commit: str, host: str = "own", **lines: list[Line]) -> Report:
    return Report(Run(host, "2026-11-22", commit), lines)


def line(work: str, figure: float) -> Line:
    return Line(work, "req/s", figure)


def works(page: str) -> list[tuple[str, str, str]]:
    """The server, the work and the commit of each line."""
    return [(found[1], found[2], found[-1]) for found in shown(page)]


def test_page_when_rows_were_measured_then_their_lines_in_the_order_of_the_rows() -> None:
    page = updated(PAGE, report("abc1234", upload=[line("u", 3)], show=[line("b", 1), line("a", 2)]))

    assert works(page) == [("own", "b", "abc1234"), ("own", "a", "abc1234"), ("own", "u", "abc1234")]
    assert page.startswith("# Performance\n\nProse.\n\n")
    assert page.endswith("\n\nMore prose.\n")


def test_page_when_some_rows_were_measured_again_then_only_their_lines_are_new() -> None:
    page = updated(PAGE, report("aaaaaaa", show=[line("s", 1), line("s2", 2)], list=[line("l", 3)]))
    page = updated(page, report("aaaaaaa", "threads", show=[line("t", 4)]))

    page = updated(page, report("bbbbbbb", show=[line("new", 5)]))

    assert works(page) == [("own", "new", "bbbbbbb"), ("own", "l", "aaaaaaa"), ("threads", "t", "aaaaaaa")]


def test_page_when_nothing_was_measured_then_unchanged() -> None:
    page = updated(PAGE, report("abc1234", show=[line("a | b", 1)]))

    assert updated(page, report("bbbbbbb")) == page


def test_page_without_a_place_for_figures_then_refused() -> None:
    with pytest.raises(ValueError, match="place for figures"):
        updated("# A page without marks\n", report("abc1234"))


def test_line_beside_others_then_the_median_of_the_ratios_of_each_round() -> None:
    taken = {"ours": [{"req/s": 10.0}, {"req/s": 60.0}, {"req/s": 30.0}], "upstream": [{"req/s": 1.0}, {"req/s": 2.0}, {"req/s": 10.0}]}

    [found] = compared("show", "req/s", taken, {"upstream": Goal(10, stretch=15)})

    assert cells(found) == ("show", "req/s", "30", "upstream", "2", "10.00", ">= 10 (15)", "yes")


def test_line_whose_other_was_not_measured_then_its_goal_stands_without_a_verdict() -> None:
    [found] = compared("show", "req/s", {"ours": [{"req/s": 1234.0}]}, {"upstream": Goal(10)})

    assert cells(found) == ("show", "req/s", "1,234", "upstream", "", "", ">= 10", "")


@pytest.mark.parametrize(("figures", "verdict"), [([1, 2, 3], "yes"), ([1, 2, 4], "no")])
def test_line_that_stands_alone_then_its_goal_is_about_the_figure(figures: list[float], verdict: str) -> None:
    found = alone("memory", "MiB", [{"MiB": figure} for figure in figures], Goal(3, at_most=True), max)

    assert found.verdict == verdict


def test_measures_then_taken_in_turn_after_one_of_each_that_does_not_count() -> None:
    calls: list[str] = []

    def measure(name: str) -> dict[str, float]:
        calls.append(name)
        return {"call": float(len(calls))}

    taken = in_turn(2, {"a": lambda: measure("a"), "b": lambda: measure("b")})

    assert calls == ["a", "b", "a", "b", "b", "a"]
    assert taken == {"a": [{"call": 3.0}, {"call": 6.0}], "b": [{"call": 4.0}, {"call": 5.0}]}


def test_document_then_has_every_line_with_its_verdict_and_every_sample() -> None:
    measured = report("abc1234", show=[Line("show", "req/s", 5, "upstream", 1, 5.0, Goal(10))])

    found = json.loads(document(measured, Plan(), {"show": {"ours": [{"req/s": 5}]}}))

    assert found["lines"]["show"][0]["verdict"] == "no"
    assert found["samples"] == {"show": {"ours": [{"req/s": 5}]}}
    assert found["run"] == {"host": "own", "date": "2026-11-22", "commit": "abc1234"}


def test_written_page_then_has_lines_that_the_benchmarks_would_write() -> None:
    table = WRITTEN.partition(BEGIN)[2].partition(END)[0]
    written = [text for text in table.splitlines() if text.startswith("|")]

    assert updated(WRITTEN, report("abc1234")) == WRITTEN
    assert len(written) == len(list(shown(table))) + 2
    assert {found[0] for found in shown(table)} == set(ROWS)


def test_written_page_then_names_every_row_that_misses_its_goal() -> None:
    short = WRITTEN.partition("## What is short of its goal")[2].partition("\n## ")[0]
    missed = {found[0] for found in shown(WRITTEN) if found[COLUMNS.index("reached")] == "no"}

    assert {row for row in missed if f"`{row}`" not in short} == set()


def test_samples_then_belong_to_the_innermost_layer_with_what_it_calls_of_python() -> None:
    raw = (
        "run (threading.py:982);_carry_out (glance/server/worker.py:300);show (glance/api/v2/images.py:20) 2\n"
        "run (threading.py:982);read (glance/db/transactions.py:40);execute (sqlalchemy/engine/base.py:1400);wait (selectors.py:1) 3\n"
        "<module> (glance-api:8);main (nowhere.py:1) 1\n"
    )

    assert layers.counted(raw) == {"API: routes, translation": 2, "SQL: SQLAlchemy": 3, layers.OTHER: 1}


def test_layers_of_ours_then_exist() -> None:
    ours = [prefix for prefixes in layers.LAYERS.values() for prefix in prefixes if prefix.startswith("glance/")]

    assert [prefix for prefix in ours if not (ROOT / prefix).exists()] == []


def test_written_page_then_has_a_place_for_layers() -> None:
    page = layers.placed(WRITTEN, layers.BEGIN, layers.END, layers.table({"show, ms": {"store": 1.5}}, "2026-11-22", "abc1234"))

    assert "| store | 1.5 |" in page
    assert "| **all** | 1.5 |" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--page", "missing.md"], "argument --page: 'missing.md' cannot be the page: [Errno 2] No such file or directory"),
        (["--page", str(ROOT / "README.md")], "README.md' cannot be the page: there is no place for figures in the page"),
        (["--json", "missing/samples.json"], "argument --json: 'missing/samples.json' is in no directory that is there"),
        (["--peer", "foo"], "argument --peer: 'foo' is not of the form NAME=VALUE"),
        (["--peer-many", "upstream="], "argument --peer-many: 'upstream=' is not of the form NAME=VALUE"),
        (["--peer-pid", "upstream=first"], "argument --peer-pid: 'first' is no whole number from 1 on"),
        (["--rounds", "0"], "argument --rounds: '0' is no whole number from 1 on"),
        (["--seconds", "nan"], "argument --seconds: 'nan' is no number above 0"),
        (["--size", "24"], "argument --size: '24' is no whole number from 16 on, a multiple of 16"),
        (["--few", "99"], "argument --few: '99' is no whole number from 100 on"),
    ],
)
def test_bench_when_the_words_are_wrong_then_says_so_and_measures_nothing(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    with pytest.raises(SystemExit):
        bench(["--rows", "show", *words])

    output, told = capsys.readouterr()
    assert (output, said in told) == ("", True), told
