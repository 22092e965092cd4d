"""Deleted is for ever: S19."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from glance.testing.servers import wait_until
from glance.testing.wire import Answer, parse_one, request_bytes
from tests.security.matrix import DATA_TYPE, Case

DATA = b"0123456789abcdef" * 65536
HALF = len(DATA) // 2
DELETED = ("deleted", 1)
#: Where each version takes data for an image.
UPLOADS = {"v1": "/v1/images/{}", "v2": "/v2/images/{}/file"}


def record(case: Case, image_id: str) -> tuple[str, int]:
    """Status and deleted flag of an image, as the database has them."""
    with closing(sqlite3.connect(f"file:{case.glance.database}?mode=ro", uri=True)) as database:
        [row] = database.execute("SELECT status, deleted FROM images WHERE id = ?", (image_id,)).fetchall()
        return row


def changes(case: Case, who: str, image_id: str) -> Iterator[Answer]:
    """Everything that changes an image."""
    v1, v2 = f"/v1/images/{image_id}", f"/v2/images/{image_id}"
    formats = {"x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare"}
    for headers in ({}, *({"x-image-meta-status": status} for status in ("queued", "active", "deleted")), {"x-image-meta-deleted": "False"}):
        yield case.ask(who, "PUT", v1, {"x-image-meta-name": "again", **headers})
    yield case.ask(who, "PUT", v1, formats, DATA)
    yield case.ask(who, "PUT", v1, {"x-image-meta-location": "http://127.0.0.1:9/x"})
    yield case.ask(who, "PUT", f"{v1}/members/{case.project('B')}")
    yield case.ask(who, "DELETE", v1)
    for path, value in {"/name": "again", "/status": "active", "/deleted": False, "/visibility": "public", "/locations": []}.items():
        yield case.json(who, "PATCH", v2, [{"op": "replace", "path": path, "value": value}])
    for place in ("file", "stage"):
        yield case.ask(who, "PUT", f"{v2}/{place}", body=DATA)
    yield case.json(who, "POST", f"{v2}/locations", {"url": "http://127.0.0.1:9/x"})
    yield case.json(who, "POST", f"{v2}/import", {"method": {"name": "glance-direct"}})
    yield case.json(who, "POST", f"{v2}/members", {"member": case.project("B")})
    for action in ("reactivate", "deactivate"):
        yield case.ask(who, "POST", f"{v2}/actions/{action}")
    yield case.ask(who, "PUT", f"{v2}/tags/again")
    yield case.ask(who, "DELETE", v2)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_change_when_the_image_is_deleted_then_403_or_404_and_it_stays_deleted(case: Case, version: str) -> None:
    """S19, LP 1060930: whoever asks, its owner or an administrator."""
    image_id = case.image("A", data=DATA).id
    assert case.ask("A", "DELETE", f"/{version}/images/{image_id}").status == (200 if version == "v1" else 204)

    for who in ("A", "ADM", "B"):
        statuses = [answer.status for answer in changes(case, who, image_id)]
        assert set(statuses) <= {403, 404}
        assert record(case, image_id) == DELETED
        case.saw(f"{len(statuses)} kinds of change by {who}: {' and '.join(map(str, sorted(set(statuses))))}, still deleted")
    claimed = case.json("A", "POST", "/v2/images", {"id": image_id})
    assert (claimed.status, case.ask("A", "POST", "/v1/images", {"x-image-meta-id": image_id}).status) == (409, 409)
    assert list(case.glance.images.glob(f"*{image_id}*")) == []


# Uploads whose image is deleted meanwhile


class Upload:
    """An upload by A that has come to its middle when its image is deleted."""

    def __init__(self, case: Case, version: str) -> None:
        self.case = case
        self.image_id = case.queued("A")
        lines = {**case.headers("A"), **DATA_TYPE, "Content-Length": str(len(DATA))}
        head = request_bytes(f"PUT {UPLOADS[version].format(self.image_id)} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()))
        self.connection = case.glance.connect()
        self.connection.sendall(head + DATA[:HALF])
        wait_until(lambda: record(case, self.image_id) == ("saving", 0), "the upload to begin")
        assert case.ask("A", "DELETE", f"/v2/images/{self.image_id}").status == 204

    def finish(self) -> int:
        """Sends the other half; returns the status of the answer."""
        with self.connection:
            with contextlib.suppress(ConnectionError):
                self.connection.sendall(DATA[HALF:])
            answer = parse_one(b"".join(iter(lambda: self.connection.recv(65536), b"")))
        self.case.answers.append(answer)
        return answer.status

    def break_off(self) -> None:
        self.connection.close()

    def written(self) -> list[Path]:
        """What the store has of the image."""
        return list(self.case.glance.images.glob(f"*{self.image_id}*"))

    def has_ended(self) -> bool:
        """Whether nothing holds the image any more, and nothing of its data is there."""
        with closing(sqlite3.connect(f"file:{self.case.glance.database}?mode=ro", uri=True)) as database:
            [[held]] = database.execute("SELECT count(*) FROM image_uploads WHERE image_id = ?", (self.image_id,)).fetchall()
        return not held and not self.written()

    def check_deleted(self) -> None:
        assert record(self.case, self.image_id) == DELETED
        assert self.case.ask("A", "GET", f"/v2/images/{self.image_id}").status == 404
        shown = self.case.ask("ADM", "HEAD", f"/v1/images/{self.image_id}")
        assert (shown.status, shown.header("X-Image-Meta-Status"), shown.header("X-Image-Meta-Deleted")) == (200, "deleted", "True")


@pytest.mark.parametrize("version", UPLOADS)
def test_upload_when_its_image_was_deleted_then_ends_and_it_stays_deleted(case: Case, version: str) -> None:
    """S19, LP 1236868: the store takes all data, and they are erased."""
    upload = Upload(case, version)

    status = upload.finish()

    assert status == {"v1": 412, "v2": 410}[version]
    wait_until(upload.has_ended, "the data to be erased")
    upload.check_deleted()
    case.saw(f"{version}: deleted in the middle of an upload, which ends with {status}: still deleted, no data left")


@pytest.mark.parametrize("version", UPLOADS)
def test_upload_when_it_breaks_off_after_the_delete_then_stays_deleted(case: Case, version: str) -> None:
    """S19, LP 1236868: a failed upload would make an image killed (v1), or queued again (v2)."""
    upload = Upload(case, version)

    upload.break_off()

    wait_until(upload.has_ended, "the data to be erased")
    upload.check_deleted()
    case.saw(f"{version}: the client leaves after the delete: still deleted, no data left")


@pytest.mark.parametrize("version", UPLOADS)
def test_upload_when_the_store_fails_after_the_delete_then_stays_deleted(case: Case, version: str) -> None:
    """S19, LP 1236868: the file that the store was writing is gone when the data are complete."""
    case.allow(503)
    upload = Upload(case, version)
    wait_until(lambda: any(upload.written()), "the store to write a file")
    for path in upload.written():
        path.unlink()

    status = upload.finish()

    assert status == 503
    wait_until(upload.has_ended, "the upload to end")
    upload.check_deleted()
    case.saw(f"{version}: the store fails after the delete: {status}, still deleted")
