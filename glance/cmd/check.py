"""glance-manage check: compares the database with the stores."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from glance import errors
from glance.background import Periodic
from glance.bootstrap.check import checked
from glance.config import logs
from glance.model.checks import Figures, Finding
from glance.service.checking import Options, check

#: Exit status.
AGREES, DISAGREES, UNCHECKED = 0, 1, 2

_MIB = 1 << 20
_BAR = 30

#: Seconds between two looks at how far it is.
_PROGRESS_INTERVAL = 0.2

#: What a terminal does to begin the line anew.
_CLEAR = "\r\x1b[K"


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What follows ``check`` on a command line. Ends the process where it asks for help or cannot be understood."""
    return _parser().parse_args(words)


def run(chosen: argparse.Namespace, files: Sequence[Path]) -> int:
    """Carries out what ``parse`` has read, for the service of these files, and returns the exit status."""
    try:
        return _carry_out(chosen, files)
    except (errors.GlanceError, OSError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return UNCHECKED


def _carry_out(chosen: argparse.Namespace, files: Sequence[Path]) -> int:
    logging.basicConfig(format=logs.CLASSIC_FORMAT, level=logging.WARNING, force=True)
    options = Options(chosen.store, chosen.since, chosen.read_data, max(1, int(chosen.rate * _MIB)), chosen.repair, chosen.grace)
    figures = Figures()
    services, closing = checked([word for path in files for word in ("--config-file", str(path))])
    with ExitStack() as held:
        for close in closing:
            held.callback(close)
        progress = sys.stderr.isatty()
        if progress:
            held.callback(lambda: print(file=sys.stderr))
            drawing = Periodic(_PROGRESS_INTERVAL, lambda: _draw(figures))
            drawing.start()
            held.callback(drawing.stop)
        _tell(check(services, options, figures), as_json=chosen.json, clear=progress)
    status = UNCHECKED if figures.unchecked else DISAGREES if figures.found > figures.repaired else AGREES
    print(json.dumps({"summary": asdict(figures), "exit_status": status}) if chosen.json else _summary(figures))
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "glance-manage check",
        allow_abbrev=False,
        description="Compares the database with the stores of glance-api, also while the service runs. Nothing is changed without --repair.",
        epilog="Exit status: 0 all agrees, or is repaired; 1 something does not; 2 something could not be checked.",
    )
    parser.add_argument("--store", metavar="NAME", help="look only there; else in all stores, that for staged data too")
    parser.add_argument("--since", type=_time, metavar="DATE", help="look only at what has changed then or later: 2026-11-21, or with a time, UTC")
    parser.add_argument("--read-data", action="store_true", help="read all data, and compare them with the digests of their images")
    parser.add_argument("--rate", type=_positive, default=20, metavar="N", help="MiB that are read in a second, at most; default: 20")
    parser.add_argument("--repair", action="store_true", help="mend what can be mended safely")
    parser.add_argument("--grace", type=_hours, default=_hours("24"), metavar="HOURS", help="erase nothing that is younger; default: 24")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each disagreement, each on a line, and a summary")
    return parser


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("write a date such as 2026-11-21, or 2026-11-21T08:00:00") from None


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("a number above 0 is needed")
    return number


def _hours(text: str) -> timedelta:
    try:
        hours = timedelta(hours=float(text))
    except (ValueError, OverflowError):
        hours = timedelta(-1)
    if hours < timedelta():
        raise argparse.ArgumentTypeError("a number of hours is needed, 0 or more")
    return hours


def _tell(findings: Iterable[Finding], *, as_json: bool, clear: bool) -> None:
    for finding in findings:
        if clear:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        print(json.dumps(asdict(finding)) if as_json else _line(finding), flush=True)


def _line(finding: Finding) -> str:
    about = [f"store {finding.store}"]
    if finding.image_id:
        about.append(f"image {finding.image_id}")
    if finding.name and finding.name != finding.image_id:
        about.append(f"name {finding.name!a}")
    outcome = "" if finding.outcome == "found" else f" [{finding.outcome}]"
    return f"{finding.kind}{outcome}: {', '.join(about)}: {finding.detail}"


def _draw(figures: Figures) -> None:
    share = min(1.0, figures.images / figures.total) if figures.total else 0.0
    bar = "#" * int(share * _BAR)
    print(f"{_CLEAR}[{bar:<{_BAR}}] {_progress(figures)}", end="", file=sys.stderr, flush=True)


def _progress(figures: Figures) -> str:
    looked = f"images {figures.images} of {figures.total}, things in stores {figures.objects}"
    return f"{looked}, MiB read {figures.read / _MIB:.0f}, disagreements {figures.found}"


def _summary(figures: Figures) -> str:
    looked = f"Looked at: images {figures.images}, locations {figures.locations}, things in stores {figures.objects}."
    if not (figures.found or figures.unchecked):
        return f"{looked} All agrees."
    return f"{looked} Disagreements: {figures.found}, repaired: {figures.repaired}, could not be checked: {figures.unchecked}."
