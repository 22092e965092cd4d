"""Options of the HTTP server: where it listens, with how many processes, and how patient it is."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Any

from oslo_config import cfg

from glance.config.sections import Section

#: What stands in for a time-out of 0, which meant "never" to the first releases: a connection that is dead for a day is dead.
A_DAY = 86400.0


#: Unless bind_host is set: where everybody who reaches glance-api is its administrator, and where it asks who calls.
LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"

_ADDRESS = "Address to listen on. 0.0.0.0 is every IPv4 address of the machine, :: every address."
_UNSET = f"Unless set, {EVERYWHERE}, but {LOOPBACK} where the pipeline asks nobody who calls."


def section(host: str | None, port: int) -> Section:
    """The options, with the address that a program listens on by default; None where that depends on its pipeline."""
    return Section(
        "HTTP server",
        (
            cfg.StrOpt("bind_host", default=host, help=_ADDRESS if host else f"{_ADDRESS} {_UNSET}"),
            cfg.PortOpt("bind_port", default=port, help="TCP port to listen on."),
            cfg.IntOpt("backlog", default=4096, min=1, help="Connections that the kernel keeps waiting for us."),
            cfg.IntOpt(
                "workers",
                min=0,
                help="Worker processes. 0 serves from a single process. Unless set, one for each processor.",
            ),
            cfg.IntOpt("threads", default=1000, min=1, help="Requests that one worker process carries out at the same time."),
            cfg.StrOpt("cert_file", help="Certificate (PEM) to serve HTTPS with; goes together with key_file."),
            cfg.StrOpt("key_file", help="Private key (PEM, without pass phrase) of cert_file."),
            cfg.StrOpt(
                "ca_file", help="Certificates (PEM) of the authorities that must have signed a client's certificate. Unless set, clients need none."
            ),
            cfg.BoolOpt("http_keepalive", default=True, help="Whether a connection serves more than one request."),
            cfg.FloatOpt(
                "client_socket_timeout",
                default=900,
                min=0,
                max=10 * A_DAY,
                help="Seconds without any progress after which the connection of a running request is closed. 0 stands for a day.",
            ),
            cfg.FloatOpt("header_timeout", default=30, min=1, max=60, help="Seconds that a client may take to send the head of a request."),
            cfg.FloatOpt("keepalive_timeout", default=75, min=1, help="Seconds that an idle connection is kept for the next request."),
            cfg.FloatOpt(
                "drain_delay",
                default=0,
                min=0,
                help="Seconds after SIGTERM during which everything is still served, while /readyz answers 503: longer than a load balancer takes to "
                "notice. SIGINT ends without it.",
            ),
            cfg.FloatOpt("drain_timeout", default=300, min=0, help="Seconds that running requests may take to finish when the program stops."),
            cfg.IntOpt("tcp_keepidle", default=600, min=1, help="Seconds of silence after which TCP asks whether the client is still there."),
            cfg.IntOpt(
                "max_header_line", default=8192, min=1024, help="Bytes that a line of a request's head may have; longer ones are answered 431."
            ),
            cfg.BoolOpt(
                "allow_conflicting_framing",
                default=False,
                help="Whether a request may carry both Content-Length and Transfer-Encoding: chunked, as some clients of 2011 send it. The length "
                "is then ignored and the connection closed after the answer. Leave it off behind a proxy: it invites request smuggling.",
            ),
        ),
    )


def read(conf: cfg.ConfigOpts) -> dict[str, Any]:
    """Arguments for ``glance.server.settings.ServerSettings``, which checks them; this room and that one do not know each other."""
    values = section(None, 0).values(conf)
    if conf.workers is None:
        values["workers"] = os.cpu_count() or 1
    if not conf.client_socket_timeout:
        values["client_socket_timeout"] = A_DAY
    return values


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
