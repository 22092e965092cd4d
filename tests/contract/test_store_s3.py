"""The S3 driver against the suite of all stores and a real server: the S3 interface of Swift."""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import subprocess
import sys
import threading
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import boto3
import pytest
from swiftclient.client import Connection

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Store
from glance.model.image import Location
from glance.store.drivers.s3.endpoint import Endpoint
from glance.store.drivers.s3.parts import PARTS_HELD
from glance.store.drivers.s3.settings import S3StoreSettings
from glance.store.drivers.s3.store import S3Store
from glance.testing.servers import wait_until
from glance.testing.store_contract import BOUNDED, MIB, BrokenSource, ListedStoreContract, new_id, noise, pieces
from tests.http_front import Front, Handler
from tests.running import running
from tests.swift_server import SwiftServer

CTX = RequestContext()
BUCKET = "images"
PART = 5 * MIB


@pytest.fixture(scope="session")
def settings(swift_server: SwiftServer) -> S3StoreSettings:
    return S3StoreSettings(
        host=swift_server.url,
        bucket=BUCKET,
        keys=(swift_server.user, swift_server.key),
        addressing="path",
        create_bucket=True,
        large_object_size=PART,
        chunk_size=PART,
        connect_timeout=1,
        read_timeout=20,
    )


@pytest.fixture
def s3(settings: S3StoreSettings) -> Iterator[Any]:
    """Another client of the same server, to look behind the driver."""
    client = boto3.client(
        "s3", endpoint_url=settings.host, region_name="us-east-1", aws_access_key_id=settings.keys[0], aws_secret_access_key=settings.keys[1]
    )
    yield client
    client.close()


@pytest.fixture
def swift(swift_server: SwiftServer) -> Iterator[Connection]:
    """The same account, seen as Swift."""
    with contextlib.closing(Connection(swift_server.auth_url, swift_server.user, swift_server.key, auth_version="1")) as connection:
        yield connection


