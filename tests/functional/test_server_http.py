"""The server's HTTP, through raw sockets against one real process."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.server_process import Server, wait_until


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "file"
    path.write_bytes(bytes(range(256)) * 20_000)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Server]:
    with Server(
        tmp_path_factory.mktemp("server"),
        file=str(data),
        header_timeout=1,
        keepalive_timeout=2,
        client_socket_timeout=1,
        single_header_prefixes=["x-image-meta-"],
    ) as running:
        yield running


def put(path: str, body: bytes, headers: str = "") -> bytes:
    return f"PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def test_connection_when_kept_alive_then_serves_many_requests(server: Server) -> None:
    with server.connect() as client:
        for number in range(5):
            body = b"x" * number
            client.send(put("/echo", body))
            assert client.answer()[::2] == (200, body)


def test_requests_when_pipelined_then_answered_in_order(server: Server) -> None:
    with server.connect() as client:
        client.send(put("/echo", b"one") + put("/ignore", b"GET /secret HTTP/1.1\r\n\r\n") + b"\r\n" + put("/echo", b"three"))
        assert [client.answer()[::2] for _ in range(3)] == [(200, b"one"), (401, b"no"), (200, b"three")]


@pytest.mark.parametrize("pause", [0, 0.1])
def test_empty_line_when_it_follows_a_body_then_ignored(server: Server, pause: float) -> None:
    with server.connect() as client:
        for _ in range(3):
            client.send(put("/echo", b"one") + b"\r\n")
            time.sleep(pause)
            assert client.answer()[0] == 200


def test_answer_when_framed_then_as_the_client_can_read_it(server: Server) -> None:
    status, headers, body = server.ask(b"GET /bare HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (status, headers["transfer-encoding"], body) == (200, "chunked", b"onetwo")
    status, headers, body = server.ask(b"GET /bare HTTP/1.0\r\n\r\n")
    assert (status, headers["connection"], body) == (200, "close", b"onetwo")
    assert "transfer-encoding" not in headers
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", headers["date"])


@pytest.mark.parametrize("path", ["/hello", "/bare", "/endless", "/download", "/long", "/short"])
def test_head_request_when_answered_then_no_body_follows(server: Server, path: str) -> None:
    with server.connect() as client:
        client.send(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() + put("/echo", b"next"))
        assert client.answer(bodyless=True)[0] == 200
        assert client.answer()[2] == b"next"


def test_options_of_the_whole_server_when_asked_then_the_application_is_not(server: Server) -> None:
    with server.connect() as client:
        client.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + put("/echo", b"next"))
        status, headers, body = client.answer()
        assert (status, headers["allow"], headers["content-length"], body) == (200, "GET, HEAD, POST, PUT, DELETE, OPTIONS", "0", b"")
        assert client.answer()[2] == b"next"


def test_no_content_when_the_application_sends_a_body_then_dropped(server: Server) -> None:
    with server.connect() as client:
        client.get("/empty")
        client.get()
        status, headers, _ = client.answer()
        assert status == 204
        assert "content-length" not in headers
        assert client.answer()[0] == 200


@pytest.mark.parametrize(("path", "headers"), [("/hello", "Connection: close\r\n"), ("/closing", "")])
def test_close_when_either_side_asks_then_announced_and_done(server: Server, path: str, headers: str) -> None:
    with server.connect() as client:
        client.get(path, headers)
        assert client.answer()[1]["connection"] == "close"
        assert client.ended()


def test_answer_when_shorter_than_declared_then_the_connection_is_cut(server: Server) -> None:
    with server.connect() as client:
        client.get("/short")
        with pytest.raises(EOFError):
            client.answer()


def test_answer_when_longer_than_declared_then_cut_off(server: Server) -> None:
    with server.connect() as client:
        client.get("/long")
        assert client.answer()[2] == b"123"
        client.get()
        assert client.answer()[0] == 200


def test_application_when_it_raises_then_500_and_no_secret_in_the_log(server: Server) -> None:
    status, _, body = server.ask(b"GET /fail HTTP/1.1\r\nHost: a\r\nX-Secret: 53cr3t\r\n\r\n")
    assert (status, body) == (500, b"The server could not carry out the request.\n")
    server.await_log("GET '/fail' failed: ValueError")
    assert "53cr3t" not in server.log


def test_header_when_the_application_splits_it_then_500(server: Server) -> None:
    status, headers, _ = server.ask(b"GET /split HTTP/1.1\r\nHost: a\r\n\r\n")
    assert status == 500
    assert "set-cookie" not in headers


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nX-A: " + b"a" * 9000, 431),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
        (b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: more\r\n\r\n", 417),
    ],
)
def test_head_when_refused_then_answered_with_the_cause_and_closed(server: Server, request_bytes: bytes, status: int) -> None:
    with server.connect() as client:
        client.send(request_bytes)
        got, headers, body = client.answer()
        assert (got, headers["connection"], headers["content-type"]) == (status, "close", "text/plain; charset=UTF-8")
        assert body.endswith(b".\n")
        assert client.ended()


def test_environ_when_headers_have_underscores_then_only_the_prefix_keeps_them(server: Server) -> None:
    raw = b"GET /environ?a=%20 HTTP/1.1\r\nHost: h:1\r\nx-image-meta-disk_format: raw\r\nX_User_Id: root\r\n\r\n"
    environ = json.loads(server.ask(raw)[2])
    expected = {"HTTP_X_IMAGE_META_DISK_FORMAT": "raw", "QUERY_STRING": "a=%20", "REMOTE_ADDR": "127.0.0.1", "SERVER_PORT": str(server.port)}
    assert expected.items() <= environ.items()
    assert not [name for name in environ if "USER_ID" in name]


def test_body_when_100_is_expected_then_asked_for_only_if_read(server: Server) -> None:
    head = "Expect: 100-continue\r\n"
    with server.connect() as client:
        client.send(put("/echo", b"", head).replace(b"Length: 0", b"Length: 3"))
        assert client.answer()[0] == 100
        client.send(b"abc")
        assert client.answer()[2] == b"abc"
        client.send(put("/ignore", b"", head).replace(b"Length: 0", b"Length: 3"))
        status, headers, _ = client.answer()
        assert (status, headers["connection"]) == (401, "close")
        assert client.ended()


def test_body_when_the_client_ends_early_then_an_error_reaches_the_application(server: Server) -> None:
    with server.connect() as client:
        client.send(put("/echo", b"12345").replace(b"Length: 5", b"Length: 10"))
        client.sock.shutdown(1)
        status, headers, _ = client.answer()
        assert (status, headers["x-cause"], headers["connection"]) == (400, "client-disconnected", "close")


def test_body_when_its_chunks_break_then_400_and_closed(server: Server) -> None:
    with server.connect() as client:
        client.send(b"PUT /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0x5\r\nhello\r\n0\r\n\r\n")
        status, headers, body = client.answer()
        assert (status, headers["connection"]) == (400, "close")
        assert body == b"Client disconnected before sending all data to backend\n"
        assert client.ended()


def test_body_when_chunked_then_the_next_request_follows_its_trailers(server: Server) -> None:
    with server.connect() as client:
        client.send(
            b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-T: GET / HTTP/1.1\r\n\r\n" + put("/echo", b"next")
        )
        assert client.answer()[2] == b"ab"
        assert client.answer()[2] == b"next"


def test_unread_body_when_large_then_closed_and_never_taken_for_a_request(server: Server) -> None:
    with server.connect() as client:
        client.send(put("/ignore", b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n" * 5000))
        status, headers, body = client.answer()
        assert (status, headers["connection"], body) == (401, "close", b"no")
        assert client.ended()


def test_body_when_it_drips_then_the_request_ends(server: Server) -> None:
    with server.connect() as client:
        client.send(put("/echo", b"").replace(b"Length: 0", b"Length: 1000"))
        started = time.monotonic()
        for _ in range(12):
            client.send(b"x")
            time.sleep(0.1)
        assert client.answer()[0] == 400
        assert time.monotonic() - started < 5


def test_head_when_it_drips_then_closed_in_time_while_others_are_served(server: Server) -> None:
    clients = [server.connect() for _ in range(100)]
    started = time.monotonic()
    for client in clients:
        client.send(b"GET / HT")
    while time.monotonic() - started < 0.7:
        asked = time.monotonic()
        server.get()
        assert time.monotonic() - asked < 5
        for client in clients:
            client.send(b"T")
        time.sleep(0.05)
    for client in clients:
        with client:
            assert client.answer()[0] == 408
    assert time.monotonic() - started < 10


def test_idle_connection_when_nothing_is_asked_then_closed_after_its_time(server: Server) -> None:
    with server.connect() as client:
        started = time.monotonic()
        client.get()
        client.answer()
        assert client.ended()
        assert 1.5 < time.monotonic() - started < 10


@pytest.mark.parametrize("first", [0, 1, 5_000_000])
def test_file_when_returned_from_a_position_then_sent_from_there(server: Server, data: Path, first: int) -> None:
    with server.connect() as client:
        client.get(f"/download?{first}")
        assert client.answer()[2] == data.read_bytes()[first:]
        client.get()
        assert client.answer()[0] == 200


def test_answer_when_the_client_never_reads_then_given_up_and_memory_stays(server: Server) -> None:
    before = server.memory()
    with server.connect() as client:
        client.get("/endless")
        wait_until(lambda: '"GET /endless HTTP' in server.log or '"GET /endless" 200' in server.log, "the end of the answer")
    assert server.memory() - before < 32 << 20


def test_access_log_when_a_request_ends_then_one_line_tells_about_it(server: Server) -> None:
    server.get("/hello?" + "%0a" * 1000)
    server.await_log("/hello?%0a")
    line = next(line for line in server.log.splitlines() if "/hello?%0a" in line)
    assert re.fullmatch(r'INFO glance\.access 127\.0\.0\.1 "GET /hello\?[%0a]{2041}" 200 \d+ \d+\.\d+ req-1', line), line[-100:]


def test_uploads_when_200_come_slowly_at_once_then_all_succeed_and_memory_stays_flat(server: Server) -> None:
    clients = [server.connect() for _ in range(200)]
    piece = bytes(32 * 1024)
    before = server.memory()
    for client in clients:
        client.send(put("/count", b"").replace(b"Length: 0", b"Length: %d" % (8 * len(piece))))
    peak = 0
    for _ in range(8):
        for client in clients:
            client.send(piece)
        peak = max(peak, server.memory())
        time.sleep(0.1)
    for client in clients:
        with client:
            assert client.answer()[::2] == (200, str(8 * len(piece)).encode())
    assert peak - before < 64 << 20


def test_threads_when_fewer_than_requests_then_the_others_wait_and_are_served(tmp_path: Path) -> None:
    with Server(tmp_path, threads=2) as small:
        answers: list[bytes] = []
        threads = [threading.Thread(target=lambda: answers.append(small.get("/slow"))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 6
