"""A web server that offers files, for tests that let the service read from one."""

from __future__ import annotations

import contextlib
import functools
import http.server
from collections.abc import Iterator
from pathlib import Path

from tests.running import running


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@contextlib.contextmanager
def offering(directory: Path) -> Iterator[str]:
    """The URL below which the files of a directory can be read."""
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=directory))) as server:
        yield f"http://127.0.0.1:{server.server_port}"
