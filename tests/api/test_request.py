"""What a handler reads from a request, whatever pieces its body arrives in."""

from __future__ import annotations

import io

import pytest

from glance import errors
from glance.api.request import SETTINGS, Request
from glance.api.settings import ApiSettings

LIMIT = 100


class Trickle(io.RawIOBase):
    """A body that arrives three bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, 3))


class NothingComes(io.RawIOBase):
    """A connection whose client sent no body and keeps it open: whoever reads from it waits for ever."""

    def read(self, size: int = -1, /) -> bytes:
        raise AssertionError(f"{size} bytes were read where none were announced")


def request(source: io.RawIOBase, **framing: str) -> Request:
    return Request({"REQUEST_METHOD": "PUT", "wsgi.input": source, SETTINGS: ApiSettings(max_json_body_size=LIMIT), **framing})


@pytest.mark.parametrize("framing", [{"CONTENT_LENGTH": "14"}, {"HTTP_TRANSFER_ENCODING": "chunked"}], ids=["length", "chunked"])
def test_json_when_it_arrives_in_pieces_then_read_to_its_end(framing: dict[str, str]) -> None:
    assert request(Trickle(b'{"member": {}}'), **framing).json_document() == {"member": {}}


@pytest.mark.parametrize("framing", [{}, {"CONTENT_LENGTH": ""}, {"CONTENT_LENGTH": "0"}])
def test_json_when_there_is_no_body_then_none_and_nothing_is_read(framing: dict[str, str]) -> None:
    assert request(NothingComes(), **framing).json_document() is None


def test_json_when_it_breaks_off_then_the_client_is_told_so() -> None:
    with pytest.raises(errors.ClientDisconnected):
        request(Trickle(b"{}"), CONTENT_LENGTH="3").json_document()


def test_json_when_it_is_announced_too_long_then_refused_unread() -> None:
    with pytest.raises(errors.LimitExceeded):
        request(NothingComes(), CONTENT_LENGTH=str(LIMIT + 1)).json_document()


def test_json_when_it_grows_too_long_then_refused() -> None:
    with pytest.raises(errors.LimitExceeded):
        request(io.BytesIO(b" " * (LIMIT + 1)), HTTP_TRANSFER_ENCODING="chunked").json_document()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        ("name=a;b&size=1", [("name", "a;b"), ("size", "1")]),
        ("name;b=1", [("name;b", "1")]),
        ("name=a%3Bb%26c%3D+d%2B", [("name", "a;b&c= d+")]),
        ("name=a=b&&name&=c&", [("name", "a=b"), ("name", ""), ("", "c")]),
        ("name=%C3%A9", [("name", "\u00e9")]),
        ("name=\u00c3\u00a9&b=%C3%A9", [("name", "\u00e9"), ("b", "\u00e9")]),
        ("", []),
    ],
)
def test_query_when_read_then_only_ampersands_divide_it(query: str, pairs: list[tuple[str, str]]) -> None:
    """The rules of forms (WHATWG URL, application/x-www-form-urlencoded)."""
    assert Request({"QUERY_STRING": query}).query_pairs == pairs


@pytest.mark.parametrize("query", ["name=%ff", "name=\u00e9", "name=%C3\u00a9"])
def test_query_when_it_is_not_utf8_then_refused(query: str) -> None:
    with pytest.raises(errors.InvalidParameter, match="not valid UTF-8"):
        _ = Request({"QUERY_STRING": query}).query_pairs
