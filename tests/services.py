"""The collaborators of use cases, real ones, for tests that need no processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from glance import worker
from glance.context import RequestContext
from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.egress import Egress, EgressSettings
from glance.inspector.inspection import FormatInspector, InspectorSettings
from glance.interfaces import Registry
from glance.model.events import Event
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


def make_registry(directory: Path) -> Registry:
    engine = make_engine(DatabaseSettings(connection=f"sqlite:///{directory}/glance.sqlite"))
    migrate.sync(engine)
    return SqlRegistry(engine)


def make_services(directory: Path, registry: Registry, **changes: object) -> Services:
    file = FileStore("file", FileStoreSettings(datadir=directory / "images"))
    egress = Egress(EgressSettings(allowed_networks=("127.0.0.0/8",), allowed_ports=tuple(range(1024, 65536))))
    staging = StagingStore(FileStoreSettings(datadir=directory / "staging"))
    stores = StoreSet([file, HttpStore("http", egress)], "file", staging)
    file.check()
    usual = {
        "stores": stores,
        "policy": PolicyEngine(None),
        "background": Immediately(),
        "notifier": NoopNotifier(),
        "inspector": FormatInspector(InspectorSettings()),
    }
    return Services(registry=registry, leases=Leases(registry), worker=worker.current, **{**usual, **changes})  # type: ignore[arg-type]