@pytest.fixture
def make(settings: S3StoreSettings) -> Iterator[Callable[..., S3Store]]:
    """Stores with other settings, closed after the test; not checked."""
    made: list[S3Store] = []

    def make(**changes: Any) -> S3Store:
        made.append(S3Store("s3", replace(settings, **changes)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def store(make: Callable[..., S3Store]) -> S3Store:
    store = make()
    store.check()
    return store


@pytest.fixture
def held(store: S3Store, s3: Any) -> Callable[[], Sequence[str]]:
    def held() -> Sequence[str]:
        objects = s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return [*(one["Key"] for one in objects), *(one["UploadId"] for one in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()))]

    return held


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def contents(store: Store, location: Location, offset: int = 0, length: int | None = None) -> bytes:
    with contextlib.closing(store.open(CTX, location, offset, length)) as blob:
        return b"".join(blob)


def test_remove_of_an_upload_when_it_has_gone_on_then_it_stays(store: S3Store, s3: Any) -> None:
    image_id = new_id()
    upload = {"Bucket": BUCKET, "Key": image_id, "UploadId": s3.create_multipart_upload(Bucket=BUCKET, Key=image_id)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=bytes(PART))
    [found] = [one for one in store.contents() if one.image_id == image_id]
    assert (found.kind, found.size, found.name) == ("partial", PART, f"{image_id}?uploadId={upload['UploadId']}")
    s3.upload_part(**upload, PartNumber=2, Body=bytes(PART))
    store.remove(found)
    assert len(s3.list_parts(**upload)["Parts"]) == 2
    s3.abort_multipart_upload(**upload)


class TestS3Store(ListedStoreContract):
    memory_bound = PARTS_HELD * PART + 8 * MIB  # 8: room that growing parts reserve, the suite's own chunks, and boto3

    @pytest.fixture
    def store(self, store: S3Store) -> S3Store:
        return store

    @pytest.fixture
    def held(self, held: Callable[[], Sequence[str]]) -> Callable[[], Sequence[str]]:
        return held

    @pytest.fixture
    def leave(self, s3: Any) -> Callable[[str], int]:
        def leave(image_id: str) -> int:
            s3.create_multipart_upload(Bucket=BUCKET, Key=image_id)
            upload_id = s3.create_multipart_upload(Bucket=BUCKET, Key=image_id)["UploadId"]
            s3.upload_part(Bucket=BUCKET, Key=image_id, UploadId=upload_id, PartNumber=1, Body=b"half")
            return 2

        return leave

    @pytest.fixture
    def put_foreign(self, s3: Any) -> Iterator[Callable[[str], None]]:
        names: list[str] = []

        def put(name: str) -> None:
            names.append(name)
            s3.put_object(Bucket=BUCKET, Key=name, Body=b"whatever")
            s3.create_multipart_upload(Bucket=BUCKET, Key=name)

        yield put
        for upload in s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
        for name in names:
            s3.delete_object(Bucket=BUCKET, Key=name)

    @pytest.fixture
    def failing(self, make: Callable[..., S3Store], settings: S3StoreSettings, closed_port: int, silent_port: int) -> Sequence[S3Store]:
        return [
            make(host=f"http://127.0.0.1:{closed_port}"),
            make(host=f"http://127.0.0.1:{silent_port}", read_timeout=0.5),
            make(keys=(settings.keys[0], "wrong")),
            make(keys=("nobody", "wrong")),
            make(bucket="no-such-bucket", create_bucket=False),
        ]

    @pytest.fixture
    def failing_reads(self, failing: Sequence[S3Store], settings: S3StoreSettings) -> Sequence[tuple[Store, Location]]:
        where = [one._settings for one in failing]
        return [
            (one, Location(url=f"s3+http://{at.host.removeprefix('http://')}/{at.bucket}/{new_id()}", store="s3"))
            for one, at in zip(failing, where, strict=True)
        ]

    @pytest.fixture
    def failing_adds(self, failing: Sequence[S3Store]) -> Sequence[tuple[Store, type[errors.GlanceError]]]:
        return [(one, errors.StoreUnavailable) for one in failing]


# Uploads


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("size", "parts"), [(PART - 1, 0), (PART, 0), (PART + 1, 2), (2 * PART, 2), (7 * PART + 3, 8)], ids=["under", "one", "over", "two", "many"]
)
def test_add_then_only_more_than_a_part_goes_up_in_parts(store: S3Store, s3: Any, size: int, parts: int, known: bool) -> None:
    data, image_id = noise(size), new_id()

    location = store.add(CTX, image_id, pieces(data, MIB), size if known else None)

    etag = s3.head_object(Bucket=BUCKET, Key=image_id)["ETag"].strip('"')
    assert etag.partition("-")[2] == (str(parts) if parts else "")
    assert contents(store, location) == data
    assert contents(store, location, size - 7, 3) == data[size - 7 : size - 4]
    store.delete(CTX, location)


