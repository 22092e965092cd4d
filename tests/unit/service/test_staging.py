"""What staging leaves when something fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.interfaces import Registry
from glance.model.events import Event
from glance.model.image import Image
from glance.policies.engine import PolicyEngine
from glance.service import Services, images
from glance.service.recovery import recover
from glance.service.staging import stage
from glance.store.stores import StoreSet
from tests.services import make_services
from tests.unit.service.test_uploading import Faults, with_uploads

ADMIN = unauthenticated()


@dataclass
class Source:
    """``wsgi.input`` that gives its pieces, then does something, then ends."""

    pieces: Iterator[bytes]
    then: Callable[[], object] = field(default=lambda: None)

    def read(self, size: int = -1, /) -> bytes:
        for piece in self.pieces:
            return piece
        self.then()
        return b""


@dataclass
class Notes:
    """Keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    def emit(self, ctx: RequestContext, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def services(tmp_path: Path, registry: Registry) -> Services:
    return make_services(tmp_path, registry)


@pytest.fixture
def image_id(services: Services) -> str:
    return services.registry.images.create(ADMIN, Image(id="")).id


def files(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "staging").iterdir()]


def status(services: Services, image_id: str) -> str:
    return services.registry.images.get(ADMIN, image_id).status


def test_stage_when_nothing_fails_then_kept_told_and_no_lease_is_left(services: Services, tmp_path: Path, image_id: str) -> None:
    notes = Notes()
    stage(replace(services, notifier=notes), ADMIN, image_id, Source(iter([b"ab", b"c"])), None)
    image = services.registry.images.get(ADMIN, image_id)
    assert (image.status, image.size, image.location, files(tmp_path)) == ("uploading", 3, None, [image_id])
    assert services.registry.uploads.leases() == []
    assert [(event.type, event.payload()["status"]) for event in notes.events] == [("image.update", "uploading")]  # type: ignore[index]


def test_stage_when_the_client_leaves_then_queued_and_nothing_is_left(services: Services, tmp_path: Path, image_id: str) -> None:
    with pytest.raises(errors.ClientDisconnected):
        stage(services, ADMIN, image_id, Source(iter([b"abc"])), 4)
    assert (status(services, image_id), files(tmp_path), services.registry.uploads.leases()) == ("queued", [], [])


def test_stage_when_the_image_is_deleted_meanwhile_then_lost_and_erased(services: Services, tmp_path: Path, image_id: str) -> None:
    source = Source(iter([b"abc"]), then=lambda: images.delete(services, ADMIN, image_id))
    with pytest.raises(errors.UploadLost):
        stage(services, ADMIN, image_id, source, None)
    assert (status(services, image_id), files(tmp_path), services.registry.uploads.leases()) == ("deleted", [], [])


def test_stage_when_only_the_last_answer_is_lost_then_it_still_succeeds(services: Services, tmp_path: Path, image_id: str) -> None:
    faulty = with_uploads(services, Faults(services.registry.uploads, after={"finish": errors.RegistryUnavailable()}))
    stage(faulty, ADMIN, image_id, Source(iter([b"abc"])), 3)
    assert status(services, image_id) == "uploading"
    assert files(tmp_path) == [image_id]


def test_stage_when_the_registry_is_gone_at_the_end_then_recovery_repairs(services: Services, tmp_path: Path, image_id: str) -> None:
    gone = errors.RegistryUnavailable()
    faulty = with_uploads(services, Faults(services.registry.uploads, before={"finish": gone, "take_over": gone, "abandon": gone}))
    with pytest.raises(errors.RegistryUnavailable):
        stage(faulty, ADMIN, image_id, Source(iter([b"abc"])), 3)
    assert (status(services, image_id), files(tmp_path)) == ("uploading", [image_id])
    assert recover(services, is_dead=lambda _worker: True) == 1
    assert (status(services, image_id), files(tmp_path), services.registry.uploads.leases()) == ("queued", [], [])


def test_recovery_when_data_are_staged_then_it_leaves_them(services: Services, tmp_path: Path, image_id: str) -> None:
    stage(services, ADMIN, image_id, Source(iter([b"abc"])), 3)
    assert recover(services, is_dead=lambda _worker: True) == 0
    assert (status(services, image_id), files(tmp_path)) == ("uploading", [image_id])


def test_recovery_when_a_worker_died_before_its_directory_was_made_then_queued(services: Services, image_id: str) -> None:
    place: Any = Faults(services.stores.staging, before={"add": KeyboardInterrupt()})
    dying = with_uploads(services, Faults(services.registry.uploads, before={"abandon": errors.RegistryUnavailable()}))
    with pytest.raises(KeyboardInterrupt):
        stage(replace(dying, stores=StoreSet([services.stores.get("file")], "file", place)), ADMIN, image_id, Source(iter([b"abc"])), 3)
    assert status(services, image_id) == "uploading"
    assert recover(services, is_dead=lambda _worker: True) == 1
    assert status(services, image_id) == "queued"


def test_recovery_when_staged_data_of_a_deleted_image_wait_then_they_are_erased(services: Services, tmp_path: Path, image_id: str) -> None:
    stage(services, ADMIN, image_id, Source(iter([b"abc"])), 3)
    services.registry.images.delete(ADMIN, image_id)
    assert files(tmp_path) == [image_id]
    assert recover(services, is_dead=lambda _worker: False) == 1
    assert (files(tmp_path), services.registry.locations.condemned()) == ([], [])


def test_stage_when_the_policy_refuses_then_forbidden_and_nothing_is_read(services: Services, tmp_path: Path, image_id: str) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text('"modify_image": "!"\n')
    source = Source(iter([b"abc"]))
    with pytest.raises(errors.PolicyForbids):
        stage(replace(services, policy=PolicyEngine(policy)), ADMIN, image_id, source, 3)
    assert (list(source.pieces), status(services, image_id)) == ([b"abc"], "queued")
