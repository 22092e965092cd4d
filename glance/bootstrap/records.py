"""The registry of a program: on the database, or in another process."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from glance.config import database, quotas, registry
from glance.config.programs import Loaded
from glance.interfaces import Figures, Registry
from glance.model.metrics import CONNECTIONS
from glance.service.health import Check, registry_check
from glance.tallies import Tallies

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Records:
    """A registry, and what can be watched of it. ``figures`` are those of its database, where this program has it."""

    registry: Registry
    checks: tuple[Check, ...]
    figures: Figures | None = None


def chosen(loaded: Loaded, tallies: Tallies | None, *, as_it_is: bool = False) -> Records:
    """The one that the options of glance-api name. Raises ConfigurationError."""
    return local(loaded, tallies, as_it_is=as_it_is) if loaded.conf.registry_mode == "embedded" else remote(loaded)


def remote(loaded: Loaded) -> Records:
    """The registry in another process. Raises ConfigurationError."""
    from glance.registry.client import connect

    client = connect(registry.read_client(loaded.conf))
    return Records(client, (registry_check(client),))


def local(loaded: Loaded, tallies: Tallies | None, *, as_it_is: bool = False) -> Records:
    """The registry on the database, which must fit: SQLite is brought to the newest version, unless it is wanted ``as_it_is``; others are checked.
    Raises ConfigurationError."""
    from glance.db import migrate
    from glance.db.engine import make_engine, wait_for
    from glance.db.figures import SqlFigures, watch_pool
    from glance.db.registry import SqlRegistry

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
