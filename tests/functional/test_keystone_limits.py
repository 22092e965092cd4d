"""Limits that a real keystone has for projects, in real processes: kept exactly, by the registry alone, wherever it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import Answer
from tests.keystone_limits import Limits
from tests.keystone_server import PASSWORD, KeystoneServer

MIB = 1024 * 1024
RACING = 50
REGISTERED = {"image_size_total": 4, "image_stage_total": 2, "image_count_total": 60, "image_count_uploading": 20}
RAW = b'{"disk_format": "raw", "container_format": "bare"}'
SENTENCE = "The identity service cannot be asked how much the project may have; try again later."


@dataclass(frozen=True)
class Caller:
    """A member of a project, in front of a service that keeps the limits of keystone."""

    glance: Glance
    project: str

    def ask(self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, media_type: str = "application/octet-stream") -> Answer:
        identity = {"X-Identity-Status": "Confirmed", "X-User-Id": "u", "X-Tenant-Id": self.project, "X-Roles": "member"}
        return self.glance.request(method, path, {**identity, "Content-Type": media_type}, body)

    def create(self) -> Answer:
        return self.ask("POST", "/v2/images", RAW, "application/json")

    def new(self) -> str:
        answer = self.create()
        assert answer.status == 201, answer.text
        return str(answer.json["id"])

    def upload(self, image_id: str, size: int, *, chunked: bool = False) -> int:
        data = iter([bytes(size)]) if chunked else bytes(size)
        return self.ask("PUT", f"/v2/images/{image_id}/file", data).status

    def stage(self, size: int) -> int:
        return self.ask("PUT", f"/v2/images/{self.new()}/stage", bytes(size)).status

    @property
    def usage(self) -> dict[str, tuple[int, int]]:
        """Usage and limit of each."""
        answer = self.ask("GET", "/v2/info/usage")
        assert answer.status == 200, answer.text
        return {name: (one["usage"], one["limit"]) for name, one in answer.json["usage"].items()}


@pytest.fixture(scope="module")
def limits(keystone_server: KeystoneServer) -> Limits:
    limits = Limits(keystone_server)
    limits.register(**REGISTERED)
    return limits


def described(limits: Limits, registry: str, **more: object) -> dict[str, Any]:
    """A service where whoever works on the database, and nobody else, is told of the limits."""
    options = limits.options(fresh_seconds=1, timeout=30)
    if registry == "embedded":
        alone = {**options, "DEFAULT": {**options["DEFAULT"], "registry_mode": "embedded", **more}}
        return {"flavor": "trusted-auth", "services": ("api",), "api_options": alone}
    return {"flavor": "trusted-auth", "api_options": {}, "registry_options": {**options, "DEFAULT": {**options["DEFAULT"], **more}}}


@pytest.fixture(scope="module", params=["embedded", "http"])
def limited(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, limits: Limits) -> Iterator[Glance]:
    with Glance(tmp_path_factory.mktemp("limited"), **described(limits, request.param)) as glance:
        yield glance


@pytest.fixture
def caller(limited: Glance, limits: Limits) -> Callable[..., Caller]:
    """A caller of a new project, which has limits of its own where some are named."""

    def caller(**own: int) -> Caller:
        project, _name = limits.keystone.project()
        limits.allow(project, **own)
        return Caller(limited, project)

    return caller


def test_limits_then_each_holds_for_what_it_is_about(caller: Callable[..., Caller]) -> None:
    project = caller(image_count_total=5, image_count_uploading=1)
    first, second = project.new(), project.new()

    assert project.upload(first, 3 * MIB) == 204
    assert project.upload(second, MIB + 1) == 413
    assert project.upload(second, MIB + 1, chunked=True) == 413
    assert project.upload(second, MIB, chunked=True) == 204
    assert project.stage(2 * MIB + 1) == 413
    assert project.stage(2 * MIB) == 204
    refused = project.stage(1)  # a second one that gets data

    assert (refused, project.create().status) == (413, 413)
    assert project.usage == {"image_size_total": (4, 4), "image_stage_total": (2, 2), "image_count_total": (5, 5), "image_count_uploading": (1, 1)}


def test_limits_of_a_project_then_count_before_the_registered_ones_and_for_nobody_else(caller: Callable[..., Caller]) -> None:
    more, none, other = caller(image_size_total=5), caller(image_size_total=-1), caller()

    assert [one.upload(one.new(), 5 * MIB) for one in (more, none, other)] == [204, 204, 413]
    assert [one.usage["image_size_total"] for one in (more, none, other)] == [(5, 5), (5, -1), (0, 4)]


def test_owner_when_it_cannot_be_a_project_then_has_the_registered_limits(caller: Callable[..., Caller]) -> None:
    strange = replace(caller(), project="no project/of \u00e9")
    strange.new()

    assert strange.usage["image_size_total"] == (0, 4)


def test_limit_when_it_was_changed_then_counts_soon(caller: Callable[..., Caller], limits: Limits) -> None:
    project = caller(image_count_total=1)
    project.new()
    assert project.create().status == 413

    limits.change(project.project, image_count_total=2)

    wait_until(lambda: project.create().status == 201, "the limit to be read again", 120)
    wait_until(lambda: project.usage["image_count_total"] == (2, 2), "each process to read it again", 120)


def test_limit_when_fifty_uploads_race_then_never_exceeded_and_nothing_stays_reserved(caller: Callable[..., Caller]) -> None:
    project = caller(image_size_total=7, image_count_uploading=-1, image_count_total=RACING)
    images = [project.new() for _ in range(RACING)]

    with ThreadPoolExecutor(RACING) as pool:
        found = Counter(pool.map(lambda image_id: project.upload(image_id, MIB), images))

    assert found == {204: 7, 413: RACING - 7}
    assert project.usage == {
        "image_size_total": (7, 7),
        "image_stage_total": (0, 2),
        "image_count_total": (RACING, RACING),
        "image_count_uploading": (0, -1),
    }


def test_limit_when_fifty_images_are_made_at_once_then_as_many_as_fit(caller: Callable[..., Caller]) -> None:
    project = caller(image_count_total=7)

    with ThreadPoolExecutor(RACING) as pool:
        found = Counter(answer.status for answer in pool.map(lambda _: project.create(), range(RACING)))

    assert (found, project.usage["image_count_total"]) == ({201: 7, 413: RACING - 7}, (7, 7))


@pytest.mark.parametrize("registry", ["embedded", "http"])
def test_keystone_when_it_is_down_then_known_limits_hold_and_others_are_unknown(
    fresh_glance: Callable[..., Glance], limits: Limits, registry: str
) -> None:
    glance = fresh_glance(**described(limits, registry, workers=1))  # each process knows what it has asked for itself
    known, unknown = (Caller(glance, limits.keystone.project()[0]) for _ in range(2))
    limits.allow(known.project, image_count_total=2)
    known.new()

    limits.keystone.stop()
    try:
        assert [known.create().status for _ in range(3)] == [201, 413, 413]
        assert known.usage["image_count_total"] == (2, 2)
        answer = unknown.create()
        assert (answer.status, answer.header("Retry-After"), SENTENCE in answer.text) == (503, "5", True)
        assert unknown.ask("GET", "/v2/images").status == 200  # what makes nothing grow asks for no limits
    finally:
        limits.keystone.start()

    wait_until(lambda: unknown.create().status == 201, "keystone to be asked again", 120)
    log = "".join(path.read_text() for path in (glance.directory / "log").iterdir())
    assert ("Keystone does not tell the limits of projects" in log, PASSWORD in log) == (True, False)
