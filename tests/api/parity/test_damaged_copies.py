"""Data that were changed behind the service: no client of either version ever gets bad data as complete (reliability.md R13, R14, R19)."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from glance import errors
from glance.context import unauthenticated
from glance.model.events import ImageDamaged
from glance.model.stores import StoreTraits
from glance.stream import CHUNK
from tests.api.conftest import Api, http_sender, pipeline, served
from tests.api.parity.clients import CLIENTS, Client, Refused, Version
from tests.copies import add_copy, several_stores
from tests.services import Recorder

#: More than a store reads at once, so that a client has some of them before the end is known.
BYTES = bytes(range(256)) * (3 * CHUNK // 512)
OTHERS = BYTES[::-1]
TRAITS = {name: StoreTraits("file", verify_on_read=True) for name in ("cheap", "costly")} | {"web": StoreTraits("http")}


def flip(path: Path, others: Path) -> None:
    with path.open("r+b") as file:
        file.seek(len(BYTES) - 5)
        file.write(b"!")


def cut(path: Path, others: Path) -> None:
    path.write_bytes(BYTES[:-1])


def extend(path: Path, others: Path) -> None:
    path.write_bytes(BYTES + b"x")


def empty(path: Path, others: Path) -> None:
    path.write_bytes(b"")


def swap(path: Path, others: Path) -> None:
    between = path.with_name("between")
    path.rename(between)
    others.rename(path)
    between.rename(others)


def remove(path: Path, others: Path) -> None:
    path.unlink()


#: What is done to one file, and whether it shows before the first byte is sent.
DAMAGES: dict[str, tuple[Callable[[Path, Path], None], bool]] = {
    "flip": (flip, False),
    "swap": (swap, False),
    "cut": (cut, True),
    "extend": (extend, True),
    "empty": (empty, True),
    "remove": (remove, True),
}


@dataclass
class Scene:
    """A service with two stores of files that verify what they read, and a client of one version."""

    client: Client
    directory: Path
    told: Recorder

    def active(self, data: bytes, *, copied: bool = False) -> str:
        image_id = self.client.create("one")
        self.client.upload(image_id, data)
        if copied:
            add_copy(self.client.api.services, image_id, "costly")
        return image_id

    def file(self, image_id: str, place: str = "images") -> Path:
        return self.directory / place / image_id

    def damage(self, kind: str, image_id: str) -> bool:
        """Damages the first copy; whether that shows before the first byte is sent."""
        act, shows = DAMAGES[kind]
        act(self.file(image_id), self.file(self.active(OTHERS)))
        return shows

    def marked(self, image_id: str) -> list[str]:
        image = self.client.api.services.registry.images.get(unauthenticated(), image_id)
        return [location.store for location in image.locations if location.damaged]

    @property
    def told_of(self) -> list[tuple[str, str]]:
        return [(event.image.id, event.store) for event in self.told.events if isinstance(event, ImageDamaged)]


@pytest.fixture(params=["v1", "v2"])
def version(request: pytest.FixtureRequest) -> Version:
    return request.param


@pytest.fixture(params=["wsgi", "threads"])
def scene(request: pytest.FixtureRequest, version: Version, make_api: Callable[..., Api], tmp_path: Path) -> Iterator[Scene]:
    told = Recorder()
    api = make_api(stores=several_stores(tmp_path, TRAITS), notifier=told)
    if request.param == "wsgi":
        yield Scene(CLIENTS[version](api), tmp_path, told)
        return
    with served(pipeline(api.services, api.settings, trusted=False)) as port:
        yield Scene(CLIENTS[version](replace(api, send=http_sender(port))), tmp_path, told)


def assert_ends_short(scene: Scene, image_id: str) -> None:
    """What a client sees of a download that was found bad on the way: the application's error, or what a server makes of it."""
    with pytest.raises((http.client.IncompleteRead, errors.ImageDataDamaged)) as raised:
        scene.client.download(image_id)
    if isinstance(raised.value, http.client.IncompleteRead):
        assert 0 < len(raised.value.partial) < len(BYTES)


@pytest.mark.parametrize("kind", DAMAGES)
def test_download_when_the_first_copy_is_damaged_then_the_other_one_serves_and_nobody_gets_a_bad_whole(
    scene: Scene, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    image_id = scene.active(BYTES, copied=True)
    assert scene.client.download(image_id) == BYTES
    if not scene.damage(kind, image_id):
        assert_ends_short(scene, image_id)

    assert [scene.client.download(image_id) for _ in range(2)] == [BYTES] * 2
    assert (scene.marked(image_id), scene.told_of) == (["cheap"], [(image_id, "cheap")])
    about = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR and "marked as damaged" in record.getMessage()]
    assert [(image_id in message, "'cheap'" in message) for message in about] == [(True, True)]
    assert "file://" not in caplog.text
    assert scene.client.download(image_id, "bytes=10-19") == BYTES[10:20]


@pytest.mark.parametrize("kind", DAMAGES)
def test_download_when_the_only_copy_is_damaged_then_every_one_fails_until_it_is_repaired(scene: Scene, kind: str) -> None:
    image_id = scene.active(BYTES)
    shows = scene.damage(kind, image_id)
    for _ in range(2):
        if shows:
            with pytest.raises(Refused, match="404"):
                scene.client.download(image_id)
        else:
            assert_ends_short(scene, image_id)
    assert (scene.marked(image_id), scene.told_of) == (["cheap"], [(image_id, "cheap")])

    scene.file(image_id).write_bytes(BYTES)
    assert scene.client.download(image_id) == BYTES
    assert scene.marked(image_id) == []


def test_download_when_both_copies_are_damaged_then_no_whole_is_ever_sent(scene: Scene) -> None:
    image_id = scene.active(BYTES, copied=True)
    flip(scene.file(image_id), Path())
    flip(scene.file(image_id, "costly"), Path())
    for _ in range(3):
        assert_ends_short(scene, image_id)
    assert scene.marked(image_id) == ["cheap", "costly"]
