"""The composition root: reads the options and decides which implementation every part of a service gets."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from oslo_config import cfg

from glance import worker
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
    notifications,
    pipelines,
    programs,
    protections,
    quotas,
    rates,
    registry,
    staging,
    stores,
)
from glance.config.pipelines import Pipeline
from glance.config.programs import Loaded
from glance.db import migrate
from glance.db.engine import make_engine, wait_for
from glance.db.registry import SqlRegistry
from glance.inspector.inspection import FormatInspector
from glance.interfaces import Background, Registry
from glance.registry.client import connect
from glance.registry.pipeline import Composition as RegistryComposition
from glance.registry.server import RegistryApp
from glance.server.settings import ServerSettings
from glance.service import Services
from glance.service.leases import Leases
from glance.service.recovery import recover, sweep

LOG = logging.getLogger(__name__)

#: Headers that clients of 2011 spell with underscores.
CLASSIC_HEADERS = ("x-image-meta-", "x-glance-")

#: Seconds between two searches for what dead processes left.
RECOVERY_INTERVAL = 60.0

#: Seconds between two searches for staged data without image.
SWEEP_INTERVAL = 86400.0


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

    def accepted(self) -> None:
        """Sends the log where the configuration says, and tells there what the operator should know."""
        logs.set_up(self.loaded.conf, self.loaded.program)
        if self.loaded.conf.debug:
            for line in self.loaded.banner():
                LOG.debug("%s", line)
        for warning in self.loaded.warnings():
            LOG.warning("%s", warning)
        if os.geteuid() == 0:
            LOG.warning("%s runs as root; it needs no rights but those to its own files, so start it as a user of its own.", self.loaded.program)

    def started(self) -> None:
        for one in self.periodic:
            one.start()

    def stopped(self) -> None:
        # Copies need the leases that periodic work renews, and the registry, to their end.
        if not self.background.wait(self.settings.drain_timeout):
            LOG.warning("Work in the background was cut after %g seconds of waiting for it", self.settings.drain_timeout)
        for one in self.periodic:
            one.stop()
        for close in self.close:
            close()


def api_service(arguments: Sequence[str]) -> Service:
    """glance-api, as its command line and files describe it. Raises ConfigurationError."""
    loaded = _load(programs.API, arguments)
    conf = loaded.conf
    access.check(conf)
    pipeline = _pipeline(loaded)
    _choose_address(conf, pipeline)
    if rates.read(conf).any and not pipeline.counts_requests:
        LOG.warning("[rate_limits] holds nobody back: the pipeline of the paste file has no filter ratelimit.")
    background = Threads()
    services = _services(loaded, background)
    application = ApiComposition(pipeline.application, services, images.read_api(conf, loaded.directories))
    periodic = (
        Periodic(conf.upload_lease_seconds / 3, services.leases.renew),
        Periodic(RECOVERY_INTERVAL, lambda: _recover(services)),
        Periodic(SWEEP_INTERVAL, lambda: sweep(services)),
    )
    close = [
        services.notifier.close,
        services.registry.close,
        *(services.stores.get(name).close for name in services.stores.names),
        services.stores.staging.close,
    ]
    return Service(loaded, application, _server_settings(loaded), background, periodic, close)


def registry_service(arguments: Sequence[str]) -> Service:
    """glance-registry, as its command line and files describe it. Raises ConfigurationError."""
    loaded = _load(programs.REGISTRY, arguments)
    conf = loaded.conf
    if registry.trusts_everybody(conf):
        LOG.warning(
            "glance-registry listens on %s without registry_shared_secret or ca_file: whoever reaches it reads and changes every image.",
            conf.bind_host,
        )
    records = _sql_registry(loaded)
    confirmed, open_to_all = (
        RegistryApp(
            records,
            secret=conf.registry_shared_secret,
            default_limit=conf.limit_param_default,
            max_limit=conf.api_limit_max,
            anonymous_is_admin=anonymous_is_admin,
            id_format=conf.image_id_format,
        )
        for anonymous_is_admin in (False, True)
    )
    application = RegistryComposition(_pipeline(loaded).application, confirmed=confirmed, open_to_all=open_to_all)
    return Service(loaded, application, _server_settings(loaded, concurrent_calls=1), Threads(), (), [records.close])


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


def _load(program: str, arguments: Sequence[str]) -> Loaded:
    """Reads the configuration. A process that has no log yet gets one now; one that reloads keeps its own until nothing was refused."""
    loaded = programs.load(program, arguments)
    if not logs.is_set_up():
        logs.set_up(loaded.conf, program)
    return loaded


def _server_settings(loaded: Loaded, concurrent_calls: int | None = None) -> ServerSettings:
    values = listening.read(loaded.conf)
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


def _services(loaded: Loaded, background: Background) -> Services:
    conf = loaded.conf
    policy = access.make_policy(conf, loaded.directories)
    kept = stores.make(conf)
    records: Registry = _sql_registry(loaded) if conf.registry_mode == "embedded" else connect(registry.read_client(conf))
    return Services(
        registry=records,
        stores=kept,
        policy=policy,
        background=background,
        leases=Leases(records),
        notifier=notifications.make(conf, loaded.files),
        inspector=FormatInspector(images.read_inspector(conf)),
        worker=worker.current,
        limits=images.read_limits(conf),
        formats=images.read_formats(conf),
        hashing_algorithm=conf.hashing_algorithm,
        secure_hash=conf.do_secure_hash,
        http_retries=conf.http_retries,
        import_methods=staging.read_import_methods(conf),
        protections=protections.read(conf, loaded.directories, policy.rules),
    )


def _sql_registry(loaded: Loaded) -> SqlRegistry:
    """The registry on the database, which is at the newest version: brought there where it is SQLite, else checked. Raises ConfigurationError."""
    conf = loaded.conf
    settings = database.read(conf)
    engine = make_engine(settings)
    if engine.dialect.name == "sqlite":
        migrate.sync(engine)
    else:
        wait_for(engine, settings)
        migrate.check(engine)
    return SqlRegistry(engine, image_id_format=conf.image_id_format, lease_seconds=conf.upload_lease_seconds, quotas=quotas.make(conf))


def _recover(services: Services) -> None:
    repaired = recover(services, worker.is_dead)
    if repaired:
        LOG.info("Recovery repaired %d things that dead processes had left.", repaired)
