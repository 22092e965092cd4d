"""Options about metrics."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from glance.config.sections import Section

SECTION = Section(
    "Metrics",
    (
        cfg.StrOpt("bind_host", default="127.0.0.1", help="Address to listen on for Prometheus. Whoever reaches it is told, whoever it is."),
        cfg.PortOpt("bind_port", min=1, help="TCP port for Prometheus: /metrics, /livez and /readyz over HTTP. Unless set, nothing is counted."),
    ),
    group="metrics",
)


def read(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """Arguments for ``glance.server.settings.ServerSettings``."""
    return {"side_host": conf.metrics.bind_host, "side_port": conf.metrics.bind_port}
