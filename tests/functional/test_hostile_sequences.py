"""Attacks of several steps, or against the server's patience: half uploads, smuggled requests, slow clients."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import parse_all, request_bytes

if TYPE_CHECKING:
    from conftest import Target

MIB = 1024 * 1024
UPLOAD = ("x-image-meta-disk_format: raw", "x-image-meta-container_format: bare", "Content-Type: application/octet-stream")


def get(path: str, *headers: str | bytes) -> bytes:
    return request_bytes(f"GET {path} HTTP/1.1", *headers)


def post(*headers: str | bytes, body: bytes = b"", close: bool = True) -> bytes:
    return request_bytes("POST /v1/images HTTP/1.1", *headers, body=body, close=close)


def leftovers(glance: Glance, image_id: str) -> list[Path]:
    return [path for path in glance.images.iterdir() if image_id in path.name]


def is_killed(glance: Glance, image_id: str) -> bool:
    return glance.request("HEAD", f"/v1/images/{image_id}").header("x-image-meta-status") == "killed"


def test_g05_line_break_in_a_value_never_reaches_an_answers_head(target: Target) -> None:
    """v1 has no way to store one: percent-encoded text must stay as it is."""
    created = target.glance.raw_answers(post("x-image-meta-property-p: a%0d%0aSet-Cookie: x=1"))[0]
    assert created.status == 201

    head = target.glance.request("HEAD", f"/v1/images/{created.json['image']['id']}")

    assert head.header("Set-Cookie") is None
    assert head.header("x-image-meta-property-p") == "a%0d%0aSet-Cookie: x=1"


def test_g11_identity_header_with_underscores_is_dropped(trusted_glance: Glance) -> None:
    spoofed = ("X_Identity_Status: Confirmed", "X_User_Id: u", "X_Tenant_Id: t1", "X_Roles: admin")

    assert trusted_glance.raw_answers(get("/v1/images", *spoofed))[0].status == 401


def test_g12_utf_8_name_is_kept(target: Target) -> None:
    answer = target.glance.request("POST", "/v1/images", {"x-image-meta-name": "カフェ é e\u0301"})

    assert answer.json["image"]["name"] == "カフェ é e\u0301"
    assert target.glance.request("HEAD", f"/v1/images/{answer.json['image']['id']}").header("x-image-meta-name") == "カフェ é e\u0301"


def test_g17_many_tiny_chunks_are_stored_correctly(target: Target) -> None:
    body = b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n"

    answer = target.glance.raw_answers(post(*UPLOAD, "Transfer-Encoding: chunked", body=body))[0]

    assert (answer.status, answer.json["image"]["size"]) == (201, 100_000)


@pytest.mark.parametrize("half", [True, False], ids=["half-closed", "closed"])
def test_g18_body_that_ends_early_leaves_nothing(target: Target, half: bool) -> None:
    image_id = str(uuid.uuid4())
    data = post(*UPLOAD, f"x-image-meta-id: {image_id}", f"Content-Length: {10 * MIB}", body=b"a" * MIB)
    if half:
        assert [answer.status for answer in target.glance.raw_answers(data, half_close=True)] == [400]
    else:
        with target.glance.connect() as connection:
            connection.sendall(data)

    wait_until(lambda: is_killed(target.glance, image_id), "the upload to be given up")
    assert leftovers(target.glance, image_id) == []


def test_g19_bytes_after_a_short_length_are_another_request_bytes(target: Target) -> None:
    second = get("/v1/images?limit=0")

    answers = target.glance.raw_answers(post(*UPLOAD, "Content-Length: 3", body=b"abc" + second, close=False))

    assert (answers[0].status, answers[0].json["image"]["size"]) == (201, 3)
    assert [answer.status for answer in answers[1:]] in ([200], [400], [])


def test_g31_length_and_chunks_never_give_two_answers(target: Target) -> None:
    hidden = get("/v1/images/detail")
    data = post(*UPLOAD, "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + hidden, close=False)

    assert [answer.status for answer in target.glance.raw_answers(data)] == [400]


def test_g32_trace_does_not_echo(target: Target) -> None:
    answer = target.glance.raw_answers(request_bytes("TRACE /v1/images HTTP/1.1", "X-Auth-Token: very-secret"))[0]

    assert b"very-secret" not in answer.body


@pytest.mark.parametrize(
    "headers", [("X-Forwarded-Host: evil.example",), ("X-Forwarded-Proto: https",), ("Forwarded: host=evil.example",)], ids=lambda one: one[0]
)
def test_g34_forwarded_headers_of_a_stranger_are_not_believed(target: Target, headers: tuple[str, ...]) -> None:
    answer = target.glance.raw_answers(get("/versions", *headers))[0]

    assert answer.status == 200
    assert {one["links"][0]["href"] for one in answer.json["versions"]} == {"http://glance/v1/", "http://glance/v2/"}


def test_g35_location_never_points_elsewhere(target: Target) -> None:
    for path in ("//evil.example/v1", "/v1//evil.example", "/%2F%2Fevil.example"):
        for answer in target.glance.raw_answers(get(path)):
            location = answer.header("Location")
            assert location is None or location.startswith("http://glance/")


def test_g41_request_after_an_error_with_unread_body_is_never_parsed_from_the_body(target: Target) -> None:
    body = get("/v1/images/detail") * 1000
    data = request_bytes(
        "POST /v1/images HTTP/1.1", "x-image-meta-bogus: 1", f"Content-Length: {len(body)}", body=body + get("/v1/images?limit=0"), close=False
    )

    statuses = [answer.status for answer in target.glance.raw_answers(data)]

    assert statuses in ([400], [400, 200])


def test_g48_line_breaks_and_escapes_in_a_path_stay_one_log_line(target: Target) -> None:
    target.glance.raw(get("/v1/images/x%0a2026-11-20 ERROR forged", "User-Agent: a"))
    target.glance.raw(get("/v1/images/x%0a2026-11-20%20ERROR%20forged%1b%5b31m", f"User-Agent: {'a' * 7000}"))

    lines = [line for path in (target.glance.directory / "log").iterdir() for line in path.read_text(errors="replace").splitlines()]

    assert not [line for line in lines if line.startswith("2026-11-20 ERROR forged")]
    assert max(map(len, lines), default=0) < 4096


def test_g45_image_of_another_project_is_answered_like_one_that_does_not_exist(trusted_glance: Glance) -> None:
    identity = {"X-Identity-Status": "Confirmed", "X-User-Id": "u", "X-Roles": "member"}
    owner, stranger = {**identity, "X-Tenant-Id": "b"}, {**identity, "X-Tenant-Id": "a"}
    real = trusted_glance.request("POST", "/v1/images", {**owner, "x-image-meta-name": "secret"}).json["image"]["id"]
    random = str(uuid.uuid4())

    def seen(image_id: str) -> list[tuple[int, str, list[str]]]:
        calls = [(method, f"/v1/images/{image_id}") for method in ("GET", "HEAD", "PUT", "DELETE")]
        calls += [("GET", f"/v1/images/{image_id}/members"), ("PUT", f"/v1/images/{image_id}/members/x")]
        calls += [("DELETE", f"/v1/images/{image_id}/members/x"), ("GET", f"/v1/images?marker={image_id}")]
        answers = [trusted_glance.request(method, path, stranger) for method, path in calls]
        return [(one.status, one.text.replace(image_id, "ID"), sorted(name for name, _ in one.headers)) for one in answers]

    assert seen(real) == seen(random)
    taken = trusted_glance.request("POST", "/v1/images", {**stranger, "x-image-meta-id": real})
    assert taken.status == 409
    assert "secret" not in taken.text


def test_forged_methods_on_all_paths_never_crash(target: Target) -> None:
    paths = (
        "/",
        "/versions",
        "/v1",
        "/v1/",
        "/v1/images",
        "/v1/images/detail",
        f"/v1/images/{uuid.uuid4()}",
        "/v1/shared-images/x",
        "/images",
        "/x",
        "*",
        "",
    )
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"):
        for path in paths:
            data = target.glance.raw(request_bytes(f"{method} {path} HTTP/1.1", "Content-Length: 0"))
            for answer in parse_all(data, to_head=method == "HEAD"):
                target.check_silent(answer)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    """A service that waits seconds where others wait a minute."""
    options = {"header_timeout": 2, "client_socket_timeout": 2, "keepalive_timeout": 2, "image_size_cap": 16 * MIB}
    with Glance(tmp_path_factory.mktemp("impatient"), api_options={"DEFAULT": options}) as running:
        yield running


def closed_by_server(connection: socket.socket, seconds: float = 30) -> bool:
    """Reads until the end; False when the connection is still open after so many seconds."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            connection.settimeout(end - time.monotonic())
            if not connection.recv(65536):
                return True
    except ConnectionError:
        return True
    except TimeoutError:
        pass
    return False


