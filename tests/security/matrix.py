"""The security matrix: every flavor with each kind of registry, who calls there, and one place of it as a test sees it (issues S01 to S22)."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TypeVar

import pytest

from glance.identity import issuing
from glance.testing.servers import Glance, Options, wait_until
from glance.testing.servers import Service as Program
from glance.testing.wire import Answer
from tests.canaries import Listener
from tests.keystone_server import PASSWORD, KeystoneServer
from tests.spellings import spellings

FLAVORS = ("none", "trusted-auth", "tokens", "keystone")
REGISTRIES = ("embedded", "http")
PLACES = [f"{flavor}/{registry}" for flavor, registry in product(FLAVORS, REGISTRIES)]
#: Where a row sends all spellings of what it sends, for headers count most there. Elsewhere it sends one of each, another in each place.
IN_FULL = "trusted-auth/http"

#: Project and role of everybody: two who share nothing, a reader beside the first one, an administrator, another service.
ROLES = {
    "A": ("alpha", "member"),
    "B": ("beta", "member"),
    "R": ("alpha", "reader"),
    "ADM": ("operations", "admin"),
    "SVC": ("services", "service"),
}
#: Somebody who brings nothing at all.
ANON = "ANON"

#: Every secret of the configurations that may be chosen, and the content of a file that no request may reach.
SENT = "zqsentinelzq"
LEAK = "zqleakmarkerzq"

FORMATS = {"disk_format": "raw", "container_format": "bare"}
DATA_TYPE = {"Content-Type": "application/octet-stream"}
JSON_TYPE = {"Content-Type": "application/json"}
PATCH_TYPE = {"Content-Type": "application/openstack-images-v2.1-json-patch"}

#: Bytes of an image.
SIZE = 64 << 10
_seeds = itertools.count()

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """Whoever sends ``headers`` with every request; ``token`` is in them."""

    project: str
    headers: Mapping[str, str] = field(repr=False)
    token: str = field(repr=False)


Callers = Mapping[str, Caller]


def with_names() -> Callers:
    """Callers as a proxy names them, which passes their tokens on. Where nobody is asked, all of that means nothing."""
    return {who: _named(who, project, role) for who, (project, role) in ROLES.items()}


def with_issued_tokens(file: Path) -> Callers:
    """Callers with tokens of the operator, which are in that file then."""
    issued = {who: issuing.create(file, f"user-{who}", project, [role]) for who, (project, role) in ROLES.items()}
    return {who: _with_token(token.project, secret) for who, (secret, token) in issued.items()}


def with_users(server: KeystoneServer) -> Callers:
    """Callers with tokens of keystone, which also names their projects."""
    projects = {name: server.project() for name, _role in ROLES.values()}
    users = {who: server.user(role, project=projects[name]) for who, (name, role) in ROLES.items()}
    return {who: _with_token(user.project, server.token(user)) for who, user in users.items()}


def _named(who: str, project: str, role: str) -> Caller:
    identity = {"X-Identity-Status": "Confirmed", "X-User-Id": f"user-{who}", "X-Tenant-Id": project, "X-Roles": role}
    token = f"{SENT}-{who}"
    return Caller(project, {**identity, "X-Auth-Token": token}, token)


def _with_token(project: str, token: str) -> Caller:
    return Caller(project, {"X-Auth-Token": token}, token)


def only_in(place: str) -> pytest.MarkDecorator:
    """For a test of what depends on no place: it runs in that one alone."""
    return pytest.mark.parametrize("place", [place], indirect=True)


def options(registry: str) -> dict[str, dict[str, object]]:
    """The configuration of a place: one process a program, which tells all that it can, and ``SENT`` wherever a secret may stand."""
    return {
        "DEFAULT": {"debug": True, "workers": 0, "registry_mode": registry, "registry_shared_secret": SENT},
        "glance_store": {"swift_store_key": SENT, "s3_store_secret_key": SENT},
        "oslo_messaging_notifications": {"driver": "log"},
    }


@dataclass(frozen=True)
class Picture:
    """An active image, and what its data are; ``sha512`` is hexadecimal."""

    id: str
    sha512: str
    data: bytes = field(repr=False)

    @property
    def v1(self) -> str:
        return f"/v1/images/{self.id}"

    @property
    def v2(self) -> str:
        return f"/v2/images/{self.id}"


@dataclass(frozen=True)
class Place:
    """One service of the matrix. ``canaries`` listen where it must not connect to; a file with ``LEAK`` lies beside its directory."""

    flavor: str
    registry: str
    glance: Glance
    callers: Callers
    canaries: Sequence[Listener]
    #: Bytes of memory that each change of the configuration took: code of drivers, above all.
    loaded: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.flavor}/{self.registry}"

    @property
    def leak(self) -> Path:
        return self.glance.directory.parent / "leak"

    @cached_property
    def secrets(self) -> frozenset[bytes]:
        """All that nobody may ever see, in every form."""
        return frozenset().union(*map(spellings, (SENT, LEAK, PASSWORD, *(caller.token for caller in self.callers.values()))))

    def logs(self) -> dict[Path, int]:
        """How long each log is."""
        return {path: path.stat().st_size for path in sorted((self.glance.directory / "log").iterdir())}

    def log_since(self, before: Mapping[Path, int]) -> str:
        """What the logs hold beyond that."""
        return "".join(_read_from(path, before.get(path, 0)) for path in self.logs())

    def reload(self, programs: Sequence[Program]) -> None:
        """Returns once the configuration counts as the files have it now; raises ServerFailure where it is refused."""
        memory = self.glance.memory()
        for program in programs:
            before = self.logs()
            os.kill(self.glance.pid(program), signal.SIGHUP)
            wait_until(lambda before=before: self._has_reloaded(before), f"glance-{program} to read its configuration")
        self.loaded.append(self.glance.memory() - memory)

    def _has_reloaded(self, before: Mapping[Path, int]) -> bool:
        log = self.log_since(before)
        if "onfiguration was not reloaded" in log:
            raise self.glance.failure("the configuration was refused")
        return "onfiguration reloaded" in log


def _read_from(path: Path, position: int) -> str:
    with path.open("rb") as file:
        file.seek(position)
        return file.read().decode(errors="replace")


@dataclass
class Case:
    """A place, as one test meets it. All answers are kept for what is looked at after the test."""

    place: Place
    saw: Callable[[str], None]
    answers: list[Answer] = field(default_factory=list)
    allowed: set[int] = field(default_factory=set)
    paths_allowed: bool = False

    def __post_init__(self) -> None:
        self._chance = random.Random(self.place.name)

    @property
    def in_full(self) -> bool:
        return self.place.name == IN_FULL

    def some(self, spellings: Sequence[T]) -> Sequence[T]:
        """Of several ways to say the same all where the test is to be done in full, elsewhere one: in each place another, the same in each run."""
        return spellings if self.in_full else [self._chance.choice(spellings)]

    @property
    def how_many(self) -> str:
        """What the summary says of them."""
        return "all" if self.in_full else "one"

    @property
    def flavor(self) -> str:
        return self.place.flavor

    @property
    def registry(self) -> str:
        return self.place.registry

    @property
    def glance(self) -> Glance:
        return self.place.glance

    @property
    def everybody_is_admin(self) -> bool:
        return self.flavor == "none"

    def project(self, who: str) -> str:
        return self.place.callers[who].project

    def headers(self, who: str) -> Mapping[str, str]:
        """What ``who`` sends with every request to say who is asking."""
        return {} if who == ANON else self.place.callers[who].headers

    def allow(self, *statuses: int, paths: bool = False) -> None:
        """What this test expects although it is a failure elsewhere: answers of these statuses, and with ``paths`` such that show where data are."""
        self.allowed.update(statuses)
        self.paths_allowed = self.paths_allowed or paths

    # Requests

    def ask(
        self, who: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None, *, program: Program = "api"
    ) -> Answer:
        """One request of ``who``; a body is data unless ``headers`` say what else it is."""
        media_type = {} if body is None else DATA_TYPE
        answer = self.glance.request(method, path, {**self.headers(who), **media_type, **(headers or {})}, body, service=program)
        self.answers.append(answer)
        return answer

    def json(self, who: str, method: str, path: str, document: object, headers: Mapping[str, str] | None = None) -> Answer:
        """One request of ``who`` with a JSON document, a patch where the method is PATCH."""
        media_type = PATCH_TYPE if method == "PATCH" else JSON_TYPE
        return self.ask(who, method, path, {**media_type, **(headers or {})}, json.dumps(document).encode())

    def ask_registry(self, who: str, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        """The same, sent to glance-registry by somebody who reaches its port and does not know its secret."""
        return self.ask(who, method, path, headers, body, program="registry")

    # Images

    def image(self, who: str, visibility: str = "private", data: bytes | None = None, *, version: str = "v2") -> Picture:
        """An active image that ``who`` has uploaded; an administrator publishes it where it is public."""
        if data is None:
            data = random.Random(next(_seeds)).randbytes(SIZE)
        image_id = self._upload_v1(who, data) if version == "v1" else self._upload_v2(who, data)
        change = [{"op": "replace", "path": "/visibility", "value": visibility}]
        answer = self.json("ADM" if visibility == "public" else who, "PATCH", f"/v2/images/{image_id}", change)
        assert (answer.status, answer.json["status"]) == (200, "active"), answer.text
        return Picture(image_id, hashlib.sha512(data).hexdigest(), data)

    def queued(self, who: str) -> str:
        """The id of an image of ``who`` that has no data yet."""
        created = self.json(who, "POST", "/v2/images", FORMATS)
        assert created.status == 201, created.text
        return str(created.json["id"])

    def status(self, picture: Picture, who: str = "ADM") -> str:
        """The status of an image, and "gone" where ``who`` is told that there is none."""
        answer = self.ask(who, "GET", picture.v2)
        return str(answer.json["status"]) if answer.status == 200 else {404: "gone"}[answer.status]

    def is_intact(self, picture: Picture, who: str) -> bool:
        """Whether the image is active, with the data that it had, for ``who`` may read it."""
        answer = self.ask(who, "GET", f"{picture.v2}/file")
        return self.status(picture, who) == "active" and answer.body == picture.data

    def _upload_v1(self, who: str, data: bytes) -> str:
        metadata = {f"x-image-meta-{name}": value for name, value in FORMATS.items()}
        created = self.ask(who, "POST", "/v1/images", metadata, data)
        assert created.status == 201, created.text
        return str(created.json["image"]["id"])

    def _upload_v2(self, who: str, data: bytes) -> str:
        image_id = self.queued(who)
        answer = self.ask(who, "PUT", f"/v2/images/{image_id}/file", body=data)
        assert answer.status == 204, answer.text
        return image_id

    # The operator

    @contextlib.contextmanager
    def with_options(self, options: Options | None = None, policy: Mapping[str, str] | None = None) -> Iterator[None]:
        """Other options, and rules of the policy by name, for a while: they count at its begin, and those before at its end."""
        programs = self.glance.services if options else ("api",)
        policy_file = self.glance.directory / "policy.yaml"
        files = [policy_file, *map(self.glance.conf, programs)]
        before = {path: path.read_bytes() if path.exists() else None for path in files}
        for program in programs:
            self.glance.add_options(program, options or {})
        if policy is not None:
            policy_file.write_text(json.dumps(policy))
        try:
            self.place.reload(programs)
            yield
        finally:
            for path, content in before.items():
                if content is None:
                    path.unlink(missing_ok=True)
                else:
                    path.write_bytes(content)
            self.place.reload(programs)
