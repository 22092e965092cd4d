"""What stands on the command line of a measurement, so that a slip is told before anything is measured."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from benchmarks.table import placed


def whole(least: int = 1, step: int = 1) -> Callable[[str], int]:
    """A type for argparse: whole numbers from ``least`` on that are multiples of ``step``."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least or int(text) % step:
            raise ArgumentTypeError(f"'{text}' is no whole number from {least} on{f', a multiple of {step}' if step > 1 else ''}")
        return int(text)

    return read


def above_zero(text: str) -> float:
    """A type for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"'{text}' is no number above 0")
    return number


def named(text: str) -> tuple[str, str]:
    """A type for argparse: NAME=VALUE."""
    name, _, value = text.partition("=")
    if not name or not value:
        raise ArgumentTypeError(f"'{text}' is not of the form NAME=VALUE")
    return name, value


def named_pid(text: str) -> tuple[str, int]:
    """A type for argparse: NAME=PID."""
    name, value = named(text)
    return name, whole()(value)


def page(begin: str, end: str) -> Callable[[str], Path]:
    """A type for argparse: a file that has a place for figures between two marks."""

    def read(text: str) -> Path:
        try:
            placed(Path(text).read_text(), begin, end, [])
        except (OSError, ValueError) as error:
            raise ArgumentTypeError(f"'{text}' cannot be the page: {error}") from error
        return Path(text)

    return read


def new_file(text: str) -> Path:
    """A type for argparse: a file in a directory that is there."""
    if not Path(text).parent.is_dir():
        raise ArgumentTypeError(f"'{text}' is in no directory that is there")
    return Path(text)
