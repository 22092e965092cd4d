"""The client against registries that are absent, silent, confused or secured."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import webob

from glance import errors
from glance.context import RequestContext
from glance.model.image import ImageQuery
from glance.registry.client import HttpRegistry, connect
from glance.registry.connections import IDLE_TIMEOUT, PoolTransport, RegistryClientSettings
from glance.registry.server import RegistryApp
from glance.testing.wsgi_transport import WsgiTransport
from tests.certificates import certificate, issue, with_pass_phrase
from tests.unit.registry.recorder import IMAGE

__all__ = ["certificate"]

CTX = RequestContext(project="t1")


def reply(document: object, status: str = "200 OK") -> bytes:
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


IMAGES = reply({"images": []})
CHUNKS = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6;x=y\r\n{"imag\r\nA\r\nes": [   ]\r\n1\r\n}\r\n0\r\n\r\n'
Answer = bytes | str | Callable[[], bytes] | None


class Peer(socketserver.ThreadingTCPServer):
    """Answers requests with ``replies``, one after the other; None: hangs up instead, "wait": says nothing until the end; what a function gives.

    With ``brief`` every connection is closed after its first answer, without a word; with ``rude`` the first one once a client has greeted.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, replies: list[Answer], tls: ssl.SSLContext | None = None, *, brief: bool = False, rude: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.replies = iter(replies)
        self.tls = tls
        self.brief = brief
        self.rude = rude
        self.closed = threading.Event()
        self.connections = 0
        self.requests: list[str] = []
        self.ended = threading.Event()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def get_request(self):
        connection, address = super().get_request()
        if self.rude:
            self.rude = False
            connection.recv(64 * 1024)
            connection.close()
            raise ConnectionAbortedError("rude")
        return self.tls.wrap_socket(connection, server_side=True) if self.tls else connection, address

    def shutdown_request(self, request) -> None:
        super().shutdown_request(request)
        self.closed.set()

    def handle_error(self, request, client_address) -> None:
        """A client that leaves is what some tests are about."""


