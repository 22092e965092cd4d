"""The HTTP driver against the suite of all stores, and against web servers that behave differently."""

import itertools
import re
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from glance import errors
from glance.context import RequestContext
from glance.egress import Egress, EgressSettings
from glance.model.image import Location
from glance.store.drivers.http import HttpStore
from glance.testing.store_contract import MIB, ReadOnlyStoreContract, noise
from tests.running import running

CTX = RequestContext()
DATA = noise(1000)


class Web(ThreadingHTTPServer):
    """A web server on 127.0.0.1: ``objects`` by path, ``behaviour`` by path where it is not that of a good server."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects = {}
        self.behaviour = {}
        self.requests = []

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, request, client_address):
        """A client that closes early is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Tests look at ``requests`` instead."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        special = self.server.behaviour.get(self.path)
        data = self.server.objects.get(self.path)
        if special is not None:
            special(self, data)
        elif data is None:
            self.answer(404, {"Content-Length": "9"}, b"not found")
        else:
            self.send_part(data)

    def send_part(self, data):
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if found is None:
            self.answer(200, {"Content-Length": len(data)}, data)
            return
        first, last = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        if first >= len(data):
            self.answer(416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
        else:
            part = data[first : last + 1]
            self.answer(206, {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Content-Length": len(part)}, part)

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture
def web():
    with running(Web()) as server:
        yield server


def local_store(**settings):
    return HttpStore("http", Egress(EgressSettings(allowed_networks=("127.0.0.0/8",), allowed_ports=None, **settings)))


@pytest.fixture
def store():
    return local_store(connect_timeout=2, read_timeout=2)


@pytest.fixture
def closed_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def silent_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


class TestHttpStore(ReadOnlyStoreContract):
    @pytest.fixture
    def publish(self, web):
        numbers = itertools.count()

        def put(data):
            path = f"/object-{next(numbers)}"
            web.objects[path] = data
            return Location(url=web.url(path), store="http")

        return put

    @pytest.fixture
    def unknown(self, web):
        return Location(url=web.url("/unknown?secret=s3cret"), store="http")

    @pytest.fixture
    def failing_reads(self, closed_port, silent_port):
        hasty = local_store(connect_timeout=1, read_timeout=0.5)
        return [(hasty, Location(url=f"http://127.0.0.1:{port}/secret-path", store="http")) for port in (closed_port, silent_port)]


class TestHttpStoreOfServerWithoutRanges(TestHttpStore):
    """A server that ignores Range: the store leaves out what was not asked for."""

    @pytest.fixture
    def publish(self, web):
        numbers = itertools.count()

        def put(data):
            path = f"/object-{next(numbers)}"
            web.objects[path] = data
            web.behaviour[path] = lambda handler, found: handler.answer(200, {"Content-Length": len(found)}, found)
            return Location(url=web.url(path), store="http")

        return put


def served(web, behaviour, data=DATA):
    web.objects["/it"] = data
    web.behaviour["/it"] = behaviour
    return Location(url=web.url("/it"), store="http")


def read(store, location, offset=0, length=None):
    blob = store.open(CTX, location, offset, length)
    try:
        return b"".join(blob)
    finally:
        blob.close()


def head_of_an_image_service(handler, data):
    """HEAD of a v1 image has no body, therefore Content-Length 0 (spec-v1 2.6)."""
    handler.answer(200, {"Content-Length": 0 if handler.command == "HEAD" else len(data)}, data)


def no_head(handler, data):
    if handler.command == "HEAD":
        handler.answer(405, {"Content-Length": 0})
    else:
        handler.send_part(data)


def chunked_with_image_size(handler, data):
    handler.answer(200, {"Transfer-Encoding": "chunked", "x-image-meta-size": len(data)}, b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))


@pytest.mark.parametrize("behaviour", [head_of_an_image_service, no_head, chunked_with_image_size])
def test_size_and_data_when_the_server_is_peculiar_are_right(web, store, behaviour):
    location = served(web, behaviour)
    assert store.size(CTX, location) == len(DATA)
    assert read(store, location) == DATA
    assert read(store, location, 100, 50) == DATA[100:150]


def test_size_when_the_object_is_empty_is_zero(web, store):
    web.objects["/empty"] = b""
    assert store.size(CTX, Location(url=web.url("/empty"), store="http")) == 0


@pytest.mark.parametrize(("status", "error"), [(404, errors.LocationNotFound), (410, errors.LocationNotFound)])
def test_object_when_gone_is_not_found(web, store, status, error):
    location = served(web, lambda handler, _data: handler.answer(status, {"Content-Length": 0}))
    for ask in (store.open, store.size):
        with pytest.raises(error):
            ask(CTX, location)


@pytest.mark.parametrize("status", [201, 204, 304, 400, 401, 403, 416, 429, 500, 503])
def test_object_when_the_server_answers_otherwise_is_unavailable(web, store, status):
    location = served(web, lambda handler, _data: handler.answer(status, {"Content-Length": 0}))
    for ask in (store.open, store.size):
        with pytest.raises(errors.StoreUnavailable):
            ask(CTX, location)


def without_length(handler, data):
    handler.answer(200, {"Connection": "close"}, data)
    handler.close_connection = True


def compressed(handler, data):
    handler.answer(200, {"Content-Encoding": "gzip", "Content-Length": len(data)}, data)


def two_lengths(handler, data):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.send_header("Content-Length", "5")
    handler.end_headers()
    handler.wfile.write(data)


def garbage(handler, _data):
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")
    handler.close_connection = True


@pytest.mark.parametrize("behaviour", [without_length, compressed, two_lengths, garbage])
def test_object_when_its_size_cannot_be_known_is_unavailable(web, store, behaviour):
    location = served(web, behaviour)
    for ask in (store.open, store.size):
        with pytest.raises(errors.StoreUnavailable):
            ask(CTX, location)


def cut_body(handler, data):
    handler.answer(200, {"Content-Length": len(data), "Connection": "close"}, data[:-1])
    handler.close_connection = True


def cut_chunked_body(handler, data):
    handler.answer(200, {"Transfer-Encoding": "chunked", "x-image-meta-size": len(data)}, b"%x\r\n%s" % (len(data), data[:-1]))
    handler.close_connection = True


def short_chunked_body(handler, data):
    handler.answer(200, {"Transfer-Encoding": "chunked", "x-image-meta-size": len(data)}, b"5\r\n%s\r\n0\r\n\r\n" % data[:5])


def stalled_body(handler, data):
    handler.answer(200, {"Content-Length": len(data)}, data[:-1])
    handler.rfile.read(1)


@pytest.mark.parametrize("behaviour", [cut_body, cut_chunked_body, short_chunked_body, stalled_body])
def test_body_when_shorter_than_announced_ends_with_an_error(web, behaviour):
    blob = local_store(read_timeout=0.5).open(CTX, served(web, behaviour))
    assert blob.length == len(DATA)
    with pytest.raises(errors.StoreUnavailable):
        list(blob)
    blob.close()


@pytest.mark.parametrize("content_range", ["bytes 0-49/1000", "bytes 100-120/1000", "bytes 100-149/*", "bytes */1000", "", "items 100-149/1000"])
def test_part_when_not_the_one_asked_for_is_refused(web, store, content_range):
    location = served(web, lambda handler, data: handler.answer(206, {"Content-Range": content_range, "Content-Length": 50}, data[100:150]))
    with pytest.raises(errors.StoreUnavailable):
        store.open(CTX, location, 100, 50)


def test_part_when_nothing_was_asked_for_is_refused(web, store):
    location = served(web, lambda handler, data: handler.answer(206, {"Content-Range": "bytes 0-49/1000", "Content-Length": 50}, data[:50]))
    with pytest.raises(errors.StoreUnavailable):
        store.open(CTX, location)


def test_open_asks_for_the_bytes_themselves_and_for_nothing_else(web, store):
    web.objects["/it"] = DATA
    read(store, Location(url=web.url("/it"), store="http"), 5, 10)
    ((method, path, headers),) = web.requests
    assert (method, path) == ("GET", "/it")
    assert headers["Range"] == "bytes=5-14"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Host"] == f"127.0.0.1:{web.server_port}"


def test_source_when_refused_is_said_at_registration_and_not_to_readers(web, caplog):
    store = HttpStore("http", Egress(EgressSettings()))
    location = Location(url=web.url("/it"), store="http")
    with pytest.raises(errors.SourceRefused):
        store.size(CTX, location)
    with pytest.raises(errors.StoreUnavailable) as caught:
        store.open(CTX, location)
    assert location.url not in f"{caught.value} {caplog.text}"
    assert "allowed_source_networks" in caplog.text
    assert web.requests == []


def test_body_when_large_is_read_in_bounded_pieces(web, store):
    data = noise(8 * MIB)
    web.objects["/large"] = data
    blob = store.open(CTX, Location(url=web.url("/large"), store="http"))
    chunks = list(blob)
    blob.close()
    assert b"".join(chunks) == data
    assert max(len(chunk) for chunk in chunks) <= MIB
