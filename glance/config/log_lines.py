"""How log lines look. Formatters of our own, since those of oslo.log add the text of any error that is being handled, though the code that logs left
it out: such texts may hold what a client sent, a path or a password."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from oslo_log import formatters

#: Characters of a message that are written.
MAX_MESSAGE = 8192

#: Fields that formats for oslo.log may name, and that have no value here.
_EMPTY_FIELDS = ("color", "global_request_id", "instance", "project_name", "request_id", "resource", "user_identity", "user_name")


class _WithoutTexts(logging.Formatter):
    """Tells of an error where it came from, and its class."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is the library's
        return "\n\nled to\n\n".join(reversed([_frames(error) for error in _chain(ei[1])]))


class LineFormatter(_WithoutTexts):
    """One line for each message, whatever stands in it; only the frames of an error follow on lines of their own.

    Beside the fields of Python's logging a format may name those of oslo.log: ``isotime``, and others that are empty.
    """

    def __init__(self, line: str, date: str) -> None:
        super().__init__(line, date, defaults=dict.fromkeys(_EMPTY_FIELDS, ""))
        self._shows_isotime = "%(isotime)" in line

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - the name is the library's
        return _moment(int(record.created), datefmt) if datefmt else super().formatTime(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is the library's
        record.message = escaped(record.message[: MAX_MESSAGE + 1])
        if len(record.message) > MAX_MESSAGE:
            record.message = record.message[:MAX_MESSAGE] + "..."
        if self._shows_isotime:
            record.isotime = datetime.fromtimestamp(record.created, UTC).astimezone().isoformat()
        return super().formatMessage(record)


class JsonFormatter(_WithoutTexts, formatters.JSONFormatter):
    """oslo.log's JSON documents, without the summary of the error."""

    def format(self, record: logging.LogRecord) -> str:
        document = json.loads(super().format(record))
        del document["error_summary"]
        return json.dumps(document)


@lru_cache(maxsize=4)
def _moment(second: int, form: str) -> str:
    return time.strftime(form, time.localtime(second))


def escaped(text: str) -> str:
    """``text`` with a backslash escape for each character that is not printable, so that it can neither end a line nor steer a terminal."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, the newest first; each once."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _frames(error: BaseException) -> str:
    return "".join(["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__), type(error).__qualname__])
