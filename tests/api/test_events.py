"""Every use case that changes something tells so, once it has done it; whatever is refused tells nothing (spec-v2 11)."""

from __future__ import annotations

import ast
import inspect
import io
import json
import pkgutil
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

import glance.service
from glance import errors
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model.events import ImageSent, every_event
from glance.model.image import Image, ImageChanges, Membership
from glance.model.locations import AddLocation, StatedLocation
from glance.model.status import DEACTIVATED
from glance.service import Services, image_data, images, locations, members, registration, staging, stores
from glance.service.authorize import authorize_change
from glance.service.data_sources import Body, Copied, DataSource, External, NoBytes
from tests.api.conftest import served
from tests.copies import add_copy, several_stores
from tests.services import Recorder, make_services

TOKEN = "gAAAAB-token"
ADMIN = RequestContext(user="boss", project="operators", roles=("admin", "service"), is_admin=True, auth_token=TOKEN)
GUEST = RequestContext(user="gus", project="guests", roles=("member", "reader"), auth_token=TOKEN)
DATA = b"bytes of an image"
DRAFT = Image(id="", name="draft", owner="owner", disk_format="raw", container_format="bare", properties={"a": "1"}, tags=("t",))

UPLOADED = ["image.prepare", "image.upload", "image.activate"]


@dataclass
class Scene:
    """Services, what they told, and a server of data elsewhere."""

    services: Services
    told: Recorder
    url: str

    def queued(self) -> str:
        return images.create(self.services, ADMIN, DRAFT).id

    def active(self) -> str:
        return images.create(self.services, ADMIN, DRAFT, body()).id

    def deactivated(self) -> str:
        return images.deactivate(self.services, ADMIN, self.active()).id

    def copied(self) -> str:
        return add_copy(self.services, self.active(), "costly").id

    def shared(self) -> str:
        image_id = self.active()
        members.add(self.services, ADMIN, image_id, "guests")
        return image_id


def body(data: bytes = DATA) -> Body:
    return Body(io.BytesIO(data), len(data))


def external_data(environ: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", str(len(DATA)))])
    return [DATA]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served(external_data) as port:
        yield f"http://127.0.0.1:{port}/secret/place.img"


@pytest.fixture
def scene(tmp_path: Path, registry: Registry, url: str) -> Scene:
    told = Recorder()
    return Scene(make_services(tmp_path, registry, notifier=told, stores=several_stores(tmp_path)), told, url)


@dataclass(frozen=True)
class Scenario:
    """A call of a use case on an image that ``prepare`` makes, and the types of the events that it causes."""

    use_case: str
    act: Callable[[Scene, RequestContext, str], object]
    events: list[str]
    prepare: Callable[[Scene], str] = field(default=Scene.queued)


SCENARIOS = {
    "create": Scenario("images.create", lambda on, ctx, _: images.create(on.services, ctx, DRAFT), ["image.create"]),
    "create with data": Scenario("images.create", lambda on, ctx, _: images.create(on.services, ctx, DRAFT, body()), ["image.create", *UPLOADED]),
    "create of a copy": Scenario(
        "images.create", lambda on, ctx, _: images.create(on.services, ctx, DRAFT, Copied(on.url)), ["image.create", *UPLOADED]
    ),
    "create at a location": Scenario(
        "images.create", lambda on, ctx, _: images.create(on.services, ctx, DRAFT, External(on.url)), ["image.create", "image.activate"]
    ),
    "create without bytes": Scenario(
        "images.create", lambda on, ctx, _: images.create(on.services, ctx, DRAFT, NoBytes()), ["image.create", "image.activate"]
    ),
    "update": Scenario("images.update", lambda on, ctx, id_: images.update(on.services, ctx, id_, ImageChanges({"name": "new"})), ["image.update"]),
    "update with data": Scenario(
        "images.update",
        lambda on, ctx, id_: images.update(on.services, ctx, id_, ImageChanges({"name": "new"}), body()),
        ["image.update", *UPLOADED],
    ),
    "delete": Scenario("images.delete", lambda on, ctx, id_: images.delete(on.services, ctx, id_), ["image.delete"], Scene.active),
    "attach": Scenario("images.attach", lambda on, ctx, id_: images.attach(on.services, ctx, id_, body()), UPLOADED),
    "deactivate": Scenario("images.deactivate", lambda on, ctx, id_: images.deactivate(on.services, ctx, id_), ["image.update"], Scene.active),
    "reactivate": Scenario("images.reactivate", lambda on, ctx, id_: images.reactivate(on.services, ctx, id_), ["image.update"], Scene.deactivated),
    "tag": Scenario("images.tag", lambda on, ctx, id_: images.tag(on.services, ctx, id_, "new"), ["image.update"]),
    "untag": Scenario("images.untag", lambda on, ctx, id_: images.untag(on.services, ctx, id_, "t"), ["image.update"]),
    "share": Scenario(
        "members.share",
        lambda on, ctx, id_: members.share(on.services, ctx, id_, [Membership("guests", can_share=True), Membership("new")]),
        ["image.member.update", "image.member.create"],
        Scene.shared,
    ),
    "share anew": Scenario(
        "members.share",
        lambda on, ctx, id_: members.share(on.services, ctx, id_, [Membership("new")], replace=True),
        ["image.member.create", "image.member.delete"],
        Scene.shared,
    ),
    "add": Scenario("members.add", lambda on, ctx, id_: members.add(on.services, ctx, id_, "guests"), ["image.member.create"]),
    "answer": Scenario(
        "members.answer", lambda on, ctx, id_: members.answer(on.services, ctx, id_, "guests", "accepted"), ["image.member.update"], Scene.shared
    ),
    "unshare": Scenario(
        "members.unshare", lambda on, ctx, id_: members.unshare(on.services, ctx, id_, "guests"), ["image.member.delete"], Scene.shared
    ),
    "stage": Scenario("staging.stage", lambda on, ctx, id_: staging.stage(on.services, ctx, id_, io.BytesIO(DATA), len(DATA)), ["image.update"]),
    "change of locations": Scenario(
        "locations.change",
        lambda on, ctx, id_: locations.change(on.services, ctx, id_, [AddLocation(StatedLocation(on.url), 0)]),
        ["image.activate", "image.update"],
    ),
    "delete from a store": Scenario(
        "stores.delete_from", lambda on, ctx, id_: stores.delete_from(on.services, ctx, "cheap", id_), ["image.update"], Scene.copied
    ),
    "register": Scenario("registration.register", lambda on, ctx, id_: registration.register(on.services, ctx, id_, on.url), ["image.activate"]),
}


def use_cases() -> dict[str, FunctionType]:
    """All public functions of the room that a caller can ask for, by module and name."""
    modules = [import_module(f"glance.service.{one.name}") for one in pkgutil.iter_modules(glance.service.__path__) if one.name != "authorize"]
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": one
        for module in modules
        for name, one in vars(module).items()
        if inspect.isfunction(one) and one.__module__ == module.__name__ and not name.startswith("_") and takes_a_caller(one)
    }


