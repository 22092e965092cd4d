"""What both versions refuse, each with its status: the rows of a table in docs/reference/v1-v2.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from glance.service import Limits
from tests.api.conftest import DATA, Api
from tests.api.parity import tables
from tests.api.parity.clients import CLIENTS, Client, Refused
from tests.copies import several_stores
from tests.disk_images import BACKED, qcow2

BYTES = b"0123456789"
UNSAFE = qcow2(*BACKED, version=2, length=88)
ID = "0a0a0a0a-0000-4000-8000-000000000001"
TABLE = tables.read("Failures")


@dataclass(frozen=True)
class Scene:
    """Clients of one version: an owner (P1), another project (P2), an administrator, and nobody."""

    owner: Client
    other: Client
    admin: Client
    nobody: Client

    def active(self) -> str:
        image_id = self.owner.create("one")
        self.owner.upload(image_id, BYTES)
        return image_id

    def shared(self) -> str:
        image_id = self.active()
        self.owner.share(image_id, "P2")
        return image_id

    def deleted(self) -> str:
        image_id = self.active()
        self.owner.delete(image_id)
        return image_id

    def upload(self, body: bytes = BYTES, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.owner.upload(self.owner.create("one"), body, {**DATA, **named})


def _id_taken(scene: Scene) -> None:
    scene.owner.create("one", id=ID)
    with pytest.raises(Refused):
        scene.other.show(ID)
    scene.owner.create("two", id=ID)


def _data_again(scene: Scene) -> None:
    scene.owner.upload(scene.active(), BYTES)


def _protected(scene: Scene) -> None:
    scene.owner.delete(scene.owner.create("one", protected=True))


def _too_many_properties(scene: Scene) -> None:
    image_id = scene.owner.create("one")
    for name in ("first", "second"):
        scene.owner.set_property(image_id, name, "x")


def _too_many_members(scene: Scene) -> None:
    scene.owner.share(scene.shared(), "P3")


def _public_of_others(scene: Scene) -> None:
    image_id = scene.admin.create("one")
    scene.admin.publish(image_id)
    scene.other.update(image_id, name="two")


FAILURES: dict[str, Callable[[Scene], object]] = {
    "no identity": lambda scene: scene.nobody.names(),
    "image that there is not": lambda scene: scene.owner.show(ID),
    "image that the caller may not see": lambda scene: scene.other.show(scene.active()),
    "image deleted before": lambda scene: scene.owner.delete(scene.deleted()),
    "change of a deleted image by an administrator": lambda scene: scene.admin.update(scene.deleted(), name="two"),
    "id that is taken": _id_taken,
    "unknown format": lambda scene: scene.owner.create("one", disk_format="floppy"),
    "name too long": lambda scene: scene.owner.create("n" * 256),
    "negative number": lambda scene: scene.owner.create("one", min_ram=-1),
    "too many properties": _too_many_properties,
    "publishing without permission": lambda scene: scene.owner.publish(scene.owner.create("one")),
    "change of a public image of others": _public_of_others,
    "change of a shared image by a member": lambda scene: scene.other.update(scene.shared(), name="two"),
    "deletion of a shared image by a member": lambda scene: scene.other.delete(scene.shared()),
    "deletion of a protected image": _protected,
    "sharing by a member": lambda scene: scene.other.share(scene.shared(), "P3"),
    "end of a membership that there is not": lambda scene: scene.owner.unshare(scene.active(), "P2"),
    "too many members": _too_many_members,
    "data for an image that has some": _data_again,
    "data of another content type": lambda scene: scene.upload(Content_Type="text/plain"),
    "data for a store that there is not": lambda scene: scene.upload(x_image_meta_store="zz"),
    "data for a store that only reads": lambda scene: scene.upload(x_image_meta_store="web"),
    "data with a content encoding": lambda scene: scene.upload(Content_Encoding="gzip"),
    "unsafe data, such as a qcow2 with a backing file": lambda scene: scene.upload(UNSAFE),
    "data longer than the limit": lambda scene: scene.upload(BYTES * 20),
    "data longer than the limit, in chunks": lambda scene: scene.upload(BYTES * 20, Transfer_Encoding="chunked"),
    "external data of a scheme that is not allowed": lambda scene: scene.owner.point_to(scene.owner.create("one"), "file:///etc/passwd"),
    "external data for an image that has some": lambda scene: scene.owner.point_to(scene.active(), "http://127.0.0.1/x"),
    "external data behind a guarded address": lambda scene: scene.owner.point_to(scene.owner.create("one"), "http://10.0.0.1/x"),
    "range beyond the end": lambda scene: scene.owner.download(scene.active(), "bytes=10-"),
}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, make_api: Callable[..., Api], tmp_path: Path) -> Client:
    limits = Limits(image_size=100, properties=1, members=1)
    return CLIENTS[request.param](make_api(trusted=True, limits=limits, stores=several_stores(tmp_path)))


@pytest.mark.parametrize(("name", "statuses"), TABLE.items(), ids=TABLE)
def test_failure_when_provoked_then_the_status_that_the_page_says(client: Client, name: str, statuses: Mapping[str, str]) -> None:
    scene = Scene(client.as_caller("P1"), client.as_caller("P2"), client.as_caller("P0", "admin"), client)
    with pytest.raises(Refused) as refused:
        FAILURES[name](scene)
    assert str(refused.value.status) == statuses[client.version]


def test_table_of_failures_then_has_every_failure() -> None:
    assert list(TABLE) == list(FAILURES)
