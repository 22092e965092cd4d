"""The collaborators of use cases, real ones, for tests that need no processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from glance import worker
from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.egress import Egress, EgressSettings
from glance.interfaces import Registry
from glance.policies.engine import PolicyEngine
from glance.service import Services
from glance.service.leases import Leases
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.drivers.http import HttpStore
from glance.store.stores import StoreSet


class Immediately:
    """Background work done before ``submit`` returns: what follows it can be asserted at once."""

    def submit(self, task: Callable[[], object]) -> None:
        task()


def make_registry(directory: Path) -> Registry:
    engine = make_engine(DatabaseSettings(connection=f"sqlite:///{directory}/glance.sqlite"))
    migrate.sync(engine)
    return SqlRegistry(engine)


def make_services(directory: Path, registry: Registry, **changes: object) -> Services:
    file = FileStore("file", FileStoreSettings(datadir=directory / "images"))
    egress = Egress(EgressSettings(allowed_networks=("127.0.0.0/8",), allowed_ports=tuple(range(1024, 65536))))
    stores = StoreSet([file, HttpStore("http", egress)], default="file")
    file.check()
    return Services(
        registry=registry,
        stores=stores,
        policy=PolicyEngine(None),
        background=Immediately(),
        leases=Leases(registry),
        worker=worker.current,
        **changes,  # type: ignore[arg-type]
    )
