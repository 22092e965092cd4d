"""Any sequence of calls of both versions, by several callers, on the real application; each answer and all that is seen is the model's."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule
from sqlalchemy import Engine

from glance.api.settings import ApiSettings
from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.model.status import TRANSITIONS
from glance.testing.wire import Answer
from tests.api.conftest import DATA, RAW, Api, pipeline, wsgi_sender
from tests.properties.model import ADMIN, ALICE, ANYBODY, BOB, CALLERS, CAROL, READABLE, Caller, Image, Model
from tests.services import make_services
from tests.web import Web

#: Notes each change of a status, whoever makes it.
DIARY = (
    "CREATE TABLE diary (image_id TEXT, old TEXT, new TEXT)",
    """CREATE TRIGGER note_status AFTER UPDATE OF status ON images WHEN old.status <> new.status
       BEGIN INSERT INTO diary VALUES (new.id, old.status, new.status); END""",
)
PATCH_TYPE = "application/openstack-images-v2.1-json-patch"
WRONG_MD5 = "0" * 32
#: What a member may think of an image.
OPINIONS = ("accepted", "rejected", "pending")

images = Bundle("images")
callers = st.sampled_from(CALLERS)
#: What callers are to an image; those who may do something come more often.
roles = st.sampled_from(("owner", "owner", "owner", "admin", "member", "member", "stranger", "anybody"))
owners = st.sampled_from((ALICE, BOB, ADMIN))
projects = st.sampled_from([caller.project for caller in (ALICE, BOB, CAROL)])
versions = st.sampled_from(("v1", "v2"))
names = st.sampled_from(("a", "b"))
#: No beginning of any format: images that look like what they are not may be refused.
bodies = st.binary(max_size=40).map(lambda data: b"\0" + data)
visibilities = st.sampled_from(("public", "private", "shared", "community"))


def is_live(image: Image) -> bool:
    return not image.deleted


def is_queued(image: Image) -> bool:
    return image.status == "queued"


def is_readable(image: Image) -> bool:
    return image.status in READABLE


def is_shared(image: Image) -> bool:
    return image.visibility == "shared" and not image.deleted


def has_members(image: Image) -> bool:
    return is_shared(image) and bool(image.members)


@cache
def empty_database() -> bytes:
    """A database with the newest schema and a diary of statuses: made once, since that takes longest."""
    with tempfile.TemporaryDirectory() as directory:
        engine = make_engine(DatabaseSettings(f"sqlite:///{directory}/empty.sqlite"))
        migrate.sync(engine)
        with engine.begin() as connection:
            for statement in DIARY:
                connection.exec_driver_sql(statement)
        with closing(engine.raw_connection()) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        engine.dispose()
        return Path(directory, "empty.sqlite").read_bytes()


class Service(RuleBasedStateMachine):
    """The service, and the model beside it; ``web`` has the data that images point to."""

    def __init__(self, web: Web) -> None:
        super().__init__()
        self.web = web
        self.directory = Path(tempfile.mkdtemp())
        (self.directory / "glance.sqlite").write_bytes(empty_database())
        self.engine: Engine = make_engine(DatabaseSettings(f"sqlite:///{self.directory}/glance.sqlite"))
        self.registry = SqlRegistry(self.engine)
        services, settings = make_services(self.directory, self.registry), ApiSettings(allow_anonymous_access=True)
        api = Api(services, settings, self.directory / "images", wsgi_sender(pipeline(services, settings, trusted=True)), {})
        self.apis = {caller: api.as_caller(caller.project, "admin" if caller.is_admin else "member") if caller.project else api for caller in CALLERS}
        self.model = Model()
        self.watching = self.engine.raw_connection()
        self.version = self.turn = 0

    def teardown(self) -> None:
        try:
            for caller in CALLERS:
                self.check_lists(caller)
        finally:
            self.watching.close()
            self.registry.close()
            shutil.rmtree(self.directory)

    # How calls are made, and what their answers mean

    def meet(self, image_id: str, role: str, apt: Callable[[Image], bool] = lambda image: True) -> tuple[Image, Caller]:
        """An image, and a caller who is that to it; where it has no member, a stranger is one. Owners turn to an image that is ``apt`` where there is
        one, lest most calls find nothing to do."""
        image = self.model.images[image_id]
        if role in {"admin", "anybody"}:
            return image, ADMIN if role == "admin" else ANYBODY
        if role == "owner":
            image = next((one for one in (image, *self.model.images.values()) if apt(one)), image)
        known = {"owner": {image.owner}, "member": set(image.members) - {image.owner}, "stranger": set()}[role]
        others = [caller for caller in (BOB, CAROL, ALICE) if caller.project not in {image.owner, *image.members}]
        return image, next((caller for caller in CALLERS if caller.project in known), others[0] if others else ANYBODY)

    def send(self, caller: Caller, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        answer = self.apis[caller].request(method, path, headers, body)
        assert answer.status < 500, answer.text
        return answer

    def send_json(self, caller: Caller, method: str, path: str, document: object) -> Answer:
        answer = self.apis[caller].send_json(method, path, document)
        assert answer.status < 500, answer.text
        return answer

    def refused(self, answer: Answer, caller: Caller, image: Image, *also: int) -> None:
        """A call for which the caller has no right, or the image no longer any life: whoever does not see it learns nothing."""
        if self.model.sees(caller, image):
            assert answer.status in {403, 404, *also}, answer.text
        elif caller == ADMIN:
            assert answer.status in {403, 404}, answer.text  # an administrator of v1 sees what was deleted
        elif caller == ANYBODY:
            assert answer.status in {401, 403, 404}, answer.text  # whoever only reads may be told so before the image is looked for
        else:
            assert answer.status == 404, answer.text

    @staticmethod
    def done(answer: Answer, *statuses: int) -> None:
        assert answer.status in statuses, answer.text

    # Calls that make images and give them data

    @initialize(target=images)
    def begin(self) -> Any:
        """Images that everything can be tried on at once: some that wait for data, one that everybody reads, one that has a member."""
        public, shared, *waiting = (
            self.created(self.create_v2(caller, "a", visibility), caller, "a", visibility)
            for caller, visibility in ((ADMIN, "public"), (BOB, "shared"), (ALICE, "private"), (ALICE, "shared"), (BOB, "community"))
        )
        self.upload(public, "owner", "v2", b"public", "whole")
        self.upload(shared, "owner", "v1", b"shared", "whole")
        self.add_member(shared, "owner", "v2", "carol")
        return multiple(public, shared, *waiting)

    @rule(target=images, caller=callers, version=versions, name=names, visibility=visibilities)
    def create(self, caller: Caller, version: str, name: str, visibility: str) -> Any:
        """Only administrators publish, and whoever is nobody creates nothing."""
        if version == "v1":
            visibility = "public" if visibility == "public" else "shared"
            headers = {**RAW, "x-image-meta-name": name, "x-image-meta-is_public": str(visibility == "public")}
            answer = self.send(caller, "POST", "/v1/images", headers)
        else:
            answer = self.create_v2(caller, name, visibility)
        if caller == ANYBODY or (visibility == "public" and not caller.is_admin):
            self.done(answer, 403)
            return multiple()
        return self.created(answer, caller, name, visibility)

    @rule(target=images, caller=owners, name=names, body=bodies, source=st.sampled_from(("body", "other body", "location", "copy")))
    def create_with_data(self, caller: Caller, name: str, body: bytes, source: str) -> str:
        """Version 1 makes an image of its data in one call; of data that are not what was announced nothing stays but the id."""
        headers = {**RAW, "x-image-meta-name": name}
        before = set(self.ids())
        if source in {"body", "other body"}:
            announced = {} if source == "body" else {"x-image-meta-checksum": WRONG_MD5}
            answer = self.send(caller, "POST", "/v1/images", {**headers, **DATA, **announced}, body)
        else:
            word = "x-image-meta-location" if source == "location" else "x-glance-api-copy-from"
            answer = self.send(caller, "POST", "/v1/images", {**headers, word: self.put_elsewhere(body)})
        if source != "other body":
            image_id = self.created(answer, caller, name, "shared")
            self.model.images[image_id].activate(body, elsewhere=source == "location")
            return image_id
        self.done(answer, 400)
        [image_id] = set(self.ids()) - before
        self.model.images[image_id] = Image(image_id, caller.project, name=name, status="killed")
        return image_id

    @rule(caller=owners, taken=images, version=versions)
    def create_with_taken_id(self, caller: Caller, taken: str, version: str) -> None:
        """An id is taken for ever, whoever sees the image, whether it is deleted or not."""
        if version == "v2":
            self.done(self.send_json(caller, "POST", "/v2/images", {"id": taken}), 409)
        else:
            self.done(self.send(caller, "POST", "/v1/images", {**RAW, "x-image-meta-id": taken}), 409)

    @rule(image_id=images, role=roles, version=versions, body=bodies, ending=st.sampled_from(("short", "whole", "wrong")))
    def upload(self, image_id: str, role: str, version: str, body: bytes, ending: str) -> None:
        """Data for an image: all that was announced, less, or (in version 1) other than announced."""
        image, caller = self.meet(image_id, role, is_queued)
        headers = {"short": {"Content-Length": str(len(body) + 1)}, "wrong": {"x-image-meta-checksum": WRONG_MD5}, "whole": {}}[ending]
        path = f"/v1/images/{image.id}" if version == "v1" else f"/v2/images/{image.id}/file"
        answer = self.send(caller, "PUT", path, {**DATA, **headers}, body)
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image, 409)
        elif image.status != "queued":
            self.done(answer, 409)
        elif ending == "short" or (ending == "wrong" and version == "v1"):
            self.done(answer, 400)
            image.status = "killed" if version == "v1" else "queued"
        else:
            self.done(answer, 200 if version == "v1" else 204)
            image.activate(body)

    @rule(image_id=images, role=roles, body=bodies, short=st.booleans())
    def stage(self, image_id: str, role: str, body: bytes, *, short: bool) -> None:
        image, caller = self.meet(image_id, role, is_queued)
        headers = {"Content-Length": str(len(body) + 1)} if short else {}
        answer = self.send(caller, "PUT", f"/v2/images/{image.id}/stage", {**DATA, **headers}, body)
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image, 409)
        elif image.status != "queued":
            self.done(answer, 409)
        elif short:
            self.done(answer, 400)
        else:
            self.done(answer, 204)
            image.status, image.staged = "uploading", body

    @rule(image_id=images, role=roles, body=bodies, stated=st.sampled_from(("nothing", "right", "wrong")))
    def register(self, image_id: str, role: str, body: bytes, stated: str) -> None:
        """Data that stay where they are; they must be what is stated of them, if anything is."""
        image, caller = self.meet(image_id, role, is_queued)
        document: dict[str, Any] = {"url": self.put_elsewhere(body)}
        if stated != "nothing":
            digest = hashlib.sha512(body if stated == "right" else body + b"x").hexdigest()
            document["validation_data"] = {"os_hash_algo": "sha512", "os_hash_value": digest}
        answer = self.send_json(caller, "POST", f"/v2/images/{image.id}/locations", document)
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image, 409)
        elif image.status != "queued":
            self.done(answer, 409)
        else:
            self.done(answer, 202)
            if stated != "wrong":
                image.activate(body, elsewhere=True)

    # Calls that change images

    @rule(image_id=images, role=roles, name=names, word=st.sampled_from(("name", "property", "protected", "hidden")), on=st.booleans())
    def patch(self, image_id: str, role: str, name: str, word: str, *, on: bool) -> None:
        image, caller = self.meet(image_id, role, is_live)
        path, value = {"name": ("name", name), "property": ("p", name), "protected": ("protected", on), "hidden": ("os_hidden", on)}[word]
        answer = self.send_patch(caller, image.id, path, value)
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image)
            return
        self.done(answer, 200)
        if word == "property":
            image.properties["p"] = name
        else:
            setattr(image, word, value)

    @rule(image_id=images, role=roles, visibility=visibilities)
    def patch_visibility(self, image_id: str, role: str, visibility: str) -> None:
        image, caller = self.meet(image_id, role, is_live)
        answer = self.send_patch(caller, image.id, "visibility", visibility)
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image)
        elif visibility == "public" != image.visibility and not caller.is_admin:
            self.done(answer, 403)
        else:
            self.done(answer, 200)
            image.visibility = visibility

    @rule(image_id=images, role=roles, name=names, public=st.none() | st.booleans(), protected=st.none() | st.booleans(), purge=st.booleans())
    def put(self, image_id: str, role: str, name: str, public: bool | None, protected: bool | None, *, purge: bool) -> None:
        """A change by way of version 1, which knows only public and not public."""
        image, caller = self.meet(image_id, role, is_live)
        headers = {"x-image-meta-name": name, "x-image-meta-property-q": name, "x-glance-registry-purge-props": str(purge)}
        headers |= {f"x-image-meta-{word}": str(value) for word, value in (("is_public", public), ("protected", protected)) if value is not None}
        answer = self.send(caller, "PUT", f"/v1/images/{image.id}", headers)
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image)
        elif public and image.visibility != "public" and not caller.is_admin:
            self.done(answer, 403)
        else:
            self.done(answer, 200)
            image.name = name
            image.properties = {**({} if purge else image.properties), "q": name}
            image.protected = image.protected if protected is None else protected
            if public is not None and public != (image.visibility == "public"):
                image.visibility = "public" if public else "shared"

    @rule(image_id=images, role=roles, tag=st.sampled_from(("x", "y")), adds=st.booleans())
    def tag(self, image_id: str, role: str, tag: str, *, adds: bool) -> None:
        image, caller = self.meet(image_id, role, is_live)
        answer = self.send(caller, "PUT" if adds else "DELETE", f"/v2/images/{image.id}/tags/{tag}")
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image)
        elif adds or tag in image.tags:
            self.done(answer, 204)
            image.tags = image.tags | {tag} if adds else image.tags - {tag}
        else:
            self.done(answer, 404)

    @rule(image_id=images, role=roles, closes=st.booleans())
    def switch(self, image_id: str, role: str, *, closes: bool) -> None:
        """Closes an image's data to readers, or opens them again."""
        image, caller = self.meet(image_id, role, is_readable)
        answer = self.send(caller, "POST", f"/v2/images/{image.id}/actions/{'deactivate' if closes else 'reactivate'}")
        if not self.model.changes(caller, image):
            if not (self.model.sees(caller, image) and answer.status == 204 and image.status == ("deactivated" if closes else "active")):
                self.refused(answer, caller, image)
        elif image.status in {"active", "deactivated"}:
            self.done(answer, 204)
            image.status = "deactivated" if closes else "active"
        else:
            self.done(answer, 403)

    @precondition(lambda self: sum(not image.deleted for image in self.model.images.values()) > 2)
    @rule(image_id=images, role=roles, version=versions)
    def delete(self, image_id: str, role: str, version: str) -> None:
        image, caller = self.meet(image_id, role, is_live)
        answer = self.send(caller, "DELETE", f"/{version}/images/{image.id}")
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image)
        elif image.protected:
            self.done(answer, 403)
        else:
            self.done(answer, 200 if version == "v1" else 204)
            image.delete()

    # Calls about members

    @rule(image_id=images, role=roles, version=versions, project=projects)
    def add_member(self, image_id: str, role: str, version: str, project: str) -> None:
        image, caller = self.meet(image_id, role, is_shared)
        if version == "v1":
            answer = self.send(caller, "PUT", f"/v1/images/{image.id}/members/{project}")
        else:
            answer = self.send_json(caller, "POST", f"/v2/images/{image.id}/members", {"member": project})
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image)
        elif version == "v2" and image.visibility != "shared":
            self.done(answer, 403)
        elif version == "v2" and project in image.members:
            self.done(answer, 409)
        else:
            self.done(answer, 204 if version == "v1" else 200)
            image.members.setdefault(project, "pending")

    @rule(image_id=images, role=roles, wanted=st.sets(projects))
    def replace_members(self, image_id: str, role: str, wanted: set[str]) -> None:
        image, caller = self.meet(image_id, role, is_shared)
        document = {"memberships": [{"member_id": project} for project in sorted(wanted)]}
        answer = self.send_json(caller, "PUT", f"/v1/images/{image.id}/members", document)
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image)
        else:
            self.done(answer, 204)
            image.members = {project: image.members.get(project, "pending") for project in wanted}

    @rule(image_id=images, role=roles, project=projects, status=st.sampled_from(OPINIONS))
    def answer_member(self, image_id: str, role: str, project: str, status: str) -> None:
        """Only the member itself and administrators say what the member thinks."""
        image, caller = self.meet(image_id, role, has_members)
        if role == "member" and caller.project:
            project = caller.project
        answer = self.send_json(caller, "PUT", f"/v2/images/{image.id}/members/{project}", {"status": status})
        if not self.model.sees(caller, image) or not (caller.is_admin or caller.project == project):
            self.refused(answer, caller, image)
        elif project not in image.members:
            self.done(answer, 404)
        else:
            self.done(answer, 200)
            image.members[project] = status

    @rule(image_id=images, role=roles, version=versions, project=projects)
    def remove_member(self, image_id: str, role: str, version: str, project: str) -> None:
        image, caller = self.meet(image_id, role, has_members)
        if role == "owner":
            project = next(iter(sorted(image.members)), project)
        answer = self.send(caller, "DELETE", f"/{version}/images/{image.id}/members/{project}")
        if not self.model.changes(caller, image):
            self.refused(answer, caller, image)
        elif project not in image.members:
            self.done(answer, 404)
        else:
            self.done(answer, 204)
            del image.members[project]

    # What is seen

    @rule(image_id=images, role=roles, version=versions)
    def download(self, image_id: str, role: str, version: str) -> None:
        image, caller = self.meet(image_id, role, is_readable)
        answer = self.send(caller, "GET", f"/v1/images/{image.id}" if version == "v1" else f"/v2/images/{image.id}/file")
        if not self.model.sees(caller, image):
            self.refused(answer, caller, image)
        elif image.status == "deactivated" and not (version == "v2" and caller.is_admin):
            self.done(answer, 403)
        elif image.status not in {"active", "deactivated"}:
            self.done(answer, 404 if version == "v1" else 204)
        else:
            assert (answer.status, answer.body) == (200, image.body)

    @rule(image_id=images, role=roles)
    def show(self, image_id: str, role: str) -> None:
        """Both versions tell the same of one image to whoever sees it, and of no other."""
        image, caller = self.meet(image_id, role)
        one, two = self.send(caller, "HEAD", f"/v1/images/{image.id}"), self.send(caller, "GET", f"/v2/images/{image.id}")
        if not self.model.sees(caller, image):
            assert (one.status, two.status) == (200 if caller.is_admin else 404, 404)
            return
        shown = two.json
        told = {name: shown[name] for name in ("name", "status", "visibility", "owner", "protected", "os_hidden")}
        known = {name: getattr(image, name) for name in ("name", "status", "visibility", "owner", "protected")} | {"os_hidden": image.hidden}
        assert told == known
        assert set(shown["tags"]) == image.tags
        assert {name: shown[name] for name in "pq" if name in shown} == image.properties
        headers = {name.lower().removeprefix("x-image-meta-"): value for name, value in one.headers}
        assert (headers["status"], headers["is_public"]) == (image.status, str(image.visibility == "public"))
        assert {name: headers[f"property-{name}"] for name in "pq" if f"property-{name}" in headers} == image.properties

    @rule(image_id=images, role=roles, version=versions)
    def list_members(self, image_id: str, role: str, version: str) -> None:
        image, caller = self.meet(image_id, role, is_shared)
        answer = self.send(caller, "GET", f"/{version}/images/{image.id}/members")
        if not self.model.sees(caller, image):
            self.refused(answer, caller, image)
        elif caller == ANYBODY or (version == "v2" and image.visibility != "shared"):
            self.done(answer, 403)
        else:
            seen = {one for one in image.members if self.model.changes(caller, image) or one == caller.project}
            assert {one["member_id"] for one in answer.json["members"]} == seen

    # What holds after every call

    @invariant()
    def lists_show_what_the_model_shows(self) -> None:
        """After every change to one caller, in turn; at the end to all of them."""
        if self.changed():
            self.turn += 1
            self.check_lists(CALLERS[self.turn % len(CALLERS)])

    @rule(caller=callers, hidden=st.booleans(), status=st.sampled_from((*OPINIONS, "all")), visibility=st.sampled_from(("", "all")) | visibilities)
    def list_some(self, caller: Caller, status: str, visibility: str, *, hidden: bool) -> None:
        asked = f"os_hidden={str(hidden).lower()}&member_status={status}{f'&visibility={visibility}' if visibility else ''}"
        found = self.listed(caller, f"/v2/images?limit=1000&{asked}")
        assert found == self.model.listed_by_v2(caller, hidden=hidden, visibility=visibility, member_status=status)

    @invariant()
    def statuses_go_only_the_ways_there_are(self) -> None:
        with self.engine.connect() as connection:
            for image_id, old, new in connection.exec_driver_sql("SELECT image_id, old, new FROM diary").all():
                assert new in TRANSITIONS[old], image_id
            statuses = {row.id: row.status for row in connection.exec_driver_sql("SELECT id, status FROM images")}
        assert statuses == {image.id: image.status for image in self.model.images.values()}

    @invariant()
    def stores_hold_exactly_the_data_of_images(self) -> None:
        assert self.files("images") == self.model.stored()
        assert self.files("staging") == self.model.staged()

    # Short ways

    def check_lists(self, caller: Caller) -> None:
        assert self.listed(caller, "/v1/images/detail?limit=1000") == self.model.listed_by_v1(caller)
        assert self.listed(caller, "/v1/images?limit=1000&is_public=none") == self.model.listed_by_v1(caller, every=True)
        assert self.listed(caller, "/v2/images?limit=1000") == self.model.listed_by_v2(caller)

    def changed(self) -> bool:
        """Somebody wrote to the database since this was asked last; if not, no list can be another."""
        before = self.version
        (self.version,) = self.watching.cursor().execute("PRAGMA data_version").fetchone()
        return before != self.version

    def create_v2(self, caller: Caller, name: str, visibility: str) -> Answer:
        document = {"name": name, "visibility": visibility, "disk_format": "raw", "container_format": "bare"}
        return self.send_json(caller, "POST", "/v2/images", document)

    def created(self, answer: Answer, caller: Caller, name: str, visibility: str) -> str:
        self.done(answer, 201)
        document: Any = answer.json
        image_id = str(document.get("image", document)["id"])
        self.model.images[image_id] = Image(image_id, caller.project, visibility, name)
        return image_id

    def put_elsewhere(self, body: bytes) -> str:
        """The URL of new data on the web server."""
        return self.web.put(f"/{len(self.web.objects)}", body)

    def send_patch(self, caller: Caller, image_id: str, path: str, value: object) -> Answer:
        answer = self.apis[caller].patch(image_id, [{"op": "add", "path": f"/{path}", "value": value}])
        assert answer.status < 500, answer.text
        return answer

    def listed(self, caller: Caller, path: str) -> set[str]:
        return {image["id"] for image in self.apis[caller].get(path)["images"]}

    def ids(self) -> list[str]:
        with self.engine.connect() as connection:
            return list(connection.exec_driver_sql("SELECT id FROM images").scalars())

    def files(self, directory: str) -> dict[str, bytes]:
        path = self.directory / directory
        return {one.name: one.read_bytes() for one in path.iterdir()} if path.exists() else {}
