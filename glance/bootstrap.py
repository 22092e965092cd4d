"""The composition root: reads the options and decides which implementation every part of a service gets."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oslo_config import cfg

from glance import errors, worker
from glance.api import health as probes
from glance.api import metrics as exposed
from glance.api.app import Composition as ApiComposition
from glance.api.middleware.context import IDENTITY_HEADERS
from glance.background import Periodic, Threads
from glance.config import (
    access,
    database,
    images,
    listening,
    locations,
    logs,
    metrics,
    notifications,
    pipelines,
    programs,
    protections,
    quotas,
    rates,
    recovery,
    registry,
    staging,
    stores,
)
from glance.config.pipelines import Pipeline
from glance.config.programs import Loaded
from glance.config.sections import Configuration
from glance.db import migrate
from glance.db.engine import make_engine, wait_for
from glance.db.figures import SqlFigures, watch_pool
from glance.db.registry import SqlRegistry
from glance.inspector.inspection import FormatInspector
from glance.interfaces import Background, Notifier, Registry
from glance.model.metrics import CONNECTIONS
from glance.notifier.counting import CountingNotifier
from glance.registry.client import connect
from glance.registry.pipeline import Composition as RegistryComposition
from glance.registry.server import RegistryApp
from glance.server.settings import ServerSettings
from glance.service import Services
from glance.service.duty import Duty
from glance.service.health import Check, Health, registry_check, store_check
from glance.service.leases import Leases
from glance.service.recovery import recover
from glance.service.sweeping import sweep
from glance.tallies import Tallies

LOG = logging.getLogger(__name__)

#: Headers that clients of 2011 spell with underscores.
CLASSIC_HEADERS = ("x-image-meta-", "x-glance-")

#: What one process of the service does for all, and one of the glance-scrubbers that go on.
RECOVERY, SCRUBBING = "recovery", "scrubbing"


@dataclass(frozen=True, slots=True)
class Records:
    """A registry, and what can be watched of it. ``figures`` are those of its database, where this program has it."""

    registry: Registry
    checks: tuple[Check, ...]
    figures: SqlFigures | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """What a server serves: ``glance.server.settings.Service``. ``loaded`` is its configuration; ``periodic`` work is done in each worker process
    from its start to its end."""

    loaded: Loaded
    app: Any
    settings: ServerSettings
    background: Threads
    periodic: Sequence[Periodic]
    close: Sequence[Callable[[], None]]
    health: Health
    side: Any
    observed: exposed.RequestMeter | None

    def accepted(self) -> None:
        _adopt(self.loaded)

    def started(self) -> None:
        for one in self.periodic:
            one.start()

    def leaving(self) -> None:
        self.health.leave()

    def stopped(self) -> None:
        # Copies need the leases that periodic work renews, and the registry, to their end.
        if not self.background.wait(self.settings.drain_timeout):
            LOG.warning("Work in the background was cut after %g seconds of waiting for it", self.settings.drain_timeout)
        for one in self.periodic:
            one.stop()
        for close in self.close:
            close()


def api_service(arguments: Sequence[str], tallies: Tallies | None = None) -> Service:
    """glance-api, as its command line and files describe it; it counts in ``tallies`` where it has metrics. Raises ConfigurationError."""
    loaded = _load(programs.API, arguments)
    conf = loaded.conf
    access.check(conf)
    pipeline = _pipeline(loaded)
    _choose_address(conf, pipeline)
    if rates.read(conf).any and not pipeline.counts_requests:
        LOG.warning("[rate_limits] holds nobody back: the pipeline of the paste file has no filter ratelimit.")
    background = Threads()
    wanted = tallies if conf.metrics.bind_port else None
    records = _sql_records(loaded, wanted) if conf.registry_mode == "embedded" else _remote_records(loaded)
    services = _services(loaded, background, records.registry, wanted)
    default = services.stores.get(services.stores.default)
    health = Health([*records.checks, store_check(default)])
    asked = probes.probes(health)
    application = ApiComposition(pipeline.application, services, images.read_api(conf, loaded.directories), asked)
    periodic = (_renewal(services, conf), *_recovery(services, conf))
    watched = _watched(wanted, records.figures, asked)
    return Service(loaded, application, _server_settings(loaded), background, periodic, _closing(services), health, *watched)


def registry_service(arguments: Sequence[str], tallies: Tallies | None = None) -> Service:
    """glance-registry, likewise."""
    loaded = _load(programs.REGISTRY, arguments)
    conf = loaded.conf
    if registry.trusts_everybody(conf):
        LOG.warning(
            "glance-registry listens on %s without registry_shared_secret or ca_file: whoever reaches it reads and changes every image.",
            conf.bind_host,
        )
    wanted = tallies if conf.metrics.bind_port else None
    records = _sql_records(loaded, wanted)
    confirmed, open_to_all = (
        RegistryApp(
            records.registry,
            secret=conf.registry_shared_secret,
            default_limit=conf.limit_param_default,
            max_limit=conf.api_limit_max,
            anonymous_is_admin=anonymous_is_admin,
            id_format=conf.image_id_format,
        )
        for anonymous_is_admin in (False, True)
    )
    health = Health(records.checks)
    asked = probes.probes(health)
    application = RegistryComposition(_pipeline(loaded).application, confirmed=confirmed, open_to_all=open_to_all, probes=asked)
    settings = _server_settings(loaded, concurrent_calls=1)
    watched = _watched(wanted, records.figures, asked)
    return Service(loaded, application, settings, Threads(), (), [records.registry.close], health, *watched)


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


@dataclass(frozen=True, slots=True)
class Scrubber:
    """What glance-scrubber is to do: ``scrub`` as the service does, as long as its argument says so, and again every ``interval`` seconds where that
    is not None; or else ``restore`` an image, whose id that is."""

    services: Services
    scrub: Callable[[Callable[[], bool]], None]
    interval: float | None
    restore: str | None
    close: Sequence[Callable[[], None]]


def scrubber(arguments: Sequence[str]) -> Scrubber:
    """glance-scrubber, as its command line and files describe it. Raises ConfigurationError."""
    loaded = _load(programs.SCRUBBER, arguments)
    conf = loaded.conf
    if conf.restore and conf.daemon:
        raise errors.ConfigurationError(reason="The restore and daemon options should not be set together. Please use either of them in one request.")
    records = _sql_records(loaded, None) if conf.registry_mode == "embedded" else _remote_records(loaded)
    services = _services(loaded, Threads(), records.registry, None)
    duty = Duty(records.registry, SCRUBBING, services.worker, worker.is_dead, conf.upload_lease_seconds)

    def scrub(wanted: Callable[[], bool]) -> None:
        def may_go_on() -> bool:
            return wanted() and (not conf.daemon or duty.mine())

        _recover(services, may_go_on, conf.scrub_time or 0, conf.scrub_pool_size)
        if not conf.daemon:  # else the service does
            sweep(services, recovery.read_sweeping(conf), may_go_on)

    _adopt(loaded)
    renewal = _renewal(services, conf)
    renewal.start()
    return Scrubber(services, scrub, conf.wakeup_time if conf.daemon else None, conf.restore, [renewal.stop, *_closing(services)])


def checked(arguments: Sequence[str]) -> tuple[Services, Sequence[Callable[[], None]]]:
    """What glance-manage check looks at, as the files of glance-api describe it, and what to call at the end. Makes no database and no directory, and
    changes no schema. Raises ConfigurationError."""
    loaded = programs.load(programs.API, arguments)
    records = _sql_records(loaded, None, as_it_is=True) if loaded.conf.registry_mode == "embedded" else _remote_records(loaded)
    services = _services(loaded, Threads(), records.registry, None, as_it_is=True)
    return services, _closing(services)


def _load(program: str, arguments: Sequence[str]) -> Loaded:
    """Reads the configuration. A process that has no log yet gets one now; one that reloads keeps its own until nothing was refused (``_adopt``)."""
    loaded = programs.load(program, arguments)
    if not logs.is_set_up():
        logs.set_up(loaded.conf, program)
    return loaded


def _adopt(loaded: Loaded) -> None:
    """Sends the log where the configuration says, and tells there what the operator should know."""
    logs.set_up(loaded.conf, loaded.program)
    if loaded.conf.debug:
        for line in loaded.banner():
            LOG.debug("%s", line)
    for warning in loaded.warnings():
        LOG.warning("%s", warning)
    if os.geteuid() == 0:
        LOG.warning("%s runs as root; it needs no rights but those to its own files, so start it as a user of its own.", loaded.program)


def _server_settings(loaded: Loaded, concurrent_calls: int | None = None) -> ServerSettings:
    values = listening.read(loaded.conf) | metrics.read(loaded.conf)
    return ServerSettings(
        name=loaded.program,
        single_header_prefixes=CLASSIC_HEADERS,
        single_fields=IDENTITY_HEADERS,  # joined with the proxy's, a client's X-Roles would count
        concurrent_calls=concurrent_calls,
        **values,
    )


def _pipeline(loaded: Loaded) -> Pipeline:
    path = pipelines.find(loaded.conf, loaded.program, loaded.files)
    return pipelines.load(path, loaded.program, loaded.conf.paste_deploy.flavor, loaded.files, loaded.conf)


def _watched(tallies: Tallies | None, figures: SqlFigures | None, probes_by_path: Mapping[str, Any]) -> tuple[Any, exposed.RequestMeter | None]:
    """What the side address serves and what counts requests; nothing without metrics."""
    if tallies is None:
        return None, None
    return probes.side({**probes_by_path, "/metrics": exposed.exposition(tallies, figures)}), exposed.RequestMeter(tallies)


def _services(loaded: Loaded, background: Background, records: Registry, tallies: Tallies | None, *, as_it_is: bool = False) -> Services:
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


def _closing(services: Services) -> list[Callable[[], None]]:
    """What to call at the end."""
    return [
        services.notifier.close,
        services.registry.close,
        *(services.stores.get(name).close for name in services.stores.names),
        services.stores.staging.close,
    ]


def _remote_records(loaded: Loaded) -> Records:
    client = connect(registry.read_client(loaded.conf))
    return Records(client, (registry_check(client),))


def _sql_records(loaded: Loaded, tallies: Tallies | None, *, as_it_is: bool = False) -> Records:
    """The registry on the database, which must fit: SQLite is brought to the newest version, unless it is wanted ``as_it_is``; others are checked.
    Raises ConfigurationError."""
    conf = loaded.conf
    settings = replace(database.read(conf), may_create=not as_it_is)
    engine = make_engine(settings)
    is_server = engine.dialect.name != "sqlite"
    if is_server:
        wait_for(engine, settings)
    if is_server or as_it_is:
        migrate.check(engine)
    else:
        if not migrate.version(engine):
            LOG.warning("The database is new: it holds no image.")
        migrate.sync(engine)
    if tallies is not None:
        watch_pool(engine, lambda more: tallies.shift(CONNECTIONS.name, amount=more))
    figures = SqlFigures(engine)
    checks = Check("database", figures.check_answer), Check("migrations", figures.check_schema)
    records = SqlRegistry(engine, image_id_format=conf.image_id_format, lease_seconds=conf.upload_lease_seconds, quotas=quotas.make(conf))
    return Records(records, checks, figures)


def _renewal(services: Services, conf: Configuration) -> Periodic:
    """What keeps the attempts of a process alive: more often than leases end."""
    return Periodic(conf.upload_lease_seconds / 3, services.leases.renew)


def _recovery(services: Services, conf: Configuration) -> tuple[Periodic, Periodic]:
    """What one process of all does again and again."""
    duty = Duty(services.registry, RECOVERY, services.worker, worker.is_dead, conf.upload_lease_seconds)
    return (
        Periodic(conf.recovery_interval, lambda: _recover(services, duty.mine, conf.scrub_time, conf.scrub_pool_size)),
        Periodic(conf.orphan_sweep_interval, lambda: sweep(services, recovery.read_sweeping(conf), duty.mine)),
    )


def _recover(services: Services, may_go_on: Callable[[], bool], scrub_time: float | None, threads: int) -> None:
    repaired = recover(services, worker.is_dead, may_go_on, scrub_time=scrub_time, threads=threads)
    if repaired:
        LOG.info("Recovery repaired %d things that dead processes had left.", repaired)
