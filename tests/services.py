"""The collaborators of use cases, real ones, for tests that need no processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from glance import errors, worker
from glance.context import RequestContext
from glance.egress import Egress, EgressSettings
from glance.inspector.inspection import FormatInspector, InspectorSettings
from glance.interfaces import Registry
from glance.model.events import Event
from glance.model.image import Location
from glance.notifier.noop import NoopNotifier
from glance.policies.engine import PolicyEngine
from glance.service import Services
from glance.service.leases import Leases
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.drivers.http import HttpStore
from glance.store.staging import StagingStore
from glance.store.stores import StoreSet


class Immediately:
    """Background work done before ``submit`` returns: what follows it can be asserted at once."""

    def submit(self, task: Callable[[], object]) -> None:
        task()


@dataclass
class Recorder:
    """A notifier that keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def emit(self, ctx: RequestContext, event: Event) -> None:
        self.events.append(event)

    def close(self) -> None:
        """Nothing is held."""


class Archive(FileStore):
    """Files that are only read: what a site may open to clients beside web servers."""

    writable = False

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        raise errors.StoreReadOnly(store=self.name)

    def delete(self, ctx: RequestContext, location: Location) -> None:
        """The data are not ours."""


def with_archive(stores: StoreSet, directory: Path) -> StoreSet:
    """``stores`` where clients may register the files of a directory, and nothing is written."""
    archive = Archive("file", FileStoreSettings(datadir=directory))
    return StoreSet([archive, stores.get("http")], "file", stores.staging, ("http", "file"))


def local_egress() -> Egress:
    """A guard that lets the service reach servers of the tests."""
    return Egress(EgressSettings(allowed_networks=("127.0.0.0/8",), allowed_ports=tuple(range(1024, 65536))))


def make_services(directory: Path, registry: Registry, **changes: object) -> Services:
    file = FileStore("file", FileStoreSettings(datadir=directory / "images"))
    staging = StagingStore(FileStoreSettings(datadir=directory / "staging"))
    stores = StoreSet([file, HttpStore("http", local_egress())], "file", staging)
    file.check()
    usual = {
        "stores": stores,
        "policy": PolicyEngine(None),
        "background": Immediately(),
        "notifier": NoopNotifier(),
        "inspector": FormatInspector(InspectorSettings()),
    }
    return Services(registry=registry, leases=Leases(registry), worker=worker.current, **{**usual, **changes})  # type: ignore[arg-type]
