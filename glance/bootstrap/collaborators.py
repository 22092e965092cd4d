"""What the use cases of a program work with, and what goes on beside them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from glance import worker
from glance.background import Periodic
from glance.config import access, images, notifications, protections, staging, stores
from glance.config.programs import Loaded
from glance.config.sections import Configuration
from glance.inspector.inspection import FormatInspector
from glance.interfaces import Background, Notifier, Registry
from glance.notifier.counting import CountingNotifier
from glance.service import Services
from glance.service.leases import Leases
from glance.service.recovery import recover
from glance.tallies import Tallies

LOG = logging.getLogger(__name__)

#: What is called at the end of a process.
Closing: TypeAlias = Sequence[Callable[[], None]]


def make(loaded: Loaded, background: Background, records: Registry, tallies: Tallies | None, *, as_it_is: bool = False) -> Services:
    """What the use cases work with, as the options describe it; ``as_it_is``: no directory is made. Raises ConfigurationError."""
    conf = loaded.conf
    policy = access.make_policy(conf, loaded.directories)
    kept = stores.make(conf, as_it_is=as_it_is)
    notifier: Notifier = notifications.make(conf, loaded.files)
    return Services(
        registry=records,
        stores=kept,
        policy=policy,
        background=background,
        leases=Leases(records),
        notifier=notifier if tallies is None else CountingNotifier(notifier, tallies),
        inspector=FormatInspector(images.read_inspector(conf)),
        worker=worker.current,
        limits=images.read_limits(conf),
        formats=images.read_formats(conf),
        hashing_algorithm=conf.hashing_algorithm,
        secure_hash=conf.do_secure_hash,
        http_retries=conf.http_retries,
        import_methods=staging.read_import_methods(conf),
        delayed_delete=conf.delayed_delete,
        protections=protections.read(conf, loaded.directories, policy.rules),
        tallies=tallies,
    )


def closing(services: Services) -> Closing:
    """What to call at the end."""
    return [
        services.notifier.close,
        services.registry.close,
        *(services.stores.get(name).close for name in services.stores.names),
        services.stores.staging.close,
    ]


def renewal(services: Services, conf: Configuration) -> Periodic:
    """What keeps the attempts of a process alive: more often than leases end."""
    return Periodic(conf.upload_lease_seconds / 3, services.leases.renew)


def repair(services: Services, may_go_on: Callable[[], bool], scrub_time: float | None, threads: int) -> None:
    """Mends what dead processes left, as ``service.recovery.recover`` does, and tells the log."""
    repaired = recover(services, worker.is_dead, may_go_on, scrub_time=scrub_time, threads=threads)
    if repaired:
        LOG.info("Recovery repaired %d things that dead processes had left.", repaired)
