"""What glance-scrubber is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glance import errors, worker
from glance.background import Threads
from glance.bootstrap import collaborators, records
from glance.bootstrap.collaborators import Closing
from glance.bootstrap.loading import adopt, load
from glance.config import programs, recovery
from glance.service import Services
from glance.service.duty import Duty
from glance.service.sweeping import sweep

#: What one of the glance-scrubbers that go on does for all.
SCRUBBING = "scrubbing"


@dataclass(frozen=True, slots=True)
class Scrubber:
    """What glance-scrubber is to do: ``scrub`` as the service does, as long as its argument says so, and again every ``interval`` seconds where that
    is not None; or else ``restore`` an image, whose id that is."""

    services: Services
    scrub: Callable[[Callable[[], bool]], None]
    interval: float | None
    restore: str | None
    close: Closing


def scrubber(arguments: Sequence[str]) -> Scrubber:
    """glance-scrubber, as its command line and files describe it. Raises ConfigurationError."""
    loaded = load(programs.SCRUBBER, arguments)
    conf = loaded.conf
    if conf.restore and conf.daemon:
        raise errors.ConfigurationError(reason="The restore and daemon options should not be set together. Please use either of them in one request.")
    kept = records.chosen(loaded, None)
    services = collaborators.make(loaded, Threads(), kept.registry, None)
    duty = Duty(kept.registry, SCRUBBING, services.worker, worker.is_dead, conf.upload_lease_seconds)

    def scrub(wanted: Callable[[], bool]) -> None:
        def may_go_on() -> bool:
            return wanted() and (not conf.daemon or duty.mine())

        collaborators.repair(services, may_go_on, conf.scrub_time or 0, conf.scrub_pool_size)
        if not conf.daemon:  # else the service does
            sweep(services, recovery.read_sweeping(conf), may_go_on)

    adopt(loaded)
    renewal = collaborators.renewal(services, conf)
    renewal.start()
    return Scrubber(services, scrub, conf.wakeup_time if conf.daemon else None, conf.restore, [renewal.stop, *collaborators.closing(services)])
