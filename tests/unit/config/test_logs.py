"""What a log shows: one line for each event, no text that the code left out, and nothing moves when it cannot be set up."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glance import errors
from glance.config import logs, programs

LOG = logging.getLogger("glance.tests")

SetUp = Callable[..., Callable[[], str]]


@pytest.fixture
def set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SetUp]:
    """Sets logging up with the given lines of [DEFAULT]; what it returns reads the log. Afterwards logging is as it was."""
    loggers = (logging.root, logging.getLogger("glance"))
    before = [(list(logger.handlers), logger.level) for logger in loggers]
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    path = tmp_path / "glance-registry.conf"
    made: list[logging.Handler] = []

    def set_up(*lines: str, name: str = "registry.log") -> Callable[[], str]:
        path.write_text("\n".join(["[DEFAULT]", f"log_file = {tmp_path / name}", *lines]))
        path.chmod(0o640)
        logs.set_up(programs.load(programs.REGISTRY, [str(path)]).conf, programs.REGISTRY)
        made.extend(logging.root.handlers)
        return (tmp_path / name).read_text

    yield set_up
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers = handlers
        logger.setLevel(level)
    for handler in set(made) - set(logging.root.handlers):
        handler.close()


def handle(error: Exception, act: Callable[[], None]) -> None:
    """Calls ``act`` while ``error`` is being handled."""
    try:
        raise error
    except type(error):
        act()


@pytest.mark.parametrize("lines", [[], ["use_json = True"]])
def test_log_when_an_error_is_handled_then_its_text_is_not_added(set_up: SetUp, lines: list[str]) -> None:
    log = set_up(*lines)

    handle(RuntimeError("password=SENT"), lambda: LOG.error("It failed"))
    handle(RuntimeError("password=SENT"), lambda: LOG.warning("It failed"))

    assert (log().count("It failed"), log().count("\n")) == (2, 2) if not lines else (4, 2)
    assert "SENT" not in log()


@pytest.mark.parametrize("lines", [[], ["use_json = True"], ["debug = True"]])
def test_log_when_an_error_is_logged_then_tells_class_and_frames_only(set_up: SetUp, lines: list[str]) -> None:
    log = set_up(*lines)

    def fail() -> None:
        try:
            handle(KeyError("SENT"), lambda: int("SENT"))
        except ValueError:
            LOG.exception("It failed")

    fail()

    assert "ValueError" in log()
    assert "KeyError" in log()
    assert "in fail" in log()
    assert "SENT" not in log().replace('"SENT"', "").replace('\\"SENT\\"', "")  # it stands in the source of the test


def test_log_when_errors_are_each_other_s_cause_then_ends(set_up: SetUp) -> None:
    log = set_up()
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    LOG.error("It failed", exc_info=first)

    assert (log().count("ValueError"), log().count("KeyError")) == (1, 1)


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("a\n2026-01-01 00:00:00 ERROR [glance] forged", "a\\n2026-01-01 00:00:00 ERROR [glance] forged"),
        ("\x1b[2J\r\x00\x7f\x9b", "\\x1b[2J\\r\\x00\\x7f\\x9b"),
        ("\u2028\u202e\udcff", "\\u2028\\u202e\\udcff"),
        ("Bücher 像", "Bücher 像"),
        ("x" * 1024 * 1024, "x" * 8192 + "..."),
        ("\n" * 1024 * 1024, "\\n" * 4096 + "..."),
    ],
    ids=["newline", "terminal", "unicode", "plain", "long", "long and escaped"],
)
def test_log_when_a_message_is_hostile_then_it_is_one_line(set_up: SetUp, message: str, written: str) -> None:
    log = set_up("log_format = %(levelname)s %(message)s")

    LOG.info("%s", message)

    assert log() == f"INFO {written}\n"


def test_log_when_json_then_each_line_is_a_document(set_up: SetUp) -> None:
    log = set_up("use_json = True")

    LOG.info("a\nb")

    assert json.loads(log())["message"] == "a\nb"


def test_log_then_has_the_classic_format_and_the_configured_dates(set_up: SetUp) -> None:
    log = set_up("log_date_format = %Y")

    LOG.warning("There")

    assert log()[4:] == "  WARNING [glance.tests] There\n"


@pytest.mark.parametrize("line", ["logging_default_format_string", "log_format"])
def test_log_when_the_format_has_fields_of_oslo_then_they_are_empty_or_filled(set_up: SetUp, line: str) -> None:
    log = set_up(f"{line} = %(isotime)s [%(request_id)s] %(instance)s%(message)s")

    LOG.warning("There")

    assert log()[10] == "T"
    assert log().endswith(" [] There\n")


def test_set_up_when_a_logging_file_is_given_then_it_decides(set_up: SetUp, tmp_path: Path) -> None:
    (tmp_path / "logging.ini").write_text(
        "[loggers]\nkeys = root\n[handlers]\nkeys = own\n[formatters]\nkeys = own\n[logger_root]\nlevel = INFO\nhandlers = own\n"
        f"[handler_own]\nclass = FileHandler\nargs = ('{tmp_path}/own.log',)\nformatter = own\n[formatter_own]\nformat = own %(message)s\n"
    )

    set_up(f"log_config_append = {tmp_path / 'logging.ini'}")
    LOG.info("There")

    assert (tmp_path / "own.log").read_text() == "own There\n"


def test_set_up_when_errors_are_to_be_published_then_only_logged(set_up: SetUp) -> None:
    log = set_up("publish_errors = True")

    LOG.error("There")

    assert log().endswith("There\n")
    assert {type(handler).__module__.partition(".")[0] for handler in logging.root.handlers} <= {"logging", "_pytest"}


@pytest.mark.parametrize(
    "lines",
    [
        ["log_format = %(nonsense)s"],
        ["log_file = /dev/null/x.log"],
        ["use_syslog = True", "syslog_log_facility = nonsense"],
        ["log_config_append = /dev/null/logging.ini"],
    ],
    ids=["format", "file", "facility", "logging file"],
)
def test_set_up_when_refused_then_the_log_stays_where_it_was(set_up: SetUp, lines: list[str]) -> None:
    log = set_up("verbose = False")

    with pytest.raises(errors.ConfigurationError, match="Logging cannot be set up"):
        set_up("verbose = True", *lines, name="second.log")
    LOG.warning("There")
    LOG.info("Not there")

    assert log().endswith("There\n")
    assert log().count("\n") == 1
    assert logs.is_set_up()
