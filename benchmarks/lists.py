"""A page of 25 images out of 1,000 and out of 100,000: every way to ask, as administrator and as member, in turn.

Usage: python benchmarks/lists.py [--few N] [--many N] [--calls N] [--only TEXT]

It times the registry in this process, without HTTP: what a list costs there must not grow with the number of images.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import Connection, Table, insert

from glance.api.settings import ApiSettings
from glance.api.v2 import query
from glance.context import RequestContext
from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.db.schema import image_locations, image_members, image_properties, image_tags, images
from glance.model.image import SORT_KEYS, ImageQuery

FACTOR = 1.5
BATCH = 5000
BEGIN = datetime(2012, 4, 5)  # noqa: DTZ001 - the registry's times have no zone
PROJECTS = 5
STATUSES = ("active",) * 15 + ("queued", "queued", "queued", "deactivated", "deleted")
VISIBILITIES = ("private",) * 7 + ("shared",) * 9 + ("community", "public", "public", "public")
FORMATS = ("raw", "qcow2", "iso", None)

ADMIN = RequestContext(roles=("admin",), is_admin=True)
MEMBER = RequestContext(user="u", project="project-3", roles=("member",))
NEWCOMER = RequestContext(user="u", project="newcomer", roles=("member",))

PLAIN = ("", *(f"sort_key={key}&sort_dir={direction}" for key in SORT_KEYS for direction in ("asc", "desc")))
FILTERED = (
    "name=image-500",
    "name=nothing",
    "status=active",
    "status=queued",
    "status=killed",
    "disk_format=raw",
    "os=linux",
    "os=plan9",
    "build=77",
    "os=linux&arch=arm",
    "os=nothing",
    "tag=common",
    "tag=rare",
    "tag=nothing",
    "owner=project-3",
    "owner=newcomer",
    "owner=nobody",
    "visibility=public",
    "visibility=private",
    "visibility=all",
    "os_hidden=true",
    "member_status=all&visibility=shared",
    "size_min=500000",
    "status=active&sort_key=name&sort_dir=asc",
    "os=linux&sort_key=size&sort_dir=asc",
)


@dataclass(frozen=True)
class Case:
    """One list: who asks for what; ``deep`` begins in the last third of all images."""

    caller: str
    ctx: RequestContext
    asked: str
    deep: bool = False

    def __str__(self) -> str:
        return f"{self.caller:<9}{self.asked or 'plain'}{', deep' if self.deep else ''}"


def cases() -> Iterator[Case]:
    for caller, ctx in (("admin", ADMIN), ("member", MEMBER)):
        for asked in (*PLAIN, *FILTERED):
            yield Case(caller, ctx, asked)
        for asked in (*PLAIN, "status=active", "os=linux", "tag=common"):
            yield Case(caller, ctx, asked, deep=True)
    for asked in ("", "visibility=private", "visibility=shared", "sort_key=name", "owner=newcomer"):
        yield Case("newcomer", NEWCOMER, asked)


def image_id(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, str(number)))


def rows(number: int, count: int) -> Iterator[tuple[Table, dict[str, Any]]]:
    """One image and what belongs to it. Three of them, spread over all, are the newcomer's."""
    choose = random.Random(number)
    created = BEGIN + timedelta(seconds=number)
    history = {"created_at": created, "updated_at": created + timedelta(seconds=choose.randrange(99999))}
    own = number % (count // 3) == 1
    status = "active" if own else choose.choice(STATUSES)
    one = {"image_id": image_id(number), **history}
    image = {
        "id": one["image_id"],
        "name": f"image-{number}",
        "status": status,
        "deleted": status == "deleted",
        "visibility": "private" if own else choose.choice(VISIBILITIES),
        "owner": "newcomer" if own else a_project(choose),
        "disk_format": choose.choice(FORMATS),
        "container_format": choose.choice(("bare", "bare", None)),
        "size": choose.randrange(1_000_000) if status == "active" else None,
        "os_hidden": choose.random() < 0.2,
    }
    yield images, {**image, **history}
    properties = {"os": choose.choice(("linux", "bsd")), "arch": choose.choice(("x86", "arm")), "build": str(number)}
    if number % (count // 5) == 2:
        properties["os"] = "plan9"
    for name, value in properties.items():
        yield image_properties, {**one, "name": name, "value": value}
    for tag in ("common", "rare") if number % (count // 5) == 3 else ("common",):
        yield image_tags, {**one, "value": tag}
    yield image_locations, {**one, "value": f"file:///images/{number}", "store": "file"}
    if choose.random() < 0.1:
        yield image_members, {**one, "member": a_project(choose), "status": "accepted"}


def a_project(choose: random.Random) -> str:
    return f"project-{choose.randrange(PROJECTS)}"


def fill(connection: Connection, count: int) -> None:
    """``count`` images, about one in twenty of them deleted."""
    for first in range(0, count, BATCH):
        of_table: dict[Table, list[dict[str, Any]]] = {}
        for number in range(first, min(first + BATCH, count)):
            for table, row in rows(number, count):
                of_table.setdefault(table, []).append(row)
        for table, its_rows in of_table.items():
            connection.execute(insert(table), its_rows)


def make(path: Path, count: int) -> SqlRegistry:
    """A registry of ``count`` images."""
    engine = make_engine(DatabaseSettings(f"sqlite:///{path}"))
    migrate.sync(engine)
    with engine.begin() as connection:
        fill(connection, count)
    return SqlRegistry(engine)


def of(case: Case, registry: SqlRegistry, count: int) -> ImageQuery:
    """The query of ``case``; its marker is a public image that every caller sees."""
    asked = query.parse(parse_qsl(case.asked), ApiSettings())
    if not case.deep:
        return asked
    marker = next(
        number
        for number in range(count * 2 // 3, count)
        for one in registry.images.list(ADMIN, ImageQuery(equal={"name": f"image-{number}"}, scope="everything"))
        if one.visibility == "public" and one.status == "active"
    )
    return replace(asked, marker=image_id(marker))


def seconds(registry: SqlRegistry, case: Case, asked: ImageQuery) -> float:
    """What one list takes."""
    start = time.perf_counter()
    registry.images.list(case.ctx, asked)
    return time.perf_counter() - start


def compare(case: Case, few: SqlRegistry, many: SqlRegistry, counts: tuple[int, int], calls: int) -> float:
    """Prints a line and returns how much more the list of many takes: medians of ``calls``, taken in turn."""
    of_few, of_many = of(case, few, counts[0]), of(case, many, counts[1])
    shown = len(few.images.list(case.ctx, of_few)), len(many.images.list(case.ctx, of_many))
    pairs = [(seconds(few, case, of_few), seconds(many, case, of_many)) for _ in range(calls)]
    first, second = (statistics.median(one) * 1000 for one in zip(*pairs, strict=True))
    ratio = second / first
    print(f"{case!s:<52} {first:8.2f} {second:8.2f} ms  {shown[0]:>2} {shown[1]:>2} images  ratio {ratio:5.2f}{'' if ratio <= FACTOR else '  over'}")
    return ratio


def main() -> None:
    """Runs every case and prints one line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--only", default="", help="a text that the cases to run have in their names")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        few, many = (make(Path(directory) / str(count), count) for count in (arguments.few, arguments.many))
        chosen = [case for case in cases() if arguments.only in str(case)]
        ratios = [compare(case, few, many, (arguments.few, arguments.many), arguments.calls) for case in chosen]
    print(f"{sum(ratio > FACTOR for ratio in ratios)} of {len(ratios)} lists take more than {FACTOR} times as long with many images")


if __name__ == "__main__":
    main()
