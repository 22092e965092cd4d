"""HTTP as bytes, for black-box tests: requests exactly as written, answers with nothing interpreted that a test may want to see."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


def request_bytes(line: str, *headers: str | bytes, body: bytes = b"", host: str | None = "Host: glance", close: bool = True) -> bytes:
    """A request of that first line, with those lines of headers; "Connection: close" is added unless ``close`` is off."""
    lines = [line, *([host] if host else []), *headers, *(["Connection: close"] if close else [])]
    return b"".join((one if isinstance(one, bytes) else one.encode()) + b"\r\n" for one in lines) + b"\r\n" + body


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. ``headers`` are (name, value) pairs as received; values are decoded as UTF-8."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The value of the first header of that name, in any case; None when there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as people read it: entities of HTML are resolved."""
        return html.unescape(self.body.decode(errors="replace"))


def decoded(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Headers that were read as Latin-1, as the UTF-8 that they are on this wire."""
    return tuple((name, value.encode("latin-1").decode(errors="replace")) for name, value in pairs)


def parse_all(data: bytes, *, to_head: bool = False) -> list[Answer]:
    """All final answers in what a connection delivered. Raises ValueError for bytes that are not a sequence of complete answers.

    ``to_head``: they answer HEAD requests, and have no body whatever their length says.
    """
    answers = []
    while data:
        answer, data = _parse_one(data, to_head)
        if answer.status >= 200:
            answers.append(answer)
    return answers


def parse_one(data: bytes, *, to_head: bool = False) -> Answer:
    """The only final answer in ``data``. Raises ValueError when there is none, or more than one."""
    answers = parse_all(data, to_head=to_head)
    if len(answers) != 1:
        raise ValueError(f"{len(answers)} answers instead of one: {data[:2000]!r}")
    return answers[0]


def _parse_one(data: bytes, to_head: bool) -> tuple[Answer, bytes]:
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end or not head.startswith(b"HTTP/1."):
        raise ValueError(f"no HTTP answer: {data[:200]!r}")
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = [(name, value.strip(" ")) for name, _, value in (line.partition(":") for line in lines)]
    answer = Answer(int(first.split(" ")[1]), decoded(pairs), b"")
    if to_head or answer.status < 200 or answer.status in {204, 304}:
        return answer, rest
    body, rest = _take_body(answer, rest)
    return Answer(answer.status, answer.headers, body), rest


def _take_body(answer: Answer, rest: bytes) -> tuple[bytes, bytes]:
    length = answer.header("Content-Length")
    if length is None:
        if answer.header("Transfer-Encoding") == "chunked":
            return _take_chunks(rest)
        return rest, b""
    if len(rest) < int(length):
        raise ValueError(f"{len(rest)} bytes instead of {length}")
    return rest[: int(length)], rest[int(length) :]


def _take_chunks(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, end, rest = rest.partition(b"\r\n")
        if not end:
            raise ValueError("the last chunk is missing")
        length = int(size, 16)
        body, rest = body + rest[:length], rest[length + 2 :]
        if length == 0:
            return body, rest
