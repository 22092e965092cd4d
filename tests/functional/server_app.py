"""A tiny service on the real server, for the functional tests: ``server_app.py SETTINGS``, a JSON file that is read again on every load."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from glance import errors
from glance.server.prefork import serve
from glance.server.settings import ServerSettings

LOG = logging.getLogger("test")


class Service:
    def __init__(self, path: Path) -> None:
        values = json.loads(path.read_text())
        if values.pop("broken", False):
            raise errors.ConfigurationError(reason="broken on purpose")
        self.word = values.pop("word", "hello")
        self.file = values.pop("file", None)
        self.fails_to_start = values.pop("fails_to_start", False)
        self.settings = ServerSettings(bind_host="127.0.0.1", bind_port=0, **values)

    side = observed = None

    def accepted(self) -> None:
        LOG.info("accepted in %d", os.getpid())

    def started(self) -> None:
        if self.fails_to_start:
            raise errors.ConfigurationError(reason="cannot start on purpose")
        LOG.info("started in %d", os.getpid())

    def leaving(self) -> None:
        LOG.info("leaving in %d", os.getpid())

    def stopped(self) -> None:
        LOG.info("stopped in %d", os.getpid())

    def app(self, environ, start_response):
        handler = getattr(self, environ["PATH_INFO"].strip("/").replace("/", "_") or "hello")
        return handler(environ, start_response)

    def hello(self, environ, start_response):
        data = f"{self.word} {os.getpid()}\n".encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(data))), ("X-Openstack-Request-Id", "req-1")])
        return [data]

    def kept(self, environ, start_response):
        start_response("200 OK", [])
        return [str(gc.get_freeze_count()).encode()]

    def bare(self, environ, start_response):
        start_response("200 OK", [])
        return iter([b"one", b"", b"two"])

    def environ(self, environ, start_response):
        data = json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [data]

    def echo(self, environ, start_response):
        try:
            data = environ["wsgi.input"].read()
        except errors.ClientDisconnected as error:
            start_response("400 Bad Request", [("X-Cause", error.code)])
            return [b"short\n"]
        start_response("200 OK", [])
        return [data]

    def count(self, environ, start_response):
        total = 0
        with tempfile.TemporaryFile() as file:
            while data := environ["wsgi.input"].read(1024 * 1024):
                file.write(data)
                total += len(data)
        start_response("200 OK", [])
        return [str(total).encode()]

    def ignore(self, environ, start_response):
        start_response("401 Unauthorized", [])
        return [b"no"]

    def slow(self, environ, start_response):
        LOG.info("slow began")
        time.sleep(1)
        return self.hello(environ, start_response)

    def download(self, environ, start_response):
        size = os.path.getsize(self.file)
        first = int(environ["QUERY_STRING"] or 0)
        file = Path(self.file).open("rb")  # noqa: SIM115 - the server closes it
        file.seek(first)
        start_response("200 OK", [("Content-Length", str(size - first))])
        return environ.get("wsgi.file_wrapper", lambda file: iter(lambda: file.read(65536), b""))(file)

    def short(self, environ, start_response):
        start_response("200 OK", [("Content-Length", "10")])
        return [b"12345"]

    def long(self, environ, start_response):
        start_response("200 OK", [("Content-Length", "3")])
        return [b"12345"]

    def empty(self, environ, start_response):
        start_response("204 No Content", [("Content-Length", "3")])
        return [b"123"]

    def fail(self, environ, start_response):
        raise ValueError("secret " + environ.get("HTTP_X_SECRET", ""))

    def split(self, environ, start_response):
        start_response("200 OK", [("X-A", "one\r\nSet-Cookie: x=1")])
        return [b""]

    def closing(self, environ, start_response):
        start_response("200 OK", [("Connection", "close")])
        return [b"bye"]

    def endless(self, environ, start_response):
        start_response("200 OK", [])
        return iter(lambda: b"x" * 65536, b"")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    settings_file = Path(sys.argv[1])
    try:
        sys.exit(serve(lambda: Service(settings_file)))
    except errors.ConfigurationError as failure:
        sys.exit(f"ERROR: {failure.message}")
