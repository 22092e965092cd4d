"""glance.client over real sockets, against a server of this file that says what each test wants and remembers what it was asked."""

from __future__ import annotations

import contextlib
import datetime
import gc
import io
import ipaddress
import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from glance.client import Client, get_client
from glance.common import exception

TIMEOUT = 10.0
UUID = "11111111-2222-4333-8444-555555555555"


@dataclass
class Request:
    """What arrived; ``chunks`` are the body's pieces as they were framed."""

    method: str
    path: str
    headers: dict[str, str]
    chunks: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def framing(self) -> tuple[str | None, str | None]:
        return self.headers.get("content-length"), self.headers.get("transfer-encoding")


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    read_first: bool = True  # or answer without reading the request's body
    cut: int = 0  # bytes of the body that are promised, but not sent


def reply(document: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        self.server.opened.set()
        script = self.server.replies.pop(0)
        headers = {name.lower(): value.encode("latin-1").decode() for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers, list(self.chunks()) if script.read_first else []))
        self.send_response(script.status)
        for name, value in ({"Content-Length": str(len(script.body))} | script.headers).items():
            self.send_header(name, value.encode().decode("latin-1"))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(script.body[: len(script.body) - script.cut])
        self.close_connection = bool(script.cut) or not script.read_first

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

    def chunks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.server.closed.set()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """``opened`` and ``closed``: a request has come, a connection has ended."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.opened, self.closed = threading.Event(), threading.Event()
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""

    def client(self, **options: Any) -> Client:
        return Client("127.0.0.1", self.port, **{"timeout": TIMEOUT, **options})


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    with Server(tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


@pytest.fixture
def keystone() -> Iterator[Server]:
    with serving() as one:
        yield one


# Requests and results


@pytest.mark.parametrize(
    ("call", "request_line", "answer", "result"),
    [
        (lambda c: c.get_images(), "GET /v1/images", {"images": [{"id": "7"}]}, [{"id": 7}]),
        (lambda c: c.get_images_detailed(limit=2, marker=5), "GET /v1/images/detail?marker=5&limit=2", {"images": []}, []),
        (
            lambda c: c.get_images({"is_public": None, "property-distro": "ü b"}, sort_key="name", sort_dir="asc"),
            "GET /v1/images?is_public=None&property-distro=%C3%BC+b&sort_key=name&sort_dir=asc",
            {"images": [{"id": UUID}]},
            [{"id": UUID}],
        ),
        (lambda c: c.get_image_members(1), "GET /v1/images/1/members", {"members": [{"member_id": "a"}]}, [{"member_id": "a"}]),
        (lambda c: c.get_member_images("a/b"), "GET /v1/shared-images/a%2Fb", {"shared_images": []}, []),
        (lambda c: c.delete_member(1, "a b"), "DELETE /v1/images/1/members/a%20b", None, True),
        (lambda c: c.delete_image("../x"), "DELETE /v1/images/..%2Fx", None, True),
        (lambda c: c.get_cached_images(), "GET /v1/cached_images", {"cached_images": [{"image_id": UUID}]}, [{"image_id": UUID}]),
        (lambda c: c.get_queued_images(), "GET /v1/queued_images", {"queued_images": [UUID]}, [UUID]),
        (lambda c: c.get_invalid_cached_images(), "GET /v1/cached_images?status=invalid", {"cached_images": []}, []),
        (lambda c: c.get_incomplete_cached_images(), "GET /v1/cached_images?status=incomplete", {"cached_images": []}, []),
        (lambda c: c.get_prefetching_cache_images(), "GET /v1/cached_images?status=prefetching", {"cached_images": []}, []),
        (lambda c: c.delete_cached_image(1), "DELETE /v1/cached_images/1", None, True),
        (lambda c: c.purge_cached_image(1), "DELETE /v1/cached_images/1", None, True),
        (lambda c: c.delete_all_cached_images(), "DELETE /v1/cached_images", {"num_deleted": 3}, 3),
        (lambda c: c.clear_cached_images(), "DELETE /v1/cached_images", {"num_purged": 3}, 3),
        (lambda c: c.reap_invalid_cached_images(), "DELETE /v1/cached_images?status=invalid", {"num_reaped": 1}, 1),
        (lambda c: c.reap_stalled_cached_images(), "DELETE /v1/cached_images?status=incomplete", {"num_reaped": 0}, 0),
        (lambda c: c.queue_image_for_caching(1), "PUT /v1/queued_images/1", None, True),
        (lambda c: c.delete_queued_image(1), "DELETE /v1/queued_images/1", None, True),
        (lambda c: c.delete_all_queued_images(), "DELETE /v1/queued_images", {"num_deleted": 0}, 0),
    ],
)
def test_method_when_called_then_sends_this_and_returns_that(
    server: Server, call: Callable[[Client], object], request_line: str, answer: object, result: object
) -> None:
    server.replies = [reply(answer)]
    assert call(server.client()) == result
    (request,) = server.requests
    assert f"{request.method} {request.path}" == request_line
    assert request.body == b""


@pytest.mark.parametrize(
    ("call", "path", "document"),
    [
        (lambda c: c.replace_members(1, {"member_id": "a", "can_share": False}), "/v1/images/1/members", [{"member_id": "a", "can_share": False}]),
        (lambda c: c.replace_members(1), "/v1/images/1/members", []),
        (lambda c: c.add_member(1, "a", True), "/v1/images/1/members/a", {"member": {"can_share": True}}),
        (lambda c: c.add_member(1, "a", can_share=False), "/v1/images/1/members/a", {"member": {"can_share": False}}),
    ],
)
def test_members_when_changed_then_json_is_sent(server: Server, call: Callable[[Client], object], path: str, document: object) -> None:
    server.replies = [Reply(204)]
    assert call(server.client()) is True
    (request,) = server.requests
    assert (request.method, request.path) == ("PUT", path)
    assert json.loads(request.body) == document
    assert request.headers["content-type"] == "application/json"


def test_add_member_when_can_share_is_not_given_then_sends_no_body(server: Server) -> None:
    server.replies = [Reply(204)]
    server.client().add_member(1, "a")
    assert server.requests[0].framing == ("0", None)


def test_prefetch_when_the_image_exists_then_looks_first_and_queues_it(server: Server) -> None:
    server.replies = [Reply(), Reply()]
    assert server.client().prefetch_cache_image(1) is True
    assert [(one.method, one.path) for one in server.requests] == [("HEAD", "/v1/images/1"), ("PUT", "/v1/cached_images/1")]


def test_prefetch_when_there_is_no_such_image_then_not_found(server: Server) -> None:
    server.replies = [Reply(404)]
    with pytest.raises(exception.NotFound):
        server.client().prefetch_cache_image(1)


def test_client_when_doc_root_is_empty_then_paths_have_no_version(server: Server) -> None:
    server.replies = [reply({"images": []})]
    server.client(doc_root="").get_images()
    assert server.requests[0].path == "/images"


def test_get_image_meta_when_headers_are_utf8_then_so_are_the_values(server: Server) -> None:
    server.replies = [Reply(headers={"x-image-meta-name": "Åland …", "X-Image-Meta-Size": "5", "X-Image-Meta-Property-Os-Type": "tyyppi ä"})]
    assert server.client().get_image_meta(UUID) == {"name": "Åland …", "size": 5, "properties": {"os_type": "tyyppi ä"}}


def test_add_image_when_there_is_no_data_then_sends_headers_only(server: Server) -> None:
    server.replies = [reply({"image": {"id": "3", "status": "queued"}}, 201)]
    image = server.client().add_image(
        {"name": "Åland …", "owner": None, "properties": {"os_type": "ä"}}, features={"x-glance-api-copy-from": "http://ü/"}
    )
    assert image == {"id": 3, "status": "queued"}
    (request,) = server.requests
    assert (request.method, request.path, request.framing) == ("POST", "/v1/images", ("0", None))
    sent = {name: value for name, value in request.headers.items() if name.startswith("x-")}
    assert sent == {
        "x-image-meta-name": "Åland …",
        "x-image-meta-owner": "",
        "x-image-meta-property-os_type": "ä",
        "x-glance-api-copy-from": "http://ü/",
    }


# Data to the server

DATA = os.urandom(150_000)


class Pipe(io.RawIOBase):
    """A source that cannot seek, as a pipe; its reads give less than they are asked for."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 40_000))


