"""A web server for tests that keep image data elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.api.conftest import served


class Web:
    """The application of a web server: ``objects`` by path, and the environ of every request that came.

    ``before`` is called at the start of each GET: it may change what is there, or hold the answer back.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[dict[str, Any]] = []
        self.before: Callable[[], object] = lambda: None
        self.port = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        self.requests.append(environ)
        if environ["REQUEST_METHOD"] == "GET":
            self.before()
        data = self.objects.get(environ["PATH_INFO"])
        if data is None:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        start_response("200 OK", [("Content-Length", str(len(data)))])
        return [data] if environ["REQUEST_METHOD"] == "GET" else []

    def put(self, path: str, data: bytes) -> str:
        """The URL of new data."""
        self.objects[path] = data
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def reads(self) -> int:
        """How often data were asked for, not only their size."""
        return sum(environ["REQUEST_METHOD"] == "GET" for environ in self.requests)


@pytest.fixture
def web() -> Iterable[Web]:
    """A web server on 127.0.0.1."""
    application = Web()
    with served(application) as port:
        application.port = port
        yield application