class Conversation(socketserver.StreamRequestHandler):
    server: Peer

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def handle(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while (header := self.rfile.readline()) not in {b"\r\n", b""}:
                if header.lower().startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            self.rfile.read(length)
            self.server.requests.append(line.decode().rsplit(" ", 1)[0])
            answer = next(self.server.replies)
            if callable(answer):
                answer = answer()
            if answer is None:
                return
            if answer == "wait":
                self.server.ended.wait(30)
                return
            self.wfile.write(answer)
            if self.server.brief:
                return


@pytest.fixture
def serve() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def serve(*replies: Answer, **options: object) -> Peer:
        peer = Peer(list(replies), **options)
        peers.append(peer)
        threading.Thread(target=peer.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return peer

    yield serve
    for peer in peers:
        peer.ended.set()
        peer.shutdown()
        peer.server_close()


@pytest.fixture
def client() -> Iterator[Callable[..., HttpRegistry]]:
    made: list[HttpRegistry] = []

    def client(peer: Peer, **settings: object) -> HttpRegistry:
        made.append(connect(RegistryClientSettings(**{"port": peer.port, "timeout": 10.0} | settings)))
        return made[-1]

    yield client
    for one in made:
        one.close()


def test_client_when_made_opens_no_connection_and_then_keeps_one(serve, client):
    peer = serve(IMAGES, IMAGES, IMAGES)
    registry = client(peer)
    assert peer.connections == 0
    for _ in range(3):
        assert registry.images.list(CTX, ImageQuery()) == []
    assert (peer.connections, len(peer.requests)) == (1, 3)


def test_client_when_nobody_listens_raises_without_telling_where_or_what(serve, client, caplog):
    peer = serve()
    peer.server_close()
    with caplog.at_level(logging.WARNING, "glance"), pytest.raises(errors.RegistryUnavailable):
        client(peer, secret="sesame").images.get(CTX, IMAGE.id)
    assert "ConnectionRefusedError" in caplog.text
    assert "sesame" not in caplog.text
    assert "sesame" not in repr(RegistryClientSettings(secret="sesame"))


#: Prints how often a registry was connected to that does not answer at the port that the argument is.
CONNECTS = """
import sys
from glance import errors
from glance.context import RequestContext
from glance.model.image import ImageQuery
from glance.registry.client import RegistryClientSettings, connect

seen = []
registry = connect(RegistryClientSettings(port=int(sys.argv[1])))
sys.addaudithook(lambda event, _arguments: seen.append(event) if event == "socket.connect" else None)
try:
    registry.images.list(RequestContext(), ImageQuery())
except errors.RegistryUnavailable:
    print(len(seen))
"""


def test_registry_when_it_refuses_connections_is_not_asked_again():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = subprocess.run([sys.executable, "-c", CONNECTS, str(port)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n"


def test_read_when_the_registry_hangs_up_is_tried_once_more(serve, client):
    peer = serve(None, IMAGES)
    assert client(peer).images.list(CTX, ImageQuery()) == []
    assert len(peer.requests) == 2


def test_read_when_the_registry_over_tls_hangs_up_before_a_word_is_tried_once_more(serve, client, certificate, tls):
    peer = serve(IMAGES, tls=tls, rude=True)
    assert client(peer, protocol="https", ca_file=str(certificate.public)).images.list(CTX, ImageQuery()) == []
    assert len(peer.requests) == 1


def test_read_when_the_registry_keeps_hanging_up_raises(serve, client):
    peer = serve(None, None, IMAGES)
    with pytest.raises(errors.RegistryUnavailable):
        client(peer).images.list(CTX, ImageQuery())
    assert len(peer.requests) == 2


def test_write_when_the_registry_hangs_up_is_not_tried_again(serve, client):
    peer = serve(None, reply({}))
    with pytest.raises(errors.RegistryUnavailable):
        client(peer).images.delete(CTX, IMAGE.id)
    assert peer.requests == [f"DELETE /images/{IMAGE.id}"]


def test_write_when_an_idle_connection_was_closed_uses_a_new_one(serve, client):
    peer = serve(*[reply({"held": True})] * 2, brief=True)
    registry = client(peer)
    assert registry.uploads.abandon(IMAGE.id, "attempt", "killed")
    assert peer.closed.wait(10)
    assert registry.uploads.abandon(IMAGE.id, "attempt", "killed")
    assert (peer.connections, len(peer.requests)) == (2, 2)


def test_answer_when_it_is_the_last_of_its_connection_then_the_next_request_takes_another(serve, client):
    last = b'HTTP/1.1 200 OK\r\nConnection: X-Other, Close\r\nContent-Length: 14\r\n\r\n{"images": []}'
    peer = serve(last, IMAGES, IMAGES)
    registry = client(peer)
    assert [registry.images.list(CTX, ImageQuery()) for _ in range(3)] == [[], [], []]
    assert peer.connections == 2


def test_connection_when_nobody_needs_it_for_long_then_it_is_closed(serve):
    both_are_asked = threading.Barrier(2)

    def answer_when_both_are_asked() -> bytes:
        both_are_asked.wait(30)
        return IMAGES

    peer, now = serve(answer_when_both_are_asked, answer_when_both_are_asked, *[IMAGES] * 3), [0.0]
    registry = HttpRegistry(PoolTransport(RegistryClientSettings(port=peer.port, timeout=30.0), clock=lambda: now[0]))
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: registry.images.list(CTX, ImageQuery()), range(2)))

    now[0] = IDLE_TIMEOUT
    registry.images.list(CTX, ImageQuery())
    assert not peer.closed.is_set()
    now[0] += 1
    registry.images.list(CTX, ImageQuery())
    assert peer.closed.wait(30)
    registry.images.list(CTX, ImageQuery())
    assert peer.connections == 2
    registry.close()


#: Asks a registry, in a child process too.
FORKS = """
import os, sys
from glance.context import RequestContext
from glance.model.image import ImageQuery
from glance.registry.client import RegistryClientSettings, connect

registry = connect(RegistryClientSettings(port=int(sys.argv[1])))
registry.images.list(RequestContext(), ImageQuery())
child = os.fork()
registry.images.list(RequestContext(), ImageQuery())
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_process_when_forked_after_a_request_then_it_opens_a_connection_of_its_own(serve):
    peer = serve(IMAGES, IMAGES, IMAGES)
    subprocess.run([sys.executable, "-W", "error", "-c", FORKS, str(peer.port)], timeout=60, check=True)
    assert (peer.connections, len(peer.requests)) == (2, 3)


def test_registry_when_silent_for_too_long_is_unavailable_and_not_asked_again(serve, client):
    peer = serve("wait", IMAGES)
    started = time.monotonic()
    with pytest.raises(errors.RegistryUnavailable):
        client(peer, timeout=0.3).images.list(CTX, ImageQuery())
    assert time.monotonic() - started < 5
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        reply({}),
        reply([]),
        reply(None),
        reply({"images": [{"size": "big"}]}),
        reply({"images": [{}]}),
        reply({"images": [{"id": "7"}]}),
        reply({"images": []}, "401 Unauthorized"),
        reply("moved", "302 Found\r\nLocation: http://127.0.0.1:1/"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 500 Oh no\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        IMAGES + b"x",
        IMAGES + IMAGES,
        IMAGES.replace(b"Length: 14", b"Length: 14\r\nContent-Length: 13"),
        IMAGES.replace(b"Length: 14", b"Length: 14\r\nTransfer-Encoding: chunked"),
        CHUNKS.replace(b"6;", b"-6;"),
    ],
)
def test_strange_answer_means_unavailable_and_is_not_asked_for_again(serve, client, answer):
    peer = serve(answer, answer)
    with pytest.raises(errors.RegistryUnavailable):
        client(peer).images.list(CTX, ImageQuery())
    assert len(peer.requests) == 1


def test_change_when_an_answer_of_no_content_comes_too_early_then_it_is_not_taken_for_done(serve, client):
    peer = serve(b"HTTP/1.1 100 Continue\r\n\r\n")
    with pytest.raises(errors.RegistryUnavailable):
        client(peer).uploads.renew(["attempt"])


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKS,
        b'HTTP/1.1 200 OK\r\n\r\n{"images": []}',
        b'HTTP/1.0 200 OK\r\nContent-Length: 14\r\n\r\n{"images": []}',
        b'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 14\r\n\r\n{"images": []}',
    ],
)
def test_answer_in_the_words_of_something_in_between_is_understood(serve, client, answer):
    peer = serve(answer, answer, brief=True)
    registry = client(peer)
    assert [registry.images.list(CTX, ImageQuery()) for _ in range(2)] == [[], []]
    assert peer.connections == 2


def test_answer_when_it_breaks_off_means_unavailable(serve, client):
    begun = [b"HTTP/1.1 200 OK\r\n", b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"images": []}', CHUNKS[:-1]]
    for answer in begun:
        peer = serve(answer, answer, brief=True)
        with pytest.raises(errors.RegistryUnavailable):
            client(peer).images.list(CTX, ImageQuery())
        assert len(peer.requests) == 2


def test_answer_when_it_comes_in_pieces_is_understood(serve, client):
    body = b'{"images": []}'
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    peer = serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + pieces + b"0\r\n\r\n")
    assert client(peer).images.list(CTX, ImageQuery()) == []


def test_connections_when_all_are_in_use_then_the_next_waits_for_one(serve, client):
    peer = serve(*[IMAGES] * 40)
    registry = client(peer, connections=2)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: registry.images.list(CTX, ImageQuery()), range(40))) == [[]] * 40
    assert peer.connections <= 2


def test_connections_when_one_stays_in_use_for_too_long_then_unavailable(serve, client):
    peer = serve("wait")
    registry = client(peer, connections=1, timeout=0.3)
    with ThreadPoolExecutor(2) as pool:
        for asked in [pool.submit(registry.images.list, CTX, ImageQuery()) for _ in range(2)]:
            with pytest.raises(errors.RegistryUnavailable):
                asked.result()


def test_caller_when_its_name_has_a_line_end_then_nothing_is_sent(serve, client):
    peer = serve(IMAGES)
    with pytest.raises(errors.Invalid):
        client(peer).images.list(RequestContext(project="t1\r\nX-Glance-Admin: True"), ImageQuery())
    assert peer.connections == 0


def test_refused_secret_is_the_operators_trouble_not_the_callers(recorder, caplog):
    registry = HttpRegistry(WsgiTransport(RegistryApp(recorder, secret="sesame", default_limit=1, max_limit=1)), secret="other")
    with caplog.at_level(logging.WARNING, "glance.registry.client"), pytest.raises(errors.RegistryUnavailable) as caught:
        registry.images.get(CTX, IMAGE.id)
    [record] = [record for record in caplog.records if record.name == "glance.registry.client"]
    assert record.levelno == logging.ERROR
    assert "registry_shared_secret" in record.getMessage()
    assert "JSONDecodeError" not in "".join(traceback.format_exception(caught.value))


def test_unexpected_exception_behind_the_wire_is_an_error_without_details(recorder):
    recorder.answer = ZeroDivisionError("inner workings")
    registry = HttpRegistry(WsgiTransport(RegistryApp(recorder, secret=None, default_limit=1, max_limit=1)))
    with pytest.raises(errors.GlanceError) as caught:
        registry.images.get(CTX, IMAGE.id)
    assert type(caught.value) is errors.GlanceError


def test_error_of_the_registry_is_raised_again_with_class_and_details(recorder):
    recorder.answer = errors.MemberQuotaExceeded(attempted=129, maximum=128)
    registry = HttpRegistry(WsgiTransport(RegistryApp(recorder, secret=None, default_limit=1, max_limit=1)))
    with pytest.raises(errors.MemberQuotaExceeded) as caught:
        registry.members.put(CTX, IMAGE.id, [], replace=False, maximum=128)
    assert caught.value.details == {"attempted": 129, "maximum": 128}


def test_headers_carry_the_caller_as_utf8(serve):
    seen = {}

    def application(environ, start_response):
        seen.update(environ)
        return webob.Response(json_body={"images": []})(environ, start_response)

    HttpRegistry(WsgiTransport(application), "sésame").images.list(RequestContext(user="Jörg", project="東京"), ImageQuery())
    assert seen["HTTP_X_TENANT_ID"].encode("latin-1").decode() == "東京"
    assert seen["HTTP_X_USER_ID"].encode("latin-1").decode() == "Jörg"
    assert seen["HTTP_X_GLANCE_REGISTRY_SECRET"].encode("latin-1").decode() == "sésame"
    assert seen["HTTP_ACCEPT"] == "application/json"


@pytest.fixture
def tls(certificate) -> ssl.SSLContext:
    return certificate.server_context()


def test_registry_over_tls_is_verified_with_the_authority_given_and_its_connection_kept(serve, client, certificate, tls):
    peer = serve(IMAGES, IMAGES, IMAGES, tls=tls)
    registry = client(peer, protocol="https", ca_file=str(certificate.public))
    assert [registry.images.list(CTX, ImageQuery()) for _ in range(3)] == [[], [], []]
    assert peer.connections == 1


def test_registry_over_tls_when_unknown_is_not_spoken_to(serve, client, tls):
    peer = serve(IMAGES, tls=tls)
    with pytest.raises(errors.RegistryUnavailable):
        client(peer, protocol="https").images.list(CTX, ImageQuery())
    assert peer.requests == []


def test_registry_over_tls_with_insecure_is_not_verified(serve, client, tls):
    peer = serve(IMAGES, tls=tls)
    assert client(peer, protocol="https", insecure=True).images.list(CTX, ImageQuery()) == []


def test_registry_client_when_its_key_has_a_pass_phrase_then_nobody_is_asked_for_it(tmp_path):
    made = issue(tmp_path)
    settings = RegistryClientSettings(protocol="https", cert_file=str(made.public), key_file=str(with_pass_phrase(made.key)))
    with pytest.raises(errors.ConfigurationError, match="registry_client_key_file has a pass phrase"):
        connect(settings)


def test_registry_client_when_it_has_a_key_without_certificate_then_refused():
    with pytest.raises(errors.ConfigurationError, match="registry_client_key_file needs registry_client_cert_file"):
        connect(RegistryClientSettings(protocol="https", key_file="/k.pem"))


def test_registry_that_asks_for_a_certificate_is_shown_one(serve, client, certificate, tls):
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(certificate.public)
    files = {"ca_file": str(certificate.public), "cert_file": str(certificate.public), "key_file": str(certificate.key)}
    assert client(serve(IMAGES, tls=tls), protocol="https", **files).images.list(CTX, ImageQuery()) == []
    with pytest.raises(errors.RegistryUnavailable):
        client(serve(IMAGES, tls=tls), protocol="https", ca_file=str(certificate.public)).images.list(CTX, ImageQuery())
