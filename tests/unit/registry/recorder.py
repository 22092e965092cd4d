"""A registry that records what it is asked and answers what it is told: what stands behind the wire in these tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from glance.model.image import Image, Location

IMAGE = Image(
    id="11111111-2222-4333-8444-555555555555",
    name="Zürich \N{CHECK MARK}",
    status="active",
    visibility="public",
    owner="t1",
    disk_format="raw",
    container_format="bare",
    size=2**40,
    virtual_size=None,
    checksum="c2e5db72bd7fd153f53ede5da5a06de3",
    min_disk=1,
    min_ram=2,
    protected=True,
    os_hidden=True,
    os_hash_algo="sha512",
    os_hash_value="cd" * 64,
    created_at=datetime(2012, 5, 6, 7, 8, 9, 10),
    updated_at=datetime(2012, 5, 6, 7, 8, 10),
    properties={"a": "1", "none": None, "empty": ""},
    tags=("a", "é"),
    locations=(Location("file:///images/one", "file", {"part": 1}, "active", 7), Location("http://example.org/two", "", {}, "pending_delete", 8)),
)


class Recorder:
    """Every part of a Registry at once: ``asked`` are (part, method, arguments), ``answer`` is returned or raised."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = []
        self.answer: Any = IMAGE

    def __getattr__(self, part: str) -> _Part:
        return _Part(self, part)

    def close(self) -> None:
        """Nothing is open."""


class _Part:
    def __init__(self, recorder: Recorder, part: str) -> None:
        self._recorder = recorder
        self._part = part

    def __getattr__(self, method: str) -> Any:
        def call(*positional: Any, **named: Any) -> Any:
            self._recorder.asked.append((self._part, method, positional, named))
            if isinstance(self._recorder.answer, BaseException):
                raise self._recorder.answer
            return self._recorder.answer

        return call