class Minimal:
    """Nothing but ``read``."""

    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read


@pytest.mark.parametrize("source", [DATA, io.BytesIO(DATA), "Mu\u0308ll " * 3], ids=["bytes", "file", "text"])
def test_upload_when_the_size_can_be_learned_then_has_content_length_alone(server: Server, source: Any) -> None:
    expected = source.encode() if isinstance(source, str) else DATA
    server.replies = [reply({"image": {}}, 201)]
    server.client().add_image({"name": "x", "size": 0}, source)
    (request,) = server.requests
    assert request.body == expected
    assert request.framing == (str(len(expected)), None)
    assert request.headers["x-image-meta-size"] == str(len(expected))
    assert request.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize("source", [Pipe(DATA), Minimal(DATA)], ids=["pipe", "minimal"])
def test_upload_when_the_size_cannot_be_learned_then_is_chunked_alone(server: Server, source: Any) -> None:
    server.replies = [reply({"image": {}})]
    server.client().update_image(UUID, {"name": "x"}, source)
    (request,) = server.requests
    assert request.method == "PUT"
    assert request.body == DATA
    assert request.framing == (None, "chunked")
    assert max(len(one) for one in request.chunks) <= 64 * 1024
    assert "x-image-meta-size" not in request.headers


def test_upload_when_the_file_was_read_in_part_then_sends_the_rest(server: Server) -> None:
    source = io.BytesIO(DATA)
    source.seek(100_000)
    server.replies = [reply({"image": {}}, 201)]
    server.client().add_image(None, source)
    assert server.requests[0].body == DATA[100_000:]
    assert server.requests[0].headers["content-length"] == "50000"


