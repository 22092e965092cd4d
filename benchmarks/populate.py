"""Images of many kinds, the same by number wherever they are made: over HTTP, which any service takes, or straight into our registry."""

from __future__ import annotations

import random
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import event, insert, select, text

from benchmarks import callers
from benchmarks.wire import Connection
from glance.context import RequestContext
from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.db.schema import metadata
from glance.interfaces import Registry
from glance.model.image import Image, Location, Membership

_STATUSES = ("active",) * 15 + ("queued", "queued", "queued", "deactivated", "deleted")
_VISIBILITIES = ("private",) * 7 + ("shared",) * 9 + ("community", "public", "public", "public")
_FORMATS = ("raw", "qcow2", "iso")
_CLIENTS = 8
_BATCH = 5000
_ADMIN = RequestContext(roles=("admin",), is_admin=True)


@dataclass(frozen=True)
class Picture:
    """An image to be made, and the project that it is shared with, if any."""

    image: Image
    member: str | None


def image_id(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def picture(number: int, count: int) -> Picture:
    """One of ``count``. Some features have the same number of images however many there are: three are the newcomer's, five are tagged "rare", five
    have os=plan9."""
    choose = random.Random(number)
    own = number % (count // 3) == 1
    status = "active" if own else choose.choice(_STATUSES)
    stored = status in {"active", "deactivated"}
    visibility = "private" if own else choose.choice(_VISIBILITIES)
    image = Image(
        id=image_id(number),
        name=f"image-{number}",
        status=status,
        visibility=visibility,
        owner=callers.NEWCOMER if own else choose.choice(callers.PROJECTS),
        disk_format="raw" if stored else choose.choice(_FORMATS),  # what the bytes are is looked at
        container_format="bare",
        size=choose.randrange(1, 1000) if stored else None,
        os_hidden=choose.random() < 0.2,
        properties={
            "os": "plan9" if number % (count // 5) == 2 else choose.choice(("linux", "bsd")),
            "arch": choose.choice(("x86", "arm")),
            "build": str(number),
        },
        tags=("common", "rare") if number % (count // 5) == 3 else ("common",),
    )
    shared = visibility == "shared" and status == "active" and choose.random() < 0.3
    return Picture(image, choose.choice([one for one in callers.PROJECTS if one != image.owner]) if shared else None)


def deep_marker(count: int) -> str:
    """The id of an image in the last third which everybody sees."""
    numbers = range(count * 2 // 3, count)
    images = (picture(number, count).image for number in numbers)
    return next(one.id for one in images if one.visibility == "public" and one.status == "active" and not one.os_hidden)


def public_image(count: int) -> str:
    """The id of an active image that everybody sees."""
    images = (picture(number, count).image for number in range(count))
    return next(one.id for one in images if one.visibility == "public" and one.status == "active")


def over_http(url: str, count: int) -> None:
    """Makes those of ``count`` images that the service at a base URL lacks. Raises Unexpected where it takes one not."""

    def make_every(start: int) -> None:
        for number in range(start, count, _CLIENTS):
            _make(url, picture(number, count))

    if not _is_populated(url, count):
        with ThreadPoolExecutor(_CLIENTS) as pool:
            list(pool.map(make_every, range(_CLIENTS)))


def _is_populated(url: str, count: int) -> bool:
    """Whether the last image is there."""
    last = next(number for number in range(count - 1, -1, -1) if picture(number, count).image.status != "deleted")
    with Connection(url, callers.admin()) as connection:
        return connection.call("GET", f"/v2/images/{image_id(last)}", expected=(200, 404)).status == 200


def _make(url: str, one: Picture) -> None:
    image, path = one.image, f"/v2/images/{one.image.id}"
    with Connection(url, callers.admin(image.owner or "")) as connection:
        plain = ("id", "name", "visibility", "disk_format", "container_format", "os_hidden")
        document = {**{name: getattr(image, name) for name in plain}, "tags": list(image.tags), **image.properties}
        if connection.call_json("POST", "/v2/images", document, (201, 409)).status == 409:
            return  # an earlier run made it
        if image.size is not None:
            connection.call("PUT", f"{path}/file", b"x" * image.size, {"Content-Type": "application/octet-stream"}, (204,))
        if image.status == "deactivated":
            connection.call("POST", f"{path}/actions/deactivate", b"", expected=(204,))
        if image.status == "deleted":
            connection.call("DELETE", path, expected=(204,))
        if one.member is not None:
            connection.call_json("POST", f"{path}/members", {"member": one.member}, (200,))
    if one.member is not None:
        with Connection(url, callers.of_project(one.member)) as connection:
            connection.call_json("PUT", f"{path}/members/{one.member}", {"status": "accepted"}, (200,))


# Into our own registry


def into_registry(registry: Registry, count: int) -> None:
    """Makes ``count`` images; their data exist nowhere, which a list does not notice."""
    for number in range(count):
        one = picture(number, count)
        deleted = one.image.status == "deleted"
        locations = (Location(f"file:///images/{number}", "file"),) if one.image.size is not None else ()
        registry.images.create(_ADMIN, one.image.changed({"status": "queued" if deleted else one.image.status, "locations": locations}))
        if deleted:
            registry.images.delete(_ADMIN, one.image.id)
        if one.member is not None:
            registry.members.put(_ADMIN, one.image.id, [Membership(one.member)], replace=False, maximum=-1)
            registry.members.answer(RequestContext(project=one.member, roles=("member",)), one.image.id, one.member, "accepted")


def sqlite_file(path: Path, count: int) -> None:
    """A database of ``count`` images in a new file."""
    engine = make_engine(DatabaseSettings(f"sqlite:///{path}"))
    event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous = OFF"))
    migrate.sync(engine)
    registry = SqlRegistry(engine)
    into_registry(registry, count)
    registry.close()


def copied(source: Path, url: str) -> None:
    """Brings a new database at ``url`` to the contents of a file of SQLite. For reading only: what numbers its rows does not know of these."""
    origin, target = (make_engine(DatabaseSettings(one)) for one in (f"sqlite:///{source}", url))
    migrate.sync(target)
    with origin.connect() as reader, target.begin() as writer:
        for table in metadata.sorted_tables:
            writer.execute(table.delete())
            written = select(*(column for column in table.columns if column.computed is None))
            for rows in reader.execution_options(stream_results=True).execute(written).mappings().partitions(_BATCH):
                writer.execute(insert(table), [dict(row) for row in rows])
        writer.execute(text("ANALYZE"))
    origin.dispose()
    target.dispose()
