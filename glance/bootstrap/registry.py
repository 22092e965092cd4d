"""What glance-registry is made of."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from glance.api import health as probes
from glance.background import Threads
from glance.bootstrap import records
from glance.bootstrap.loading import load
from glance.bootstrap.serving import Service, pipeline_of, server_settings, watched
from glance.config import programs, registry
from glance.registry.pipeline import Composition
from glance.registry.server import RegistryApp
from glance.service.health import Health
from glance.tallies import Tallies

LOG = logging.getLogger(__name__)


def registry_service(arguments: Sequence[str], tallies: Tallies | None = None) -> Service:
    """glance-registry, as its command line and files describe it; it counts in ``tallies`` where it has metrics. Raises ConfigurationError."""
    loaded = load(programs.REGISTRY, arguments)
    conf = loaded.conf
    if registry.trusts_everybody(conf):
        LOG.warning(
            "glance-registry listens on %s without registry_shared_secret or ca_file: whoever reaches it reads and changes every image.",
            conf.bind_host,
        )
    wanted = tallies if conf.metrics.bind_port else None
    kept = records.local(loaded, wanted)
    confirmed, open_to_all = (
        RegistryApp(
            kept.registry,
            secret=conf.registry_shared_secret,
            default_limit=conf.limit_param_default,
            max_limit=conf.api_limit_max,
            anonymous_is_admin=anonymous_is_admin,
            id_format=conf.image_id_format,
        )
        for anonymous_is_admin in (False, True)
    )
    health = Health(kept.checks)
    asked = probes.probes(health)
    application = Composition(pipeline_of(loaded).application, confirmed=confirmed, open_to_all=open_to_all, probes=asked)
    settings = server_settings(loaded)
    return Service(loaded, application, settings, Threads(), (), [kept.registry.close], health, *watched(wanted, kept.figures, asked))
