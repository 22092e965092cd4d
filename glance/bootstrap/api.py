"""What glance-api is made of."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from oslo_config import cfg

from glance import worker
from glance.api import health as probes
from glance.api.app import Composition
from glance.background import Periodic, Threads
from glance.bootstrap import collaborators, records
from glance.bootstrap.loading import load
from glance.bootstrap.serving import Service, pipeline_of, server_settings, watched
from glance.config import access, images, listening, locations, programs, rates, recovery
from glance.config.pipelines import Pipeline
from glance.config.sections import Configuration
from glance.service import Services
from glance.service.duty import Duty
from glance.service.health import Health, store_check
from glance.service.sweeping import sweep
from glance.tallies import Tallies

LOG = logging.getLogger(__name__)

#: What one process of the service does for all.
RECOVERY = "recovery"

#: Seconds after the start until the stores are searched for the first time: where there are many images that takes long, and callers come first.
SEARCH_AFTER = 60.0


def api_service(arguments: Sequence[str], tallies: Tallies | None = None) -> Service:
    """glance-api, as its command line and files describe it; it counts in ``tallies`` where it has metrics. Raises ConfigurationError."""
    loaded = load(programs.API, arguments)
    conf = loaded.conf
    access.check(conf)
    pipeline = pipeline_of(loaded)
    _choose_address(conf, pipeline)
    if rates.read(conf).any and not pipeline.counts_requests:
        LOG.warning("[rate_limits] holds nobody back: the pipeline of the paste file has no filter ratelimit.")
    background = Threads()
    wanted = tallies if conf.metrics.bind_port else None
    kept = records.chosen(loaded, wanted)
    services = collaborators.make(loaded, background, kept.registry, wanted)
    default = services.stores.get(services.stores.default)
    health = Health([*kept.checks, store_check(default)])
    asked = probes.probes(health)
    application = Composition(pipeline.application, services, images.read_api(conf, loaded.directories), asked)
    periodic = (collaborators.renewal(services, conf), *_recovery(services, conf))
    closing = collaborators.closing(services)
    return Service(loaded, application, server_settings(loaded), background, periodic, closing, health, *watched(wanted, kept.figures, asked))


def _choose_address(conf: cfg.ConfigOpts, pipeline: Pipeline) -> None:
    """Sets ``bind_host`` where the operator has not, and warns of what it opens to others."""
    if pipeline.open_to_all and not conf.bind_host:
        LOG.warning("There is no identity service, and bind_host is not set: only this machine reaches port %d.", conf.bind_port)
    conf.set_default("bind_host", listening.LOOPBACK if pipeline.open_to_all else listening.EVERYWHERE)
    if listening.is_loopback(conf.bind_host):
        return
    if pipeline.open_to_all:
        LOG.warning("There is no identity service: everybody who reaches port %d of %s is the administrator.", conf.bind_port, conf.bind_host)
    if pipeline.believes_headers:
        LOG.warning("Whoever reaches port %d of %s is whom the headers say: see that only the proxy does.", conf.bind_port, conf.bind_host)
    if locations.shown(conf):
        LOG.warning("%s is on: whoever sees an image learns where its data is. See docs/operating.md.", " and ".join(locations.shown(conf)))


def _recovery(services: Services, conf: Configuration) -> tuple[Periodic, Periodic]:
    """What one process of all does again and again."""
    interval = conf.orphan_sweep_interval
    duty = Duty(services.registry, RECOVERY, services.worker, worker.is_dead, conf.upload_lease_seconds)
    return (
        Periodic(conf.recovery_interval, lambda: collaborators.repair(services, duty.mine, conf.scrub_time, conf.scrub_pool_size)),
        Periodic(interval, lambda: sweep(services, recovery.read_sweeping(conf), duty.mine), after=min(interval, SEARCH_AFTER)),
    )
