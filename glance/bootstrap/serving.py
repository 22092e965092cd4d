"""A program that serves: how it is read from its options, and what the server gets of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from glance.api import health as probes
from glance.api.middleware.context import IDENTITY_HEADERS
from glance.background import Periodic, Threads
from glance.bootstrap.loading import adopt
from glance.config import listening, metrics, pipelines
from glance.config.pipelines import Pipeline
from glance.config.programs import Loaded
from glance.interfaces import Figures
from glance.server.settings import ServerSettings
from glance.service.health import Health
from glance.tallies import Tallies

LOG = logging.getLogger(__name__)

WSGIApplication: TypeAlias = Any
Observer: TypeAlias = Callable[[dict[str, Any], int, float], None]

#: Headers that clients of 2011 spell with underscores.
CLASSIC_HEADERS = ("x-image-meta-", "x-glance-")


@dataclass(frozen=True, slots=True)
class Service:
    """What a server serves: ``glance.server.settings.Service``. ``loaded`` is its configuration; ``periodic`` work is done in each worker process
    from its start to its end."""

    loaded: Loaded
    app: WSGIApplication
    settings: ServerSettings
    background: Threads
    periodic: Sequence[Periodic]
    close: Sequence[Callable[[], None]]
    health: Health
    side: WSGIApplication | None
    observed: Observer | None

    def accepted(self) -> None:
        adopt(self.loaded)

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


def server_settings(loaded: Loaded) -> ServerSettings:
    """How a program is served. Raises ConfigurationError."""
    values = listening.read(loaded.conf) | metrics.read(loaded.conf)
    return ServerSettings(
        name=loaded.program,
        single_header_prefixes=CLASSIC_HEADERS,
        single_fields=IDENTITY_HEADERS,  # joined with the proxy's, a client's X-Roles would count
        **values,
    )


def pipeline_of(loaded: Loaded) -> Pipeline:
    """The pipeline that a program's paste file describes. Raises ConfigurationError."""
    path = pipelines.find(loaded.conf, loaded.program, loaded.files)
    return pipelines.load(path, loaded.program, loaded.conf.paste_deploy.flavor, loaded.files, loaded.conf)


def watched(
    tallies: Tallies | None, figures: Figures | None, probes_by_path: Mapping[str, WSGIApplication]
) -> tuple[WSGIApplication | None, Observer | None]:
    """What the side address serves and what counts requests; nothing without metrics."""
    if tallies is None:
        return None, None

    from glance.api import metrics as exposed

    return probes.side({**probes_by_path, "/metrics": exposed.exposition(tallies, figures)}), exposed.RequestMeter(tallies)