@pytest.mark.parametrize("source", [b"", io.BytesIO()], ids=["bytes", "file"])
def test_upload_when_there_are_no_bytes_then_is_still_data(server: Server, source: Any) -> None:
    server.replies = [reply({"image": {}}, 201)]
    server.client().add_image(None, source)
    assert server.requests[0].framing == (None, "chunked")
    assert server.requests[0].headers["x-image-meta-size"] == "0"


class Growing(io.BytesIO):
    """Gives more than it said."""

    def tell(self) -> int:
        return min(super().tell(), 100_000)


def test_upload_when_the_file_grows_then_sends_what_was_promised(server: Server) -> None:
    server.replies = [reply({"image": {}}, 201)]
    server.client().add_image(None, Growing(DATA))
    assert server.requests[0].headers["content-length"] == "100000"
    assert server.requests[0].body == DATA[:100_000]


class Shrinking(io.BytesIO):
    """Says that it has more than it gives."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 100_000 - self.tell()))


class Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("disk on fire")


@pytest.mark.parametrize(
    ("source", "message"),
    [(Shrinking(DATA), "ended 50000 bytes too early"), (Broken(DATA), "disk on fire"), (io.StringIO("text"), "binary mode")],
    ids=["shrinking", "broken", "text file"],
)
def test_upload_when_the_source_fails_then_bad_input_and_the_connection_closes(server: Server, source: Any, message: str) -> None:
    server.replies = [reply({"image": {}}, 201)]
    with pytest.raises(exception.BadInputError, match=message):
        server.client().add_image(None, source)
    assert server.closed.wait(TIMEOUT)


def test_upload_when_the_server_refuses_before_the_end_then_its_answer_is_raised(server: Server) -> None:
    server.replies = [Reply(409, b"Cannot upload to an unqueued image", read_first=False)]
    with pytest.raises(exception.Duplicate, match="Cannot upload to an unqueued image"):
        server.client().update_image(UUID, None, io.BytesIO(bytes(64 * 1024 * 1024)))


# Data from the server


def test_get_image_when_read_then_gives_blocks_and_closes_at_the_end(server: Server) -> None:
    server.replies = [Reply(body=DATA, headers={"x-image-meta-id": UUID})]
    meta, chunks = server.client().get_image(UUID)
    blocks = list(chunks)
    assert meta["id"] == UUID
    assert b"".join(blocks) == DATA
    assert [len(one) for one in blocks] == [65536, 65536, 150_000 - 2 * 65536]
    assert server.closed.wait(TIMEOUT)
    assert list(chunks) == []


@pytest.mark.parametrize("blocks", [0, 1])
def test_get_image_when_closed_early_then_the_connection_closes(server: Server, blocks: int) -> None:
    server.replies = [Reply(body=bytes(16 * 1024 * 1024))]
    _, chunks = server.client().get_image(UUID)
    for _ in range(blocks):
        next(chunks)
    chunks.close()
    assert server.closed.wait(TIMEOUT)
    assert list(chunks) == []


def test_get_image_when_the_iterator_is_dropped_then_the_connection_closes(server: Server) -> None:
    server.replies = [Reply(body=bytes(16 * 1024 * 1024))]
    server.client().get_image(UUID)
    gc.collect()
    assert server.closed.wait(TIMEOUT)


@pytest.mark.parametrize("cut", [1, 149_999, 150_000])
def test_get_image_when_the_body_is_too_short_then_connection_error(server: Server, cut: int) -> None:
    server.replies = [Reply(body=DATA, cut=cut)]
    _, chunks = server.client().get_image(UUID)
    with pytest.raises(exception.ClientConnectionError, match=f"{cut} bytes too early"):
        list(chunks)
    assert server.closed.wait(TIMEOUT)


def test_get_image_when_the_server_falls_silent_then_connection_error(server: Server) -> None:
    server.replies = [Reply(body=b"abc", headers={"Content-Length": "4"})]
    _, chunks = server.client(timeout=0.2).get_image(UUID)
    with pytest.raises(exception.ClientConnectionError, match="timed out"):
        list(chunks)


# Errors


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (300, exception.MultipleChoices, "why"),
        (400, exception.Invalid, "why"),
        (401, exception.NotAuthenticated, "why"),
        (403, exception.Forbidden, "why"),
        (404, exception.NotFound, "why"),
        (409, exception.Duplicate, "why"),
        (413, exception.LimitExceeded, "why"),
        (500, exception.Error, "Internal Server error: why"),
        (503, exception.ServiceUnavailable, "why"),
        (418, exception.Error, "Unknown error occurred! why"),
    ],
)
def test_answer_when_it_is_an_error_then_its_class_is_raised(server: Server, status: int, error: type[Exception], message: str) -> None:
    server.replies = [Reply(status, b"why")]
    with pytest.raises(error) as caught:
        server.client().get_images()
    assert type(caught.value) is error
    assert str(caught.value) == message
    assert server.closed.wait(TIMEOUT)


def test_answer_when_an_error_has_no_text_or_half_of_it_then_the_status_counts(server: Server) -> None:
    server.replies = [Reply(404), Reply(404, b"why", cut=2)]
    for call in (server.client().get_image_meta, server.client().get_image):
        with pytest.raises(exception.NotFound, match="404 Not Found"):
            call(UUID)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b"{}"])
def test_answer_when_it_is_not_what_was_asked_for_then_error(server: Server, body: bytes) -> None:
    server.replies = [Reply(body=body)]
    with pytest.raises(exception.Error, match="has no images"):
        server.client().get_images()


def test_server_when_nobody_listens_then_connection_error() -> None:
    with serving() as gone:
        client = gone.client()
    with pytest.raises(exception.ClientConnectionError, match="Unable to connect to server. Got error: .*refused"):
        client.get_images()


# Keystone

V2_ACCESS = {"token": {"id": "fresh"}, "serviceCatalog": [{"type": "compute", "endpoints": [{"publicURL": "http://nova"}]}]}


def creds(keystone: Server, path: str = "/v2.0/", **more: str) -> dict[str, str | None]:
    return {"strategy": "keystone", "username": "üser", "password": "secret", "tenant": "t1", "auth_url": keystone.url + path, **more}


def catalogue(*endpoints: tuple[str, str]) -> dict[str, Any]:
    image = {"type": "image", "endpoints": [{"region": region, "publicURL": url} for region, url in endpoints]}
    return {"access": {**V2_ACCESS, "serviceCatalog": [image]}}


def test_keystone_v2_when_there_is_no_token_then_logs_in_once_for_all_requests(server: Server, keystone: Server) -> None:
    keystone.replies = [reply({"access": V2_ACCESS})]
    server.replies = [reply({"images": []}), reply({"images": []})]
    client = server.client(creds=creds(keystone))
    client.get_images()
    client.get_images()
    (login,) = keystone.requests
    assert (login.method, login.path, login.headers["content-type"]) == ("POST", "/v2.0/tokens", "application/json")
    assert json.loads(login.body) == {"auth": {"passwordCredentials": {"username": "üser", "password": "secret"}, "tenantName": "t1"}}
    assert [one.headers["x-auth-token"] for one in server.requests] == ["fresh", "fresh"]


def test_keystone_v1_when_there_is_no_token_then_logs_in_by_headers_and_goes_where_it_is_sent(server: Server, keystone: Server) -> None:
    keystone.replies = [Reply(204, headers={"X-Auth-Token": "fresh", "X-Server-Management-Url": f"{server.url}/v1.1/"})]
    server.replies = [reply({"images": []})]
    Client("elsewhere.invalid", creds=creds(keystone, "/v1.0"), timeout=TIMEOUT).get_images()
    (login,) = keystone.requests
    assert (login.method, login.path) == ("GET", "/v1.0/tokens")
    sent = {name: value for name, value in login.headers.items() if name.startswith("x-auth")}
    assert sent == {"x-auth-user": "üser", "x-auth-key": "secret", "x-auth-tenant": "t1"}
    assert server.requests[0].path == "/v1.1/images"
    assert server.requests[0].headers["x-auth-token"] == "fresh"


@pytest.mark.parametrize("status", [401, 403])
def test_keystone_when_a_token_is_refused_then_logs_in_and_repeats_with_all_data(server: Server, keystone: Server, status: int) -> None:
    keystone.replies = [reply({"access": V2_ACCESS})]
    server.replies = [Reply(status), reply({"image": {}}, 201)]
    server.client(auth_tok="stale", creds=creds(keystone)).add_image({"name": "x"}, io.BytesIO(DATA))
    assert [one.headers["x-auth-token"] for one in server.requests] == ["stale", "fresh"]
    assert [one.body for one in server.requests] == [DATA, DATA]


def test_keystone_when_the_second_try_is_refused_too_then_gives_up(server: Server, keystone: Server) -> None:
    keystone.replies = [reply({"access": V2_ACCESS})]
    server.replies = [Reply(401), Reply(401, b"no")]
    with pytest.raises(exception.NotAuthenticated, match="no"):
        server.client(auth_tok="stale", creds=creds(keystone)).get_images()


def test_keystone_when_the_data_cannot_be_sent_again_then_the_refusal_is_raised(server: Server, keystone: Server) -> None:
    server.replies = [Reply(401, b"no")]
    with pytest.raises(exception.NotAuthenticated, match="no"):
        server.client(auth_tok="stale", creds=creds(keystone)).add_image(None, Pipe(DATA))
    assert keystone.requests == []


def test_keystone_when_nova_of_2011_names_no_auth_url_then_no_login_is_tried(server: Server) -> None:
    server.replies = [reply({"images": []}), Reply(401)]
    client = server.client(creds={"strategy": "keystone", "username": "u", "tenant": "t"})
    client.get_images()
    assert "x-auth-token" not in server.requests[0].headers
    with pytest.raises(exception.NotAuthorized):
        client.get_images()


def test_keystone_when_it_redirects_then_is_followed(server: Server, keystone: Server) -> None:
    keystone.replies = [Reply(305, headers={"Location": f"{keystone.url}/v2.0/tokens"}), reply({"access": V2_ACCESS})]
    server.replies = [reply({"images": []})]
    server.client(creds=creds(keystone, "/")).get_images()
    assert [f"{one.method} {one.path}" for one in keystone.requests] == ["GET /tokens", "POST /v2.0/tokens"]


def test_keystone_when_it_redirects_for_ever_then_stops_after_ten(server: Server, keystone: Server) -> None:
    keystone.replies = [Reply(305, headers={"Location": "/v2.0/"}) for _ in range(20)]
    with pytest.raises(exception.ClientConfigurationError, match="more than 10 times"):
        server.client(creds=creds(keystone)).get_images()
    assert len(keystone.requests) == 11


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply(401, b"wrong password"), exception.NotAuthenticated),
        (Reply(403), exception.NotAuthenticated),
        (Reply(404), exception.ClientConfigurationError),
        (Reply(500), exception.ServiceUnavailable),
        (reply({"access": {"token": {}}}), exception.ClientConfigurationError),
        (reply({"access": []}), exception.ClientConfigurationError),
        (reply({}), exception.Error),
    ],
)
def test_keystone_when_it_gives_no_token_then_error_that_is_not_the_images(
    server: Server, keystone: Server, answer: Reply, error: type[Exception]
) -> None:
    keystone.replies = [answer]
    with pytest.raises(error) as caught:
        server.client(creds=creds(keystone)).get_image(UUID)
    assert "secret" not in str(caught.value)
    assert server.requests == []


def test_keystone_v1_when_the_answer_has_no_token_then_configuration_error(server: Server, keystone: Server) -> None:
    keystone.replies = [Reply()]
    with pytest.raises(exception.ClientConfigurationError, match="no token"):
        server.client(creds=creds(keystone, "/v1.0/")).get_images()


def test_keystone_when_credentials_are_missing_then_says_which(server: Server, keystone: Server) -> None:
    with pytest.raises(exception.ClientConfigurationError, match="username, password"):
        server.client(creds={"strategy": "keystone", "auth_url": keystone.url}).get_images()


@pytest.mark.parametrize(("region", "path"), [("north", "/north/images"), ("south", "/v1/images"), ("", "/v1/images"), ("west", "/v1/images")])
def test_catalogue_when_it_names_image_services_then_the_only_one_of_the_region_is_used(
    server: Server, keystone: Server, region: str, path: str
) -> None:
    """An endpoint without a path keeps doc_root; no endpoint, or several, keep the address."""
    keystone.replies = [reply(catalogue(("north", f"{server.url}/north"), ("south", server.url)))]
    server.replies = [reply({"images": []})]
    server.client(creds=creds(keystone, region=region)).get_images()
    assert server.requests[0].path == path


def test_catalogue_when_configure_via_auth_is_off_then_the_address_stays(server: Server, keystone: Server) -> None:
    keystone.replies = [reply(catalogue(("north", "http://elsewhere.invalid/")))]
    server.replies = [reply({"images": []})]
    server.client(creds=creds(keystone), configure_via_auth=False).get_images()
    assert len(server.requests) == 1


def test_get_client_when_the_environment_names_keystone_then_logs_in_there(server: Server, keystone: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OS_TOKEN", raising=False)
    for name, value in {"USERNAME": "u", "PASSWORD": "p", "TENANT_NAME": "t", "AUTH_URL": f"{keystone.url}/v2.0"}.items():
        monkeypatch.setenv(f"OS_{name}", value)
    keystone.replies = [reply({"access": V2_ACCESS})]
    server.replies = [reply({"images": []})]
    get_client("127.0.0.1", server.port).get_images()
    assert server.requests[0].headers["x-auth-token"] == "fresh"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "glance test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with serving(context) as one:
        yield one


def test_tls_when_the_certificate_is_unknown_then_connection_error(tls_server: Server) -> None:
    with pytest.raises(exception.ClientConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        tls_server.client(use_ssl=True).get_images()


def test_tls_when_the_authority_is_given_then_data_passes_both_ways(tls_server: Server, certificate: Path) -> None:
    tls_server.replies = [reply({"image": {}}, 201), Reply(body=DATA)]
    client = tls_server.client(use_ssl=True, ca_file=str(certificate))
    client.add_image(None, Pipe(DATA))
    assert tls_server.requests[0].body == DATA
    assert b"".join(client.get_image(UUID)[1]) == DATA


def test_tls_when_the_environment_names_the_authority_then_it_is_used(tls_server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLANCE_CLIENT_CA_FILE", str(certificate))
    tls_server.replies = [reply({"images": []})]
    assert tls_server.client(use_ssl=True).get_images() == []


def test_tls_when_the_server_wants_a_certificate_then_the_clients_is_shown(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(context) as strict:
        strict.replies = [reply({"images": []})]
        pair = {"use_ssl": True, "ca_file": str(certificate)}
        with pytest.raises(exception.ClientConnectionError):
            strict.client(**pair).get_images()
        assert strict.client(**pair, cert_file=str(certificate), key_file=str(certificate)).get_images() == []


def test_tls_when_insecure_is_asked_for_then_any_certificate_will_do(tls_server: Server) -> None:
    tls_server.replies = [reply({"images": []})]
    assert tls_server.client(use_ssl=True, insecure=True).get_images() == []


def test_keystone_when_it_redirects_away_from_tls_then_the_password_is_not_sent(tls_server: Server, keystone: Server) -> None:
    tls_server.replies = [Reply(305, headers={"Location": f"{keystone.url}/v2.0/"})]
    credentials = creds(keystone) | {"auth_url": f"https://127.0.0.1:{tls_server.port}/v2.0/"}
    with pytest.raises(exception.ClientConfigurationError, match="without TLS"):
        tls_server.client(creds=credentials, insecure=True).get_images()
    assert keystone.requests == []
