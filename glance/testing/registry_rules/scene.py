"""What the rules of the registry are played with: callers, a clock, races, and short ways to make images."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model.image import Held, Image, Location, Membership, StoredData, Upload

#: Moves the registry's clock on by that many seconds.
Advance = Callable[[float], None]

ADMIN = RequestContext(roles=("admin",), is_admin=True)
NOBODY = RequestContext(roles=("member",))
#: Whom nobody knows, where such callers may read.
ANONYMOUS = RequestContext(read_only=True)


def of_project(project: str, *, is_admin: bool = False) -> RequestContext:
    """A caller who works for ``project``."""
    return RequestContext(user=f"user-{project}", project=project, roles=("admin" if is_admin else "member",), is_admin=is_admin)


ALICE = of_project("alice")
BOB = of_project("bob")
CAROL = of_project("carol")


class Clock:
    """A clock for a registry under test: it stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = datetime.fromisoformat("2012-04-05T12:00:00.123456")

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Scene:
    """The fixtures that a registry's test class supplies."""

    @pytest.fixture
    def registry(self) -> Registry:
        """An empty registry that gives out UUIDs, whose leases last 60 seconds."""
        pytest.fail("the test class supplies this fixture")

    @pytest.fixture
    def advance(self) -> Advance:
        """Moves the clock of ``registry``, which stands still otherwise."""
        pytest.fail("the test class supplies this fixture")


def create(registry: Registry, ctx: RequestContext = ALICE, **values: Any) -> Image:
    """A new image; ``values`` are fields of Image."""
    return registry.images.create(ctx, Image(**{"id": "", "owner": ctx.owner, **values}))


def create_active(registry: Registry, ctx: RequestContext = ALICE, **values: Any) -> Image:
    """A new image that has data at one location."""
    image = create(registry, ctx, **values)
    return registry.images.activate(ctx, image.id, location_of(image.id), 3)


def location_of(image_id: str) -> Location:
    return Location(f"file:///images/{image_id}", "file", {"part": 1})


def upload_of(image_id: str, **values: Any) -> Upload:
    return Upload(**{"image_id": image_id, "attempt": uuid.uuid4().hex, "store": "file", "worker": "host/boot/1/2", **values})


def start(registry: Registry, ctx: RequestContext = ALICE, status: Held = "saving", **values: Any) -> Upload:
    """An upload that has begun, to an image of its own; ``values`` are fields of Upload."""
    upload = upload_of(create(registry, ctx).id, **values)
    registry.uploads.start(ctx, upload, status)
    return upload


def stored(image_id: str) -> StoredData:
    """What five bytes leave behind."""
    return StoredData(location_of(image_id), 5, "5d41402abc4b2a76b9719d911017c592", 7, "sha512", "9b71d224" * 16)


def share(registry: Registry, image: Image, member: str, *, can_share: bool | None = None) -> None:
    """Makes ``member`` a member of ``image``."""
    registry.members.put(ADMIN, image.id, [Membership(member, can_share)], replace=False, maximum=-1)


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each call returned, or the error of ours that it raised; all start at the same moment, each on a thread."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        barrier.wait(timeout=30)
        try:
            return call()
        except errors.GlanceError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def kinds(results: list[object]) -> list[str]:
    """The class names of ``results``, sorted."""
    return sorted(type(one).__name__ for one in results)
