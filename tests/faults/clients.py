"""A client of the service that notices everything: it reads answers that come before all is sent, and sees downloads that are cut."""

from __future__ import annotations

import contextlib
import http.client
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from glance.testing.servers import Glance
from glance.testing.wire import Answer, parse_all, request_bytes

JSON = {"Content-Type": "application/json"}
FORMATS = {"name": "faulty", "disk_format": "raw", "container_format": "bare"}
BYTES = "Content-Type: application/octet-stream"
V1 = tuple(f"x-image-meta-{name}: {value}" for name, value in FORMATS.items())

#: Seconds that the slowest answer may take on a busy machine, time-outs of stores not counted.
PATIENCE = 60.0


def new_image(glance: Glance) -> str:
    """A queued image of version 2."""
    answer = glance.request("POST", "/v2/images", JSON, json.dumps(FORMATS).encode())
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def send(glance: Glance, line: str, headers: Iterable[str], chunks: Iterable[bytes], length: int | None) -> Answer:
    """One request whose body are ``chunks``, announced as ``length`` bytes or sent chunked. Returns the answer, also one that comes early."""
    announced = f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"
    received = b""
    with glance.connect(PATIENCE) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request_bytes(f"{line} HTTP/1.1", announced, *headers))
            for chunk in chunks:
                connection.sendall(chunk if length is not None else b"%x\r\n%b\r\n" % (len(chunk), chunk))
            if length is None:
                connection.sendall(b"0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(65536):
                received += part
    [answer] = parse_all(received)
    return answer


def upload(glance: Glance, image_id: str, chunks: Iterable[bytes], length: int | None, *headers: str) -> Answer:
    """PUT of version 2."""
    return send(glance, f"PUT /v2/images/{image_id}/file", (BYTES, *headers), chunks, length)


def create(glance: Glance, image_id: str, chunks: Iterable[bytes], length: int | None, *headers: str) -> Answer:
    """POST of version 1."""
    return send(glance, "POST /v1/images", (BYTES, *V1, f"x-image-meta-id: {image_id}", *headers), chunks, length)


def stored(glance: Glance, data: bytes, *headers: str) -> str:
    """A new active image."""
    image_id = new_image(glance)
    answer = upload(glance, image_id, [data], len(data), *headers)
    assert answer.status == 204, answer.text
    return image_id


def add_copy(glance: Glance, image_id: str, data: bytes, store: str) -> str:
    """Gives an image a second copy: that of another image of the same data, which is no more. Returns the name that the copy has in its store."""
    other = stored(glance, data, f"X-Image-Meta-Store: {store}")
    with contextlib.closing(sqlite3.connect(glance.database)) as database, database:
        database.execute("UPDATE image_locations SET image_id = ? WHERE image_id = ?", (image_id, other))
        database.execute("UPDATE images SET deleted = 1, status = 'deleted' WHERE id = ?", (other,))
    return other


def age(glance: Glance, image_id: str) -> None:
    """Makes an image one of long ago."""
    with contextlib.closing(sqlite3.connect(glance.database)) as database, database:
        database.execute("UPDATE images SET updated_at = '2011-02-03 04:05:06.000000' WHERE id = ?", (image_id,))


def marked(glance: Glance, image_id: str) -> list[bool]:
    """Of each location of an image, whether it is marked as damaged."""
    with contextlib.closing(sqlite3.connect(glance.database)) as database:
        rows = database.execute("SELECT damaged FROM image_locations WHERE image_id = ? AND deleted = 0 ORDER BY id", (image_id,))
        return [bool(damaged) for (damaged,) in rows]


def status(glance: Glance, image_id: str) -> str:
    return str(glance.request("GET", f"/v2/images/{image_id}").json["status"])


@dataclass(frozen=True)
class Download:
    """What a client got: ``whole`` when it was as much as announced. ``text`` is what an error says."""

    status: int
    body: bytes
    whole: bool

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


def download(
    glance: Glance,
    image_id: str,
    path: str = "/v2/images/{}/file",
    headers: Mapping[str, str] = MappingProxyType({}),
    begun: Callable[[], None] = lambda: None,
) -> Download:
    """What the service answers; ``begun`` is called between head and body."""
    connection = http.client.HTTPConnection(glance.api_host, glance.api_port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", path.format(image_id), headers=headers)
        answer = connection.getresponse()
        begun()
        try:
            return Download(answer.status, answer.read(), whole=True)
        except http.client.IncompleteRead as error:
            return Download(answer.status, error.partial, whole=False)
        except ConnectionError:
            return Download(answer.status, b"", whole=False)


def records(glance: Glance, image_id: str) -> tuple[int, int, int | None]:
    """What the database knows of an image's data: locations, attempts on record, size."""
    with contextlib.closing(sqlite3.connect(glance.database)) as database:
        [locations] = database.execute("SELECT count(*) FROM image_locations WHERE image_id = ? AND deleted = 0", (image_id,)).fetchone()
        [attempts] = database.execute("SELECT count(*) FROM image_uploads WHERE image_id = ?", (image_id,)).fetchone()
        [size] = database.execute("SELECT size FROM images WHERE id = ?", (image_id,)).fetchone()
    return locations, attempts, size


def attempts(glance: Glance) -> int:
    """Uploads on record."""
    with contextlib.closing(sqlite3.connect(glance.database)) as database:
        return int(database.execute("SELECT count(*) FROM image_uploads").fetchone()[0])


def descriptors(glance: Glance) -> int:
    """Open files and connections, those to the database not counted: they are kept for the next requests."""
    return sum(not path.startswith(str(glance.database)) for path in glance.open_files())