def test_g13_slow_heads_are_cut_off_while_others_are_served(impatient: Glance) -> None:
    with ExitStack() as opened:
        connections = [opened.enter_context(impatient.connect()) for _ in range(300)]
        for connection in connections:
            connection.sendall(b"GET /v1/images HTTP/1.1\r\nX-")

        assert impatient.request("GET", "/v1/images", timeout=10).status == 200
        for connection in connections:
            assert closed_by_server(connection)


def test_g13_idle_connection_after_an_answer_is_closed(impatient: Glance) -> None:
    with impatient.connect() as connection:
        connection.sendall(request_bytes("GET /v1/images HTTP/1.1", close=False))
        assert closed_by_server(connection)


def test_g14_body_that_stalls_is_given_up(impatient: Glance) -> None:
    image_id = str(uuid.uuid4())
    with impatient.connect() as connection:
        connection.sendall(post(*UPLOAD, f"x-image-meta-id: {image_id}", "Content-Length: 1000", body=b"a"))
        assert closed_by_server(connection)
    wait_until(lambda: is_killed(impatient, image_id), "the upload to be given up")
    assert leftovers(impatient, image_id) == []


def test_g15_download_that_nobody_reads_is_given_up(impatient: Glance) -> None:
    headers = dict(line.split(": ") for line in UPLOAD)
    image_id = impatient.request("POST", "/v1/images", headers, bytes(16 * MIB)).json["image"]["id"]

    def downloads() -> int:
        return sum(path.endswith(image_id) for path in impatient.open_files())

    with ExitStack() as opened:
        for _ in range(20):
            client = opened.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((impatient.api_host, impatient.api_port))
            client.sendall(get(f"/v1/images/{image_id}"))
        wait_until(lambda: downloads() == 20, "the downloads to start")
        wait_until(lambda: downloads() == 0, "the downloads to be given up")


def test_g16_chunks_beyond_the_cap_are_refused_and_erased(impatient: Glance) -> None:
    image_id = str(uuid.uuid4())
    chunk = b"100000\r\n" + bytes(MIB) + b"\r\n"

    answers = impatient.raw_answers(post(*UPLOAD, f"x-image-meta-id: {image_id}", "Transfer-Encoding: chunked", body=chunk * 17))

    assert [answer.status for answer in answers] == [413]
    assert is_killed(impatient, image_id)
    assert leftovers(impatient, image_id) == []


def test_g16_declared_size_beyond_the_cap_is_refused_unread(impatient: Glance) -> None:
    answers = impatient.raw_answers(post(*UPLOAD, f"Content-Length: {17 * MIB}"))

    assert [answer.status for answer in answers] == [400]
