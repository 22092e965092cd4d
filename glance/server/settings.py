"""What a server needs to know, and what it serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from wsgiref.types import WSGIApplication, WSGIEnvironment

from glance import errors

KEY_AND_CERTIFICATE = (
    "When running server in SSL mode, you must specify both a cert_file and key_file option value in your configuration file"  # spec-v1 5.2
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Times are seconds, sizes bytes. Raises ConfigurationError for values that no server can run with.

    ``workers`` 0 serves in one process. ``bind_port`` 0 lets the system pick; the log names the port. ``header_timeout`` is for a whole request
    head, ``client_socket_timeout`` for a pause within a body or an answer. After SIGTERM everything is served for ``drain_delay`` more, then what
    runs for ``drain_timeout``. Headers under ``single_header_prefixes`` may be spelled with ``_``
    and come once; all other names with ``_`` are dropped. ``single_fields`` (``HTTP_X_ROLES``) come once too. ``threads`` is the number of requests
    that a worker carries out at a time. The service's ``side`` is served at ``side_host`` and ``side_port``, None for nowhere.
    """

    name: str = "glance-api"
    bind_host: str = "0.0.0.0"
    bind_port: int = 9292
    backlog: int = 4096
    workers: int = 0
    cert_file: str | None = None
    key_file: str | None = None
    ca_file: str | None = None
    http_keepalive: bool = True
    client_socket_timeout: float = 900
    header_timeout: float = 30
    keepalive_timeout: float = 75
    tcp_keepidle: int = 600
    max_header_line: int = 8192
    max_headers_size: int = 65536
    max_header_count: int = 256
    allow_conflicting_framing: bool = False
    single_header_prefixes: tuple[str, ...] = ()
    single_fields: frozenset[str] = frozenset()
    drain_delay: float = 0
    drain_timeout: float = 300
    threads: int = 1000
    side_host: str = "127.0.0.1"
    side_port: int | None = None

    def __post_init__(self) -> None:
        if bool(self.cert_file) != bool(self.key_file):
            raise errors.ConfigurationError(reason=KEY_AND_CERTIFICATE)
        if self.ca_file and not self.cert_file:
            raise errors.ConfigurationError(reason="ca_file needs cert_file and key_file: only where TLS is spoken does a client show a certificate.")
        if not 0 < self.header_timeout <= 60:
            raise errors.ConfigurationError(reason="header_timeout must be more than 0 and at most 60 seconds")
        if self.client_socket_timeout <= 0 or self.keepalive_timeout <= 0:
            raise errors.ConfigurationError(reason="client_socket_timeout and keepalive_timeout must be more than 0 seconds")
        if self.threads < 1 or self.workers < 0:
            raise errors.ConfigurationError(reason="threads must be at least 1, and workers at least 0")


def check_reload(old: ServerSettings, new: ServerSettings) -> None:
    """Raises ConfigurationError where new settings need a restart. An address cannot change meanwhile, and who may reach a service is part of what
    protects it: the settings for one address are not used on another."""
    if (old.bind_host, old.bind_port) != (new.bind_host, new.bind_port):
        raise errors.ConfigurationError(reason="Another address, bind_host or bind_port, needs a restart.")
    if (old.side_host, old.side_port) != (new.side_host, new.side_port):
        raise errors.ConfigurationError(reason="Another address in [metrics] needs a restart.")


class Service(Protocol):
    """An application and how to serve it. ``load()`` makes it in the parent process: it holds no threads and no connections yet."""

    @property
    def app(self) -> WSGIApplication: ...

    @property
    def settings(self) -> ServerSettings: ...

    @property
    def side(self) -> WSGIApplication | None:
        """What is served at the side address, where the settings name one."""

    @property
    def observed(self) -> Callable[[WSGIEnvironment, int, float], None] | None:
        """Called after each answer, with the environ as the application left it, the status, and the seconds from its head to its end."""

    def accepted(self) -> None:
        """Called once nothing is wrong with it, in the process that loaded it: nothing of what it is to replace has changed so far.

        Raises ConfigurationError where it is refused nevertheless; all is as before then, too.
        """

    def started(self) -> None:
        """Called in each worker process, before its first request."""

    def leaving(self) -> None:
        """Called in each worker process once it is told to end, while it goes on to serve for ``drain_delay`` seconds: nobody should send it more."""

    def stopped(self) -> None:
        """Called in each worker process, after its last request."""
