"""The API in this process: the real registry on SQLite, the real file store, and the applications that paste files name.

Every test that takes ``api`` runs twice: straight into the WSGI application, and through a threaded HTTP server.
"""

from __future__ import annotations

import http.client
import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from glance.api.app import Composition, api_v1, api_v2, context, root, unauthenticated_context, version_list, version_negotiation
from glance.api.middleware.rate_limit import RateLimitFilter
from glance.api.settings import ApiSettings, RateSettings
from glance.interfaces import Registry
from glance.service import Limits, Services
from glance.testing.wire import Answer, decoded
from tests.services import make_services

Send = Callable[[str, str, Mapping[str, str], bytes | None], Answer]

#: Headers of an image that every version of the API accepts, and of its data.
RAW = {"x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare"}
DATA = {"Content-Type": "application/octet-stream"}


@dataclass
class Api:
    """One service and a way to reach it. ``headers`` go with every request."""

    services: Services
    settings: ApiSettings
    images: Path
    send: Send
    headers: Mapping[str, str]

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        return self.send(method, path, {**self.headers, **(headers or {})}, body)

    def send_json(self, method: str, path: str, document: object) -> Answer:
        """A request with a document as its body."""
        return self.request(method, path, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def new(self, body: bytes | None = None, **attributes: object) -> str:
        """The id of a new image by way of version 2, active where it has a ``body``."""
        answer = self.send_json("POST", "/v2/images", {"disk_format": "raw", "container_format": "bare", **attributes})
        assert answer.status == 201, answer.text
        image_id = str(answer.json["id"])
        if body is not None:
            uploaded = self.request("PUT", f"/v2/images/{image_id}/file", DATA, body)
            assert uploaded.status == 204, uploaded.text
        return image_id

    def patch(self, image_id: str, operations: object, minor: str = "v2.1") -> Answer:
        """The answer to a change by way of version 2."""
        media_type = f"application/openstack-images-{minor}-json-patch"
        return self.request("PATCH", f"/v2/images/{image_id}", {"Content-Type": media_type}, json.dumps(operations).encode())

    def get(self, path: str) -> Any:
        """The document at a path."""
        answer = self.request("GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    def create(self, headers: Mapping[str, str] | None = None, body: bytes | None = None, path: str = "/v1/images") -> str:
        """The id of a new image, active where it has a ``body``."""
        answer = self.request("POST", path, {**RAW, **(DATA if body is not None else {}), **(headers or {})}, body)
        assert answer.status == 201, answer.text
        return str(answer.json["image"]["id"])

    def show(self, image_id: str) -> dict[str, str]:
        """The metadata of an image by header name, lower case."""
        answer = self.request("HEAD", f"/v1/images/{image_id}")
        assert answer.status == 200
        return {name.lower(): value for name, value in answer.headers}

    def names(self, query: str = "") -> list[str]:
        """The names in a list, in its order."""
        answer = self.request("GET", f"/v1/images{query}")
        assert answer.status == 200, answer.text
        return [image["name"] for image in answer.json["images"]]

    def as_caller(self, project: str, roles: str = "member") -> Api:
        """The same service as another caller sees it, behind the context filter."""
        identity = {"X-Identity-Status": "Confirmed", "X-User-Id": f"user-of-{project}", "X-Tenant-Id": project, "X-Roles": roles}
        return replace(self, headers=identity)


class Sections:
    """A paste loader that knows the applications of the shipped file."""

    def get_app(self, name: str, *, global_conf: Mapping[str, str]) -> object:
        return {"apiversions": version_list, "apiv1app": api_v1, "apiv2app": api_v2}[name](global_conf)


def pipeline(services: Services, settings: ApiSettings, *, trusted: bool, rates: RateSettings | None = None) -> Composition:
    """What the shipped paste file builds for the flavors "" and "trusted-auth"."""
    who = context({}) if trusted else unauthenticated_context({})
    applications = root(Sections(), {}, **{"/": "apiversions", "/v1": "apiv1app", "/v2": "apiv2app"})
    limited = RateLimitFilter(applications, rates) if rates else applications
    return Composition(version_negotiation({})(who(limited)), services, settings)


def wsgi_sender(application: Composition) -> Send:
    def send(method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        raw, _, query = path.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": raw,
            "QUERY_STRING": query,
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "testserver",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body or b""),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if body is not None:
            environ["CONTENT_LENGTH"] = str(len(body))
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = value.encode().decode("latin-1")
        started: list[tuple[str, list[tuple[str, str]]]] = []
        chunks = application(environ, lambda status, lines, exc_info=None: started.append((status, lines)))
        try:
            content = b"".join(chunks)
        finally:
            getattr(chunks, "close", lambda: None)()
        [(status, lines)] = started
        return Answer(int(status[:3]), decoded(lines), content)

    return send


class ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = False


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


def http_sender(port: int) -> Send:
    def send(method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request(method, path, body, {name: value.encode().decode("latin-1") for name, value in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, decoded(answer.getheaders()), answer.read())
        finally:
            connection.close()

    return send


@contextmanager
def served(application: Callable[..., Iterable[bytes]]) -> Iterator[int]:
    """The port of a threaded server of a WSGI application."""
    with make_server("127.0.0.1", 0, application, ThreadedServer, QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def make_api(tmp_path: Path, registry: Registry) -> Callable[..., Api]:
    """A service of chosen settings, reached without a server."""

    def make(*, trusted: bool = False, settings: ApiSettings | None = None, limits: Limits | None = None, **changes: object) -> Api:
        services = make_services(tmp_path, registry, limits=limits or Limits(), **changes)
        chosen = settings or ApiSettings()
        return Api(services, chosen, tmp_path / "images", wsgi_sender(pipeline(services, chosen, trusted=trusted)), {})

    return make


@pytest.fixture(params=["wsgi", "threads"])
def api(request: pytest.FixtureRequest, make_api: Callable[..., Api]) -> Iterator[Api]:
    """The service without identity, straight and through a threaded server."""
    straight = make_api()
    if request.param == "wsgi":
        yield straight
        return
    with served(pipeline(straight.services, straight.settings, trusted=False)) as port:
        yield replace(straight, send=http_sender(port))


@pytest.fixture
def shared_api(make_api: Callable[..., Api]) -> Api:
    """The service behind trusted identity headers."""
    return make_api(trusted=True)
