"""The registry of a program: on the database, or in another process."""

from __future__ import annotations

import logging
from dataclasses import dataclass

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


def chosen(loaded: Loaded, tallies: Tallies | None) -> Records:
    """The one that the options of glance-api name. Raises ConfigurationError."""
    return local(loaded, tallies) if loaded.conf.registry_mode == "embedded" else remote(loaded)


def remote(loaded: Loaded) -> Records:
    """The registry in another process. Raises ConfigurationError."""
    from glance.registry.client import connect

    client = connect(registry.read_client(loaded.conf))
    return Records(client, (registry_check(client),))


def local(loaded: Loaded, tallies: Tallies | None) -> Records:
    """The registry on the database, which must fit: SQLite is brought to the newest version, others are checked. Raises ConfigurationError."""
    from glance.db import migrate
    from glance.db.engine import make_engine, wait_for
    from glance.db.figures import SqlFigures, watch_pool
    from glance.db.registry import SqlRegistry

    conf = loaded.conf
    settings = database.read(conf)
    engine = make_engine(settings)
    if engine.dialect.name == "sqlite":
        if not migrate.version(engine):
            LOG.warning("The database is new: it holds no image.")
        migrate.sync(engine)
    else:
        wait_for(engine, settings)
        migrate.check(engine)
    if tallies is not None:
        watch_pool(engine, lambda more: tallies.shift(CONNECTIONS.name, amount=more))
    figures = SqlFigures(engine)
    checks = Check("database", figures.check_answer), Check("migrations", figures.check_schema)
    records = SqlRegistry(engine, image_id_format=conf.image_id_format, lease_seconds=conf.upload_lease_seconds, quotas=quotas.make(conf))
    return Records(records, checks, figures)