def takes_a_caller(function: FunctionType) -> bool:
    return list(inspect.signature(function).parameters)[:2] == ["services", "ctx"]


def authorizes_a_change(function: FunctionType, seen: set[FunctionType] | None = None) -> bool:
    """Whether the function, or one of the room that it uses, asks for a change; a source of data always does."""
    seen = {function} if seen is None else seen | {function}
    used = [named(function, node) for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function))))]
    if any(one is authorize_change or one is DataSource for one in used):
        return True
    return any(authorizes_a_change(one, seen) for one in used if inspect.isfunction(one) and one.__module__ in ROOM and one not in seen)


def named(function: FunctionType, node: ast.AST) -> object:
    """What a name, or an attribute of a module, stands for in a function."""
    if isinstance(node, ast.Name):
        return function.__globals__.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        module = function.__globals__.get(node.value.id)
        return getattr(module, node.attr, None) if isinstance(module, ModuleType) else None
    return None


ROOM = {one.__module__ for one in use_cases().values()}


def test_use_cases_that_authorize_a_change_then_are_the_ones_whose_events_are_tested() -> None:
    assert {name for name, one in use_cases().items() if authorizes_a_change(one)} == {one.use_case for one in SCENARIOS.values()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_use_case_when_it_succeeds_then_tells_its_events(scene: Scene, name: str) -> None:
    scenario = SCENARIOS[name]
    image_id = scenario.prepare(scene)
    scene.told.events.clear()
    scenario.act(scene, ADMIN, image_id)
    assert scene.told.types == scenario.events
    assert {event.priority for event in scene.told.events} == {"INFO"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_use_case_when_refused_then_tells_nothing(scene: Scene, name: str) -> None:
    scenario = SCENARIOS[name]
    image_id = scenario.prepare(scene)
    scene.told.events.clear()
    with pytest.raises(errors.ReadOnlyContext):
        scenario.act(scene, replace(ADMIN, read_only=True), image_id)
    assert scene.told.events == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_use_case_when_the_caller_is_a_stranger_then_tells_nothing_about_that_image(scene: Scene, name: str) -> None:
    scenario = SCENARIOS[name]
    image_id = Scene.active(scene)
    scene.told.events.clear()
    try:
        scenario.act(scene, GUEST, image_id)
    except errors.NotFound:
        assert scene.told.events == []
    else:
        assert scenario.use_case == "images.create"


def test_update_when_nothing_changes_then_tells_nothing(scene: Scene) -> None:
    image_id = scene.queued()
    scene.told.events.clear()
    images.update(scene.services, ADMIN, image_id, ImageChanges())
    members.share(scene.services, ADMIN, image_id, [])
    images.reactivate(scene.services, ADMIN, scene.active())
    assert "image.update" not in scene.told.types


def test_deactivated_when_it_is_told_then_with_its_new_status(scene: Scene) -> None:
    scene.deactivated()
    assert scene.told.events[-1].payload()["status"] == DEACTIVATED  # type: ignore[index]


def test_delete_then_tells_what_was_deleted_and_when(scene: Scene) -> None:
    images.delete(scene.services, ADMIN, scene.active())
    payload = scene.told.events[-1].payload()
    assert isinstance(payload, dict)
    assert (payload["deleted"], payload["status"], payload["properties"], payload["tags"]) == (True, "deleted", {"a": "1"}, ["t"])
    assert payload["deleted_at"].endswith("Z")


def test_upload_when_it_fails_then_told_as_an_error_with_a_text(scene: Scene) -> None:
    image_id = scene.queued()
    scene.told.events.clear()
    with pytest.raises(errors.ClientDisconnected):
        images.attach(scene.services, ADMIN, image_id, Body(io.BytesIO(DATA), len(DATA) + 1))
    assert scene.told.types == ["image.prepare", "image.upload"]
    failed = scene.told.events[-1]
    assert (failed.priority, failed.payload()) == (
        "ERROR",
        f"The data of image {image_id} could not be stored: Client disconnected before sending all data to backend",
    )


def test_copy_when_its_source_is_refused_then_the_text_does_not_name_the_source(scene: Scene) -> None:
    def refuse(size: int) -> bytes:
        raise errors.SourceRefused(source=scene.url)

    class Refusing:
        read = staticmethod(refuse)

    with pytest.raises(errors.SourceRefused):
        images.attach(scene.services, ADMIN, scene.queued(), Body(Refusing(), None))
    assert str(scene.told.events[-1].payload()).endswith(": source-refused")


@pytest.mark.parametrize(("taken", "priority"), [(0, "ERROR"), (1, "INFO")])
def test_download_when_it_ends_then_the_bytes_taken_are_told_once(scene: Scene, taken: int, priority: str) -> None:
    image = images.get(scene.services, GUEST, scene.shared())
    scene.told.events.clear()
    blob = image_data.open_data(scene.services, GUEST, image)
    assert blob is not None
    chunks = iter(blob)
    for _ in range(taken + 1):
        next(chunks, None)
    blob.close()
    blob.close()
    assert scene.told.events == [ImageSent(image, taken * len(DATA), len(DATA), "gus", "guests", "cheap")]
    assert scene.told.events[0].priority == priority


def test_download_of_an_image_without_bytes_then_told(scene: Scene) -> None:
    image = images.create(scene.services, ADMIN, DRAFT, NoBytes())
    assert image_data.open_data(scene.services, ADMIN, image) is None
    assert scene.told.events[-1] == ImageSent(image, 0, 0, "boss", "operators")


def test_events_of_all_kinds_then_hold_no_location_and_no_secret(scene: Scene, tmp_path: Path) -> None:
    for scenario in SCENARIOS.values():
        scenario.act(scene, ADMIN, scenario.prepare(scene))
    for source in (body(), External(scene.url)):
        blob = image_data.open_data(scene.services, ADMIN, images.create(scene.services, ADMIN, DRAFT, source))
        assert blob is not None
        blob.close()
    with pytest.raises(errors.ClientDisconnected):
        images.attach(scene.services, ADMIN, scene.queued(), Body(io.BytesIO(DATA), len(DATA) + 1))
    gone = images.get(scene.services, ADMIN, scene.active())
    (tmp_path / "images" / gone.id).unlink()
    with pytest.raises(errors.ImageDataMissing):
        image_data.open_data(scene.services, ADMIN, gone)

    assert {type(event) for event in scene.told.events} == set(every_event())
    for event in scene.told.events:
        text = json.dumps(event.payload())
        assert [word for word in ("://", "location", "place.img", str(tmp_path), TOKEN) if word in text] == []
