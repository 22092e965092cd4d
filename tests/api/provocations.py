"""For every error of the program and each version: how a client meets it over HTTP, or why it does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from sqlalchemy import Engine

from glance import errors
from glance.api.errors import Version
from glance.api.settings import ApiSettings, RateSettings
from glance.context import RequestContext, unauthenticated
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.errors import GlanceError
from glance.identity.limits import KeystoneLimits, LimitsSettings
from glance.interfaces import Location, QuotaSource
from glance.model.protections import Protections
from glance.model.quotas import EqualQuotas, Quotas
from glance.policies.engine import PolicyEngine
from glance.registry.client import RegistryClientSettings, connect
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.stores import StoreSet
from glance.testing.servers import free_ports
from glance.testing.wire import Answer
from tests.api.conftest import DATA, Api, pipeline, wsgi_sender
from tests.copies import several_stores
from tests.disk_images import BACKED, qcow2
from tests.services import with_archive
from tests.web import Web

BYTES = b"0123456789"
ID = "0a0a0a0a-0000-4000-8000-000000000001"
RAW = {"disk_format": "raw", "container_format": "bare"}


@dataclass(frozen=True)
class Scene:
    """A service with narrow limits, reached in one version by the project P1 unless another caller is named; its database; a web server with data."""

    api: Api
    version: Version
    web: Web
    engine: Engine

    def caller(self, project: str | None) -> Api:
        return self.api if project is None else self.api.as_caller(project, "admin" if project == "ADMIN" else "member")

    def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None, caller: str | None = "P1") -> Answer:
        return self.caller(caller).request(method, f"/{self.version}{path}", headers, body)

    def send_json(self, method: str, path: str, document: object, caller: str | None = "P1") -> Answer:
        return self.caller(caller).send_json(method, f"/{self.version}{path}", document)

    # What both versions do, each in its way

    def create(self, caller: str | None = "P1", **attributes: object) -> Answer:
        if self.version == "v1":
            return self.send("POST", "/images", _headers({**RAW, **attributes}), caller=caller)
        return self.send_json("POST", "/images", {**RAW, **attributes}, caller)

    def change(self, image_id: str, caller: str = "P1", **attributes: object) -> Answer:
        if self.version == "v1":
            return self.send("PUT", f"/images/{image_id}", {**_headers(attributes), "x-glance-registry-purge-props": "false"}, caller=caller)
        return self.caller(caller).patch(image_id, [{"op": "add", "path": f"/{name}", "value": value} for name, value in attributes.items()])

    def upload(self, image_id: str, body: bytes = BYTES, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send("PUT", f"/images/{image_id}{self.file}", {**DATA, **named}, body)

    def read(self, image_id: str, **headers: str) -> Answer:
        return self.send("GET", f"/images/{image_id}{self.file}", headers)

    def delete(self, image_id: str, caller: str = "P1") -> Answer:
        return self.send("DELETE", f"/images/{image_id}", caller=caller)

    def share(self, image_id: str, member: str, caller: str = "P1") -> Answer:
        if self.version == "v1":
            return self.send("PUT", f"/images/{image_id}/members/{member}", caller=caller)
        return self.send_json("POST", f"/images/{image_id}/members", {"member": member}, caller)

    @property
    def file(self) -> str:
        return "/file" if self.version == "v2" else ""

    # What the scene needs; the version does not matter

    def new(self, body: bytes | None = None, **attributes: object) -> str:
        return self.caller("P1").new(body, **attributes)

    def active(self) -> str:
        return self.new(BYTES)

    def shared(self, *members: str) -> str:
        image_id = self.active()
        for member in members:
            answer = self.caller("P1").send_json("POST", f"/v2/images/{image_id}/members", {"member": member})
            assert answer.status == 200, answer.text
        return image_id

    def deleted(self) -> str:
        image_id = self.new()
        assert self.delete(image_id).status in {200, 204}
        return image_id

    def deactivated(self) -> str:
        image_id = self.active()
        assert self.caller("ADMIN").request("POST", f"/v2/images/{image_id}/actions/deactivate").status == 204
        return image_id

    def public(self) -> str:
        return self.caller("ADMIN").new(visibility="public")

    def data(self, image_id: str) -> Path:
        return self.api.images / image_id

    def with_settings(self, settings: ApiSettings) -> Scene:
        return replace(self, api=replace(self.api, settings=settings, send=wsgi_sender(pipeline(self.api.services, settings, trusted=True))))

    def with_services(self, **changes: Any) -> Scene:
        services = replace(self.api.services, **changes)
        return replace(self, api=replace(self.api, services=services, send=wsgi_sender(pipeline(services, self.api.settings, trusted=True))))

    def with_rules(self, rules: Mapping[str, str]) -> Scene:
        """The service of an operator who has these rules in a file."""
        path = self.api.images.parent / "policy.json"
        path.write_text(json.dumps(rules))
        return self.with_services(policy=PolicyEngine(path))

    def with_rates(self, rates: RateSettings) -> Scene:
        return replace(self, api=replace(self.api, send=wsgi_sender(pipeline(self.api.services, self.api.settings, trusted=True, rates=rates))))

    def classic(self) -> Scene:
        """The service where every role may act, so that only ownership decides."""
        return self.with_services(policy=PolicyEngine(None, classic=True))

    def with_store(self, store: FileStore) -> Scene:
        return self.with_services(stores=StoreSet([store], store.name, self.api.services.stores.staging))

    def meanwhile(self, rule: str, act: Callable[[], object]) -> Scene:
        """The service where ``act`` happens just after a request was allowed by the policy ``rule``."""
        return self.with_services(policy=_Meanwhile(rule, act))


class _Meanwhile(PolicyEngine):
    """Allows what the defaults allow; does something when it is first asked about one rule."""

    def __init__(self, rule: str, act: Callable[[], object]) -> None:
        super().__init__(None)
        self._acts = {rule: act}

    def allows(self, rule: str, ctx: RequestContext, target: Mapping[str, object]) -> bool:
        self._acts.pop(rule, lambda: None)()
        return super().allows(rule, ctx, target)


class _Store(FileStore):
    """A file store in which something happens at every upload."""

    def __init__(self, directory: Path, happens: Callable[[str], object]) -> None:
        super().__init__("file", FileStoreSettings(datadir=directory))
        self._happens = happens

    def add(self, ctx: RequestContext, image_id: str, chunks: Any, size: int | None) -> Location:
        self._happens(image_id)
        return super().add(ctx, image_id, chunks, size)


Act = Callable[[Scene], Answer]


@dataclass(frozen=True)
class Provoked:
    """How an error is met. ``words``: what the answer says, for an error whose class does not."""

    act: Act
    words: str = ""


@dataclass(frozen=True)
class Never:
    """Why no client meets an error in a version."""

    reason: str


Entry = Provoked | Never


def both(act: Act, words: str = "") -> tuple[Entry, Entry]:
    return Provoked(act, words), Provoked(act, words)


def v1(act: Act, words: str = "", *, v2: str) -> tuple[Entry, Entry]:
    """Met in version 1 only; ``v2`` is the reason."""
    return Provoked(act, words), Never(v2)


def v2(act: Act, words: str = "", *, v1: str) -> tuple[Entry, Entry]:
    """Met in version 2 only; ``v1`` is the reason."""
    return Never(v1), Provoked(act, words)


def never(reason: str) -> tuple[Entry, Entry]:
    return Never(reason), Never(reason)


def _headers(attributes: Mapping[str, object]) -> dict[str, str]:
    return {f"x-image-meta-{name}": str(value) for name, value in attributes.items()}


def _external(scene: Scene, url: str, **headers: str) -> Answer:
    """An image of version 1 whose data are elsewhere."""
    return scene.send("POST", "/images", {**_headers({**RAW, "location": url}), **headers})


def _location(scene: Scene, image_id: str, url: str) -> Answer:
    """One more location of an image of version 2."""
    return scene.caller("P1").patch(image_id, [{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}])


def _raise(error: GlanceError) -> Callable[[str], object]:
    def happens(image_id: str) -> None:
        raise error

    return happens


def _failing(error: GlanceError) -> Act:
    return lambda scene: scene.with_store(_Store(scene.api.images, _raise(error))).upload(scene.new())


def _status_conflict(scene: Scene) -> Answer:
    image_id = scene.new()
    registry = scene.api.services.registry
    return scene.meanwhile("modify_image", lambda: registry.images.activate(unauthenticated(), image_id, None, 0)).change(image_id, name="other")


def _upload_lost(scene: Scene) -> Answer:
    store = _Store(scene.api.images, lambda image_id: scene.api.services.registry.images.delete(unauthenticated(), image_id))
    return scene.with_store(store).upload(scene.new())


def _object_exists(scene: Scene) -> Answer:
    image_id = scene.new()
    scene.data(image_id).write_bytes(b"somebody else's")
    return scene.upload(image_id)


def _data_missing(scene: Scene) -> Answer:
    image_id = scene.active()
    scene.data(image_id).unlink()
    return scene.read(image_id)


def _data_damaged(scene: Scene) -> Answer:
    image_id = scene.active()
    scene.data(image_id).write_bytes(b"short")
    return scene.read(image_id)


def _store_gone(scene: Scene) -> Answer:
    image_id = scene.active()
    shutil.rmtree(scene.api.images)
    scene.api.images.write_text("no directory")
    return scene.read(image_id)


def _read_only_store(scene: Scene) -> Answer:
    stores = scene.api.services.stores
    return scene.with_services(stores=StoreSet([stores.get("http")], "http", stores.staging)).upload(scene.new())


def _location_taken(scene: Scene) -> Answer:
    stores = scene.api.services.stores
    other = scene.with_services(stores=with_archive(stores, scene.api.images))
    url = scene.data(scene.active()).as_uri()
    return _external(other, url) if scene.version == "v1" else _location(other, scene.new(), url)


def _locations_changed(scene: Scene) -> Answer:
    image_id = scene.new()
    first, second, third = (scene.web.put(f"/{name}", BYTES) for name in ("first", "second", "third"))
    assert _location(scene, image_id, first).status == 200
    others = scene.meanwhile("set_image_location", lambda: _location(scene, image_id, second))
    return _location(others, image_id, third)


def _location_mismatch(scene: Scene) -> Answer:
    return _location(scene, scene.active(), scene.web.put("/others", b"9876543210"))


def _location_quota(scene: Scene) -> Answer:
    image_id = scene.new()
    for name in ("first", "second", "third"):
        answer = _location(scene, image_id, scene.web.put(f"/{name}", BYTES))
    return answer


def _once_too_often(scene: Scene) -> Answer:
    limited = scene.with_rates(RateSettings("1/day"))
    assert limited.send("GET", "/images").status == 200
    return limited.send("GET", "/images")


def _database_gone(scene: Scene) -> Answer:
    registry = SqlRegistry(make_engine(DatabaseSettings(connection="sqlite:////nowhere/glance.sqlite")))
    return scene.with_services(registry=registry).send("GET", "/images")


def _registry_gone(scene: Scene) -> Answer:
    [port] = free_ports(1)
    return scene.with_services(registry=connect(RegistryClientSettings(port=port))).send("GET", "/images")


def _limited(scene: Scene, quotas: QuotaSource) -> Scene:
    """The same service with quotas."""
    return scene.with_services(registry=SqlRegistry(scene.engine, quotas=quotas))


def _keystone_gone(scene: Scene) -> Answer:
    [port] = free_ports(1)
    keystone = Adapter(Session(), endpoint_override=f"http://127.0.0.1:{port}/v3")
    return _limited(scene, KeystoneLimits(keystone, LimitsSettings("an endpoint"))).create()


#: error -> what happens in v1 and in v2.
PROVOCATIONS: dict[type[GlanceError], tuple[Entry, Entry]] = {
    errors.GlanceError: never("the root of all others"),
    errors.Invalid: (
        Provoked(lambda scene: scene.create(created_at="yesterday"), "Invalid time format for created_at."),
        Provoked(lambda scene: scene.caller("P1").patch(scene.new(), [5]), "Operations must be JSON objects."),
    ),
    errors.InvalidValue: both(lambda scene: scene.create(min_ram=-1)),
    errors.InvalidHeader: v1(lambda scene: scene.create(colour="red"), v2="its attributes do not stand in headers"),
    errors.InvalidParameter: both(lambda scene: scene.send("GET", "/images?limit=a"), "limit param must be an integer"),
    errors.InvalidMember: v1(lambda scene: scene.send_json("PUT", f"/images/{scene.new()}/members", 5), v2="its schema finds what is wrong"),
    errors.InvalidImageId: v1(lambda scene: scene.create(id="nope"), v2="its schema finds what is wrong"),
    errors.FormatMissing: both(lambda scene: scene.upload(scene.new(disk_format=None))),
    errors.FormatUnknown: v1(lambda scene: scene.create(disk_format="floppy"), v2="its schema finds what is wrong"),
    errors.FormatMismatch: both(lambda scene: scene.create(disk_format="ami", container_format="bare")),
    errors.DataFormatMismatch: v2(lambda scene: scene.upload(scene.new(disk_format="qcow2")), v1="it keeps what is sent, whatever was declared"),
    errors.ImageUnsafe: both(lambda scene: scene.upload(scene.new(disk_format="qcow2"), qcow2(*BACKED, length=600))),
    errors.SourcesConflict: v1(
        lambda scene: _external(scene, scene.web.url("/a"), **{"x-glance-api-copy-from": scene.web.url("/a")}), v2="a request names one source"
    ),
    errors.SourceRefused: both(
        lambda scene: _external(scene, "file:///etc/passwd") if scene.version == "v1" else _location(scene, scene.new(), "file:///etc/passwd")
    ),
    errors.SourceUnreadable: both(
        lambda scene: (
            _external(scene, f"http://127.0.0.1:{free_ports(1)[0]}/")
            if scene.version == "v1"
            else _location(scene, scene.new(), f"http://127.0.0.1:{free_ports(1)[0]}/")
        )
    ),
    errors.StoreUnknown: both(
        lambda scene: scene.with_services(stores=several_stores(scene.api.images.parent)).upload(scene.new(), x_image_meta_store="zz")
    ),
    errors.StoreReadOnly: both(_read_only_store),
    errors.ContentTypeUnsupported: both(lambda scene: scene.upload(scene.new(), Content_Type="text/plain")),
    errors.ContentEncodingUnsupported: both(lambda scene: scene.upload(scene.new(), Content_Encoding="gzip")),
    errors.BodyMalformed: (
        Provoked(lambda scene: scene.send("PUT", f"/images/{scene.new()}/members", {}, b"{"), "Malformed JSON in request body."),
        Provoked(lambda scene: scene.send("POST", "/images", {}, b"{"), "Malformed JSON in request body."),
    ),
    errors.ClientDisconnected: both(lambda scene: scene.upload(scene.new(), Content_Length="20")),
    errors.SizeMismatch: v1(lambda scene: scene.upload(scene.new(), x_image_meta_size="5"), v2="a size that is announced has a sentence of its own"),
    errors.ChecksumMismatch: v1(lambda scene: scene.upload(scene.new(), x_image_meta_checksum="0" * 32), v2="clients announce no checksum"),
    errors.ImageTooLarge: both(lambda scene: scene.upload(scene.new(), BYTES * 200)),
    errors.LocationInvalid: v2(
        lambda scene: _location(scene, scene.new(), "http://user:secret@127.0.0.1/"), v1="its single location has the errors of sources"
    ),
    errors.NotAuthenticated: both(lambda scene: scene.send("GET", "/images", caller=None)),
    errors.Forbidden: (
        Never("everything that it forbids has an error of its own, but for images that wait for the scrubber"),
        Provoked(lambda scene: scene.create(size=5), "Attribute 'size' is read-only."),
    ),
    errors.TokenUnscoped: never("no version has been reached yet: test_keystone.py"),
    errors.PolicyForbids: both(
        lambda scene: scene.change(scene.new(), **({"is_public": True} if scene.version == "v1" else {"visibility": "public"}))
    ),
    errors.ImageHidden: v1(
        lambda scene: scene.with_rules({"get_image": "!", "modify_image": "!"}).change(scene.new(), name="new"), v2="it says that there is no image"
    ),
    errors.ReadOnlyContext: both(lambda scene: scene.with_settings(ApiSettings(allow_anonymous_access=True)).create(caller=None)),
    errors.ImageProtected: both(lambda scene: scene.delete(scene.new(protected=True))),
    errors.AttributeForbidden: (
        Provoked(lambda scene: scene.change(scene.active(), size=5)),
        Provoked(lambda scene: scene.change(scene.active(), owner="P2")),
    ),
    errors.PropertyProtected: both(
        lambda scene: scene.with_services(protections=Protections(())).create(**{"property-a" if scene.version == "v1" else "a": "x"})
    ),
    errors.OwnerForbidden: v2(lambda scene: scene.create(owner="P2"), v1="it ignores the owner that a project names"),
    errors.StatusForbidden: v2(
        lambda scene: scene.send("POST", f"/images/{scene.new()}/actions/deactivate", caller="ADMIN"), v1="there are no such actions"
    ),
    errors.ImageForbidden: both(lambda scene: scene.classic().change(scene.public(), caller="P2", name="mine")),
    errors.ImageDeleted: v1(lambda scene: scene.change(scene.deleted(), caller="ADMIN", name="x"), v2="nobody finds an image that is deleted"),
    errors.ImageDeactivated: both(lambda scene: scene.read(scene.deactivated())),
    errors.ShareForbidden: both(lambda scene: scene.classic().share(scene.shared("P2"), "P3", caller="P2")),
    errors.NotShared: v2(lambda scene: scene.share(scene.new(visibility="private"), "P2"), v1="every image can have members"),
    errors.LocationTaken: both(_location_taken),
    errors.NotFound: v2(
        lambda scene: scene.send("GET", "/info/stores"), "do not choose between stores", v1="what is not found is an image or a member"
    ),
    errors.ImageNotFound: both(lambda scene: scene.delete(ID)),
    errors.ImageGone: v1(lambda scene: scene.delete(scene.deleted(), caller="ADMIN"), v2="nobody finds an image that is deleted"),
    errors.ImageNotActive: v1(lambda scene: scene.read(scene.new()), v2="it answers 204 while there are no data"),
    errors.ImageDataMissing: both(_data_missing),
    errors.ImageDataDamaged: both(_data_damaged),
    errors.MemberNotFound: both(lambda scene: scene.send("DELETE", f"/images/{scene.new()}/members/P2")),
    errors.LocationNotFound: v1(lambda scene: _external(scene, scene.web.url("/nothing")), v2="such a location is invalid"),
    errors.TagNotFound: v2(lambda scene: scene.send("DELETE", f"/images/{scene.new()}/tags/x"), v1="there are no tags"),
    errors.MethodUnavailable: v2(
        lambda scene: scene.with_services(import_methods=()).send("PUT", f"/images/{scene.new()}/stage", DATA, BYTES), v1="there is no import"
    ),
    errors.Conflict: v2(
        lambda scene: scene.caller("P1").patch(scene.new(), [{"op": "remove", "path": "/a"}]),
        "Property a does not exist.",
        v1="every conflict has an error of its own",
    ),
    errors.ImageExists: both(lambda scene: scene.create(id=scene.new())),
    errors.ObjectExists: both(_object_exists),
    errors.MemberExists: v2(lambda scene: scene.share(scene.shared("P2"), "P2"), v1="sharing once more is fine"),
    errors.StatusConflict: both(_status_conflict),
    errors.NotQueued: both(lambda scene: scene.upload(scene.active())),
    errors.SourceSizeMismatch: v1(
        lambda scene: _external(scene, scene.web.put("/data", BYTES), **{"x-image-meta-size": "5"}), v2="clients announce no size of a location"
    ),
    errors.UploadLost: both(_upload_lost),
    errors.LocationsChanged: v2(_locations_changed, v1="an image that is queued gets one location"),
    errors.LocationMismatch: v2(_location_mismatch, v1="an image that has data gets no location"),
    errors.LimitExceeded: (
        Provoked(lambda scene: scene.send("PUT", f"/images/{scene.new()}/members", {}, b" " * 2**21), "The request body is longer than"),
        Provoked(lambda scene: scene.send("POST", "/images", {}, b" " * 2**21), "The request body is longer than"),
    ),
    errors.PropertyQuotaExceeded: both(
        lambda scene: scene.create(**({"property-a": "", "property-b": ""} if scene.version == "v1" else {"a": "", "b": ""}))
    ),
    errors.MemberQuotaExceeded: both(lambda scene: scene.share(scene.shared("P2"), "P3")),
    errors.TagQuotaExceeded: v2(lambda scene: scene.create(tags=["a", "b"]), v1="there are no tags"),
    errors.LocationQuotaExceeded: v2(_location_quota, v1="an image has one location"),
    errors.ProjectQuotaExceeded: both(lambda scene: _limited(scene, EqualQuotas(Quotas(stored=1))).upload(scene.new())),
    errors.StreamTooLarge: both(lambda scene: scene.upload(scene.new(), BYTES * 200, Transfer_Encoding="chunked")),
    errors.RateLimited: both(_once_too_often),
    errors.StorageFull: both(_failing(errors.StorageFull(store="file"))),
    errors.RangeNotSatisfiable: both(lambda scene: scene.read(scene.active(), Range="bytes=10-")),
    errors.Unavailable: never("what is not available has an error of its own"),
    errors.StoreUnavailable: both(_store_gone),
    errors.UploadLeftBehind: both(_failing(errors.UploadLeftBehind(store="file"))),
    errors.StoreWriteDenied: both(_failing(errors.StoreWriteDenied(store="file"))),
    errors.RegistryUnavailable: both(_registry_gone),
    errors.DatabaseUnavailable: both(_database_gone),
    errors.SchemaOutdated: never("only /readyz tells it"),
    errors.IdentityUnavailable: never("no version has been reached yet: test_keystone_trouble.py"),
    errors.LimitsUnavailable: both(_keystone_gone),
    errors.ConfigurationError: never("ends a program at its start"),
    errors.ConfigurationMissing: never("ends a program at its start"),
    errors.ConfigurationUnsafe: never("ends a program at its start"),
    errors.StoreMisconfigured: never("ends a program at its start"),
}
