"""glance.client over real sockets, against a scripted server: requests, data in both directions, errors."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from glance.client import Client
from glance.common import exception
from tests.compat.scripted import DATA, TIMEOUT, Pipe, Reply, Server, reply, serving

UUID = "11111111-2222-4333-8444-555555555555"

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


def closed() -> io.BytesIO:
    source = io.BytesIO(DATA)
    source.close()
    return source


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Shrinking(DATA), "ended 50000 bytes too early"),
        (Broken(DATA), "disk on fire"),
        (closed(), "closed file"),
        (io.StringIO("text"), "binary mode"),
    ],
    ids=["shrinking", "broken", "closed", "text file"],
)
def test_upload_when_the_source_fails_then_bad_input_and_the_connection_closes(server: Server, source: Any, message: str) -> None:
    server.replies = [reply({"image": {}}, 201)]
    with pytest.raises(exception.BadInputError, match=message):
        server.client().add_image(None, source)
    assert server.closed.wait(TIMEOUT)


@pytest.mark.parametrize("data", [3, [b"a"], bytearray(b"a")])
def test_upload_when_the_data_are_nothing_to_read_then_bad_input_and_nothing_is_sent(server: Server, data: Any) -> None:
    with pytest.raises(exception.BadInputError, match=f"Image data must be bytes, text or something with read, not {type(data).__name__}"):
        server.client().add_image(None, data)
    assert server.requests == []


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
    with pytest.raises(exception.ClientConnectionError, match=r"Unable to connect to server\. Got error: .*refused"):
        client.get_images()