@pytest.mark.parametrize("after", [0, 1, 8, 40], ids="{} MiB".format)
@pytest.mark.parametrize("error", [BrokenSource(), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_add_when_its_source_breaks_then_no_object_and_no_part_stay(
    store: S3Store, swift: Connection, held: Callable[[], Sequence[str]], after: int, error: BaseException
) -> None:
    def breaking() -> Iterator[bytes]:
        for _ in range(after):
            yield bytes(MIB)
        raise error

    before = held(), parts(swift)
    with pytest.raises(type(error)):
        store.add(CTX, new_id(), breaking(), 50 * MIB)

    assert (held(), parts(swift)) == before


def parts(swift: Connection) -> list[str]:
    """All that lies where Swift keeps parts. Those of deleted objects stay for a while, until its expirer comes."""
    swift.put_container(f"{BUCKET}+segments")
    return [one["name"] for one in swift.get_container(f"{BUCKET}+segments", full_listing=True)[1]]


def test_add_of_200_mib_then_memory_stays_flat(store: S3Store) -> None:
    tracemalloc.start()
    try:
        location = store.add(CTX, new_id(), (bytes(MIB) for _ in range(200)), None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    print(f"peak {peak / MIB:.1f} MiB for 200 MiB in parts of {PART // MIB} MiB")
    assert peak < TestS3Store.memory_bound
    assert store.size(CTX, location) == 200 * MIB
    store.delete(CTX, location)


@pytest.mark.parametrize("size", [4, PART + 1], ids=["at once", "in parts"])
def test_add_when_another_process_stores_the_same_id_meanwhile_then_it_stays(
    make: Callable[..., S3Store], store: S3Store, held: Callable[[], Sequence[str]], size: int
) -> None:
    other, image_id = make(), new_id()
    location = None

    def overtaken() -> Iterator[bytes]:
        nonlocal location
        yield from pieces(noise(size, 1), MIB)
        location = other.add(CTX, image_id, [noise(size, 2)], size)

    with pytest.raises(errors.ObjectExists):
        store.add(CTX, image_id, overtaken(), size)

    assert location is not None
    assert contents(store, location) == noise(size, 2)
    assert held().count(image_id) == 1
    store.discard(CTX, image_id)


def test_add_when_the_bucket_is_full_then_storage_full_and_nothing_stays(swift: Connection, make: Callable[..., S3Store], s3: Any) -> None:
    full = make(bucket="small")
    full.check()
    swift.post_container("small", {"X-Container-Meta-Quota-Bytes": str(MIB)})

    with pytest.raises(errors.StorageFull):
        full.add(CTX, new_id(), pieces(noise(2 * MIB)), 2 * MIB)

    assert "Contents" not in s3.list_objects_v2(Bucket="small")


def test_add_when_the_keys_only_read_then_write_denied(
    swift: Connection, swift_server: SwiftServer, store: S3Store, make: Callable[..., S3Store]
) -> None:
    swift.post_container(BUCKET, {"X-Container-Read": swift_server.reader})
    location = store.add(CTX, new_id(), [b"data"], 4)
    reader = make(keys=(swift_server.reader, swift_server.reader_key))

    assert contents(reader, location) == b"data"
    for size in (1, PART + 1):
        with pytest.raises(errors.StoreWriteDenied):
            reader.add(CTX, new_id(), pieces(bytes(size)), size)
    with pytest.raises(errors.StoreWriteDenied):
        reader.delete(CTX, location)
    assert contents(store, location) == b"data"


def test_discard_then_removes_the_object_and_unfinished_uploads_of_that_id_only(store: S3Store, s3: Any, held: Callable[[], Sequence[str]]) -> None:
    before = held()
    image_id = "half-of-an-image"
    kept = store.add(CTX, f"{image_id}-kept", [b"kept"], 4)
    store.add(CTX, image_id, [b"data"], 4)
    for key in (image_id, f"{image_id}-kept"):
        upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
        s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"part")

    store.discard(CTX, image_id)

    (left,) = s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    assert left["Key"] == f"{image_id}-kept"
    assert contents(store, kept) == b"kept"
    store.discard(CTX, f"{image_id}-kept")
    assert held() == before


# Buckets


def test_check_when_the_bucket_is_missing_then_says_so_or_makes_it(make: Callable[..., S3Store]) -> None:
    with pytest.raises(errors.ConfigurationError, match="s3_store_create_bucket_on_put"):
        make(bucket="made-at-start", create_bucket=False).check()

    store = make(bucket="made-at-start")
    store.check()
    make(bucket="made-at-start", create_bucket=False).check()
    assert contents(store, store.add(CTX, new_id(), [b"data"], 4)) == b"data"


@pytest.mark.parametrize("keys", [("test:tester", "wrong"), ("nobody", "testing")], ids=["secret", "access key"])
def test_check_when_the_keys_are_wrong_then_says_so_without_them(
    make: Callable[..., S3Store], caplog: pytest.LogCaptureFixture, keys: tuple[str, str]
) -> None:
    with pytest.raises(errors.ConfigurationError, match="access key, secret key, region") as caught:
        make(keys=keys).check()
    assert not any(key in f"{caught.value} {caplog.text}" for key in keys)


def test_read_when_the_bucket_is_gone_then_unavailable_not_missing(make: Callable[..., S3Store], s3: Any) -> None:
    store = make(bucket="soon-gone")
    store.check()
    location = store.add(CTX, new_id(), [b"data"], 4)
    store.delete(CTX, location)
    s3.delete_bucket(Bucket="soon-gone")

    for ask in (store.open, store.size, store.delete):
        with pytest.raises(errors.StoreUnavailable):
            ask(CTX, location)


@pytest.mark.parametrize("create", [True, False])
def test_bucket_when_the_server_does_not_answer_at_start_then_found_or_made_by_the_first_add(
    front: Front, make: Callable[..., S3Store], s3: Any, create: bool
) -> None:
    bucket = f"late-{create}".lower()
    store = make(host=front.url, bucket=bucket, create_bucket=create)
    front.answer = lambda _request: (503, {}, b"")
    for ask in (store.check, lambda: store.add(CTX, new_id(), [b"data"], 4)):
        with pytest.raises(errors.StoreUnavailable):
            ask()
    front.answer = lambda _request: None

    if not create:
        with pytest.raises(errors.StoreUnavailable):
            store.add(CTX, new_id(), [b"data"], 4)
        s3.create_bucket(Bucket=bucket)
    assert [contents(store, store.add(CTX, new_id(), [b"data"], 4)) for _twice in range(2)] == [b"data"] * 2
    assert front.seen.count(f"PUT /{bucket}") == int(create)


def test_bucket_when_it_cannot_be_made_once_the_service_runs_then_unavailable_and_logged(
    swift_server: SwiftServer, make: Callable[..., S3Store], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(errors.StoreUnavailable):
        make(bucket="of-a-reader", keys=(swift_server.reader, swift_server.reader_key)).add(CTX, new_id(), [b"data"], 4)
    assert "access key, secret key" in caplog.text


# Locations


@pytest.mark.parametrize("form", ["s3+{url}/{bucket}/x", "s3://KEY:se/cret@{host}/{bucket}/x", "s3+http://KEY:s@{host}/{bucket}/x"])
def test_recognizes_then_only_what_lies_in_its_bucket_and_asks_nobody(make: Callable[..., S3Store], closed_port: int, form: str) -> None:
    host = f"127.0.0.1:{closed_port}"
    store = make(host=f"http://{host}")

    def known(host: str = host, bucket: str = BUCKET) -> bool:
        return store.recognizes(Location(url=form.format(url=f"http://{host}", host=host, bucket=bucket), store="of old"))

    assert known()
    assert not known(bucket="other")
    assert not known(host="127.0.0.1:1")


def test_add_then_the_location_holds_no_keys(store: S3Store, settings: S3StoreSettings) -> None:
    image_id = new_id()
    assert store.add(CTX, image_id, [b""], 0) == Location(url=f"s3+{settings.host}/{BUCKET}/{image_id}", store="s3")


@pytest.mark.parametrize("form", ["s3://{keys}@{host}/{bucket}/{id}", "s3+http://{keys}@{host}/{bucket}/{id}", "s3+http://{host}/{bucket}/{id}"])
def test_classic_location_then_is_read_and_deleted_with_its_own_keys(
    swift_server: SwiftServer, settings: S3StoreSettings, store: S3Store, make: Callable[..., S3Store], form: str
) -> None:
    image_id = new_id()
    store.add(CTX, image_id, [b"classic"], 7)
    keys = f"{swift_server.user}:{swift_server.key}"
    location = Location(url=form.format(keys=keys, host=settings.host.removeprefix("http://"), bucket=BUCKET, id=image_id), store="s3")
    # The account of ``other`` has no such bucket: only the keys of the location reach it.
    reading = make(keys=(swift_server.other, swift_server.other_key)) if "keys" in form else store

    assert (contents(reading, location), contents(reading, location, 1, 3), reading.size(CTX, location)) == (b"classic", b"las", 7)
    reading.delete(CTX, location)
    with pytest.raises(errors.LocationNotFound):
        reading.size(CTX, location)


@pytest.mark.parametrize("form", ["s3://AKIA:s3cr/et@{}/b/i", "s3+http://{}/b/i", "s3+https://AKIA:s3cret@{}/b/i", "s3://127.0.0.1:1@{}/b/i"])
def test_location_on_another_host_then_refused_without_a_connection(store: S3Store, form: str, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.2)
        location = Location(url=form.format(f"127.0.0.1:{canary.getsockname()[1]}"), store="s3")
        for ask in (store.open, store.size, store.delete):
            with pytest.raises(errors.StoreUnavailable):
                ask(CTX, location)
        with pytest.raises(TimeoutError):
            canary.accept()
    assert "s3_store_host" in caplog.text
    assert "AKIA" not in caplog.text


@pytest.mark.parametrize(
    "rest", ["", "/", "/images", "/images/", "//id", "/images/id?versionId=1", "/images/%41", "/images/../id#", "/images/" + "a" * 37]
)
def test_location_that_names_no_image_then_not_found(store: S3Store, settings: S3StoreSettings, rest: str) -> None:
    with pytest.raises(errors.LocationNotFound):
        store.size(CTX, Location(url=f"s3+{settings.host}{rest}", store="s3"))


def test_endpoint_with_a_path_when_classic_then_is_the_same_place(make: Callable[..., S3Store], closed_port: int) -> None:
    store = make(host=f"http://127.0.0.1:{closed_port}/v1.0/")
    with pytest.raises(errors.StoreUnavailable):
        store.size(CTX, Location(url=f"s3://127.0.0.1:{closed_port}/v1.0/images/id", store="s3"))


# What nobody may learn


def test_logs_at_debug_then_hold_neither_keys_nor_signatures_nor_paths(
    store: S3Store, make: Callable[..., S3Store], settings: S3StoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    image_id = new_id()
    for size in (4, PART + 1):
        location = store.add(CTX, image_id, pieces(bytes(size)), size)
        assert len(contents(store, location)) == size
        store.delete(CTX, location)
    with pytest.raises(errors.StoreUnavailable):
        make(keys=("test:tester", "SENTINEL")).add(CTX, image_id, [b"data"], 4)

    for secret in (*settings.keys, "SENTINEL", "Signature", "AWS4", image_id, f"/{BUCKET}"):
        assert secret not in caplog.text
    assert "SENTINEL" not in f"{settings!r}{store!r}{location!r}"


def test_driver_without_boto3_then_says_what_to_install() -> None:
    code = "import sys; sys.modules['boto3'] = None; from glance.store.stores import load_driver; load_driver('s3')"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert "ConfigurationError: The store driver 's3' cannot be loaded: boto3 is not installed (pip install 'glance[s3]')" in done.stderr


# Servers that misbehave: a proxy in front of the real one


@pytest.fixture
def front(swift_server: SwiftServer) -> Iterator[Front]:
    with running(Front(swift_server.port)) as server:
        yield server


def is_last(request: Handler) -> bool:
    """Whether a request makes an object visible."""
    return (request.command == "PUT" and "?" not in request.path) or (request.command == "POST" and "uploadId=" in request.path)


@pytest.mark.parametrize("size", [4, PART + 1], ids=["at once", "in parts"])
def test_add_when_the_last_answer_is_lost_then_the_object_tells_that_it_is_ours(
    front: Front, make: Callable[..., S3Store], store: S3Store, size: int
) -> None:
    front.lose = is_last
    slow = make(host=front.url)

    location = slow.add(CTX, new_id(), pieces(noise(size)), size)

    assert contents(slow, location) == noise(size)


@pytest.mark.parametrize("size", [4, PART + 1], ids=["at once", "in parts"])
def test_add_when_the_server_knows_no_conditions_then_does_without(front: Front, make: Callable[..., S3Store], store: S3Store, size: int) -> None:
    xml = b"<Error><Code>NotImplemented</Code><Message>no</Message></Error>"
    front.answer = lambda request: (501, {"Content-Type": "application/xml"}, xml) if "If-None-Match" in request.headers else None
    plain, image_id = make(host=front.url), new_id()

    location = plain.add(CTX, image_id, pieces(noise(size)), size)

    assert contents(plain, location) == noise(size)
    with pytest.raises(errors.ObjectExists):
        plain.add(CTX, image_id, [b"other"], 5)
    assert contents(plain, location) == noise(size)


def test_add_when_a_part_fails_then_nothing_stays(front: Front, make: Callable[..., S3Store], held: Callable[[], Sequence[str]]) -> None:
    front.answer = lambda request: (503, {}, b"") if "partNumber=3" in request.path else None
    before = held()
    begun = monotonic()

    with pytest.raises(errors.StoreUnavailable):
        make(host=front.url).add(CTX, new_id(), (bytes(MIB) for _ in range(100)), None)

    assert held() == before
    assert monotonic() - begun < BOUNDED
    assert not any("partNumber=9" in one for one in front.seen), "it went on although a part had failed"


def test_add_when_the_server_is_late_then_what_it_stores_at_last_is_told_to_recovery(
    front: Front, make: Callable[..., S3Store], held: Callable[[], Sequence[str]]
) -> None:
    awake = threading.Event()
    front.answer = lambda request: (awake.wait(60) and None) if is_last(request) else None
    store, image_id, before = make(host=front.url, read_timeout=0.5), new_id(), held()

    with pytest.raises(errors.UploadLeftBehind):
        store.add(CTX, image_id, [b"data"], 4)
    awake.set()
    wait_until(lambda: image_id in held(), "the object to appear")

    store.discard(CTX, image_id)
    assert held() == before


@pytest.fixture
def odd_port() -> Iterator[tuple[int, list[bytes]]]:
    """A server that says of everything what stands in the list: whole answers, as they go over the wire."""
    answers: list[bytes] = []

    class Odd(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"".join(answers))

    with running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Odd)) as server:
        yield server.server_address[1], answers


@pytest.mark.parametrize(
    "headers",
    [b"ETag: x\r\nTransfer-Encoding: chunked\r\n", b"ETag: x\r\nContent-Length: four\r\n", b"ETag: x\r\nno header\r\nContent-Length: 0\r\n"],
    ids=["no length", "no number", "no header"],
)
def test_read_when_the_server_does_not_say_how_much_comes_then_unavailable(
    odd_port: tuple[int, list[bytes]], make: Callable[..., S3Store], headers: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    port, answers = odd_port
    answers[:] = [b"HTTP/1.1 200 OK\r\n", headers, b"\r\n"]
    store, location = make(host=f"http://127.0.0.1:{port}"), Location(url=f"s3+http://127.0.0.1:{port}/{BUCKET}/some-image", store="s3")

    for ask in (store.size, store.open):
        with pytest.raises(errors.StoreUnavailable):
            ask(CTX, location)

    assert "some-image" not in caplog.text


def test_add_when_the_server_does_not_say_what_it_has_begun_then_left_to_recovery(front: Front, make: Callable[..., S3Store]) -> None:
    front.answer = lambda request: (200, {}, b"<html></html>") if request.command == "POST" else None

    with pytest.raises(errors.UploadLeftBehind):
        make(host=front.url).add(CTX, new_id(), pieces(noise(PART + 1)), None)


@pytest.mark.parametrize(
    "region", [{}, {"x-amz-bucket-region": "evil.example/"}, {"x-amz-bucket-region": "eu-north-1"}], ids=["none", "odd", "another"]
)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_requests_when_redirected_then_go_nowhere_else(front: Front, make: Callable[..., S3Store], status: int, region: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.9", 0)) as canary:  # where no other test looks for a port
        canary.settimeout(0.2)
        port = canary.getsockname()[1]
        front.answer = lambda _request: (status, {"Location": f"http://127.0.0.9:{port}/", **region}, b"")
        store = make(host=front.url, create_bucket=False)
        location = Location(url=f"s3+{front.url}/{BUCKET}/id", store="s3")
        for ask in (store.open, store.size, store.delete):
            with pytest.raises(errors.StoreUnavailable):
                ask(CTX, location)
        with pytest.raises(errors.StoreUnavailable):
            store.add(CTX, "id", [b"data"], 4)
        with pytest.raises(TimeoutError):
            canary.accept()
    assert len(front.seen) == 4


def test_requests_when_there_is_a_proxy_then_go_to_it_with_its_password(front: Front, make: Callable[..., S3Store]) -> None:
    logins = set()
    front.answer = lambda request: logins.add(request.headers["Proxy-Authorization"]) or (404, {}, b"")
    store = make(host="http://s3.example.net", create_bucket=False, proxy=front.url.replace("//", "//user:pass%2Fword@"))

    with pytest.raises(errors.ConfigurationError):
        store.check()

    assert front.seen == [f"HEAD http://s3.example.net/{BUCKET}"]
    assert logins == {"Basic " + b64encode(b"user:pass/word").decode()}


@pytest.mark.parametrize("wanted", ["when_required", "when_supported"])
def test_checksums_then_are_sent_and_asked_for_as_the_settings_say(front: Front, make: Callable[..., S3Store], store: S3Store, wanted: str) -> None:
    headers: list[str] = []
    front.answer = lambda request: headers.extend(name.lower() for name in request.headers) or None
    summing = make(host=front.url, request_checksums=wanted, response_checksums=wanted)

    for size in (4, PART + 1):
        assert contents(summing, summing.add(CTX, new_id(), pieces(noise(size)), size)) == noise(size)

    assert ("x-amz-checksum-crc32" in headers, "x-amz-checksum-mode" in headers) == (wanted == "when_supported",) * 2


@pytest.mark.parametrize("sent", [0, 3], ids=["nothing", "half"])
def test_read_when_the_connection_ends_early_then_unavailable(front: Front, make: Callable[..., S3Store], sent: int) -> None:
    front.answer = lambda request: (200, {"Content-Length": "6", "Connection": "close"}, b"abcdef"[:sent]) if request.command == "GET" else None
    store = make(host=front.url, read_timeout=1)
    blob = store.open(CTX, Location(url=f"s3+{front.url}/{BUCKET}/id", store="s3"))

    with pytest.raises(errors.StoreUnavailable), contextlib.closing(blob):
        b"".join(blob)


def test_read_when_the_server_sends_another_part_then_unavailable(front: Front, make: Callable[..., S3Store]) -> None:
    front.answer = lambda _request: (200, {}, b"everything")
    store = make(host=front.url)

    with pytest.raises(errors.StoreUnavailable):
        store.open(CTX, Location(url=f"s3+{front.url}/{BUCKET}/id", store="s3"), 5)


# Certificates and addresses


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(certificate, key) that nobody has signed."""
    directory = tmp_path_factory.mktemp("certificate")
    files = directory / "cert.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(files[0]), "-keyout", str(files[1])]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return files


def test_https_then_only_a_certificate_of_the_chosen_authority_is_believed(
    front: Front, make: Callable[..., S3Store], certificate: tuple[Path, Path]
) -> None:
    front.encrypt(*certificate)
    host = front.url.removeprefix("http://")  # without a scheme https is meant
    for strict in (make(host=host), make(host=f"HTTPS://{host}")):
        with pytest.raises(errors.StoreUnavailable):
            strict.check()

    trusting = make(host=host, ca_file=certificate[0])
    trusting.check()
    for size in (4, PART + 1):
        location = trusting.add(CTX, new_id(), pieces(noise(size)), size)
        assert location.url.startswith(f"s3+https://{host}/")
        assert contents(trusting, location) == noise(size)


@pytest.mark.parametrize(
    ("addressing", "url"), [("path", "https://s3.example.net/images/id?"), ("virtual", "https://images.s3.example.net/id?")], ids=["path", "virtual"]
)
def test_addressing_then_names_the_bucket_where_it_says(make: Callable[..., S3Store], settings: S3StoreSettings, addressing: str, url: str) -> None:
    endpoint = Endpoint("s3", replace(settings, host="s3.example.net", addressing=addressing))
    with contextlib.closing(endpoint):
        signed = endpoint.client(settings.keys).generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": "id"})
    assert signed.startswith(url)
