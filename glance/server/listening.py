"""The listening socket, TLS, and the limit of open files."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
import ssl
import time
from typing import Any, NoReturn

from glance import errors
from glance.server.settings import ServerSettings

LOG = logging.getLogger(__name__)

_RETRY = 0.5
_OPEN_FILES = 32768
#: Where a supervisor leaves the first socket that it hands over (sd_listen_fds(3)).
_HANDED_OVER = 3


def handed_over_or_bound(settings: ServerSettings) -> socket.socket:
    """The listening socket that a supervisor such as systemd keeps open while programs come and go, else one of our own, as ``bind`` makes it.

    Raises ConfigurationError, also where what is handed over is not the one address of the settings.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return bind(settings)
    family, kind, protocol, address = _resolved(settings.bind_host, settings.bind_port)
    wanted = f"What is handed over must be one listening socket, at {settings.bind_host}:{settings.bind_port}"
    try:
        sock = socket.socket(fileno=_HANDED_OVER)
    except OSError as error:
        raise errors.ConfigurationError(reason=f"{wanted}; it is no socket") from error
    count = os.environ.get("LISTEN_FDS")
    if count != "1" or (sock.family, sock.type, sock.proto, sock.getsockname()) != (family, kind, protocol, address):
        raise errors.ConfigurationError(reason=f"{wanted}; handed over: {count}, {sock.type.name} at {_place(sock)}")
    sock.set_inheritable(False)
    return _prepared(sock, settings)


def bind(settings: ServerSettings, patience: float = 30) -> socket.socket:
    """A listening socket that does not block; its options are inherited by what it accepts.

    An address in use is tried again for ``patience`` seconds. Raises ConfigurationError.
    """
    return _bind(settings.bind_host, settings.bind_port, settings, patience)


def bind_side(settings: ServerSettings, patience: float = 30) -> socket.socket | None:
    """The same for the side address, None where there is none."""
    return None if settings.side_port is None else _bind(settings.side_host, settings.side_port, settings, patience)


def _bind(host: str, port: int, settings: ServerSettings, patience: float) -> socket.socket:
    place = f"{host}:{port}"
    family, kind, protocol, address = _resolved(host, port)
    sock = _prepared(socket.socket(family, kind, protocol), settings)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + patience
    told = False
    while True:
        try:
            sock.bind(address)
            sock.listen(settings.backlog)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                sock.close()
                raise errors.ConfigurationError(reason=f"Could not bind to {place}: {error.strerror}") from error
            if time.monotonic() + _RETRY > deadline:
                sock.close()
                raise errors.ConfigurationError(reason=f"Could not bind to {place} after trying for {patience:g} seconds") from error
            if not told:
                LOG.warning("Another process uses %s; waiting up to %g seconds for it to end", place, patience)
                told = True
            time.sleep(_RETRY)
        else:
            return sock


def _resolved(host: str, port: int) -> tuple[int, int, int, Any]:
    """Family, type and protocol of a socket for an address, and that address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise errors.ConfigurationError(reason=f"Could not bind to {host}:{port}: {error.strerror}") from error
    return family, kind, protocol, address


def _place(sock: socket.socket) -> str:
    """The address of any socket, also of one that has a path."""
    name = sock.getsockname()
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name)


def _prepared(sock: socket.socket, settings: ServerSettings) -> socket.socket:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, settings.tcp_keepidle)
    sock.setblocking(False)
    return sock


def tls_context(settings: ServerSettings) -> ssl.SSLContext | None:
    """None where no certificate is configured. Raises ConfigurationError."""
    if settings.cert_file is None or settings.key_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file, _refuse_pass_phrase)
        if settings.ca_file:
            context.load_verify_locations(settings.ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise errors.ConfigurationError(reason=f"The TLS certificate, key or CA file cannot be used: {error.strerror or error}") from error
    return context


def _refuse_pass_phrase() -> NoReturn:
    """In place of OpenSSL, which would ask for it at the terminal."""
    raise errors.ConfigurationError(reason="key_file has a pass phrase, which nobody could enter: take it away.")


def url_of(listener: socket.socket, settings: ServerSettings) -> str:
    """The address as a URL, with the port that was really bound."""
    host, port = listener.getsockname()[:2]
    if listener.family == socket.AF_INET6:
        host = f"[{host}]"
    return f"{'https' if settings.cert_file else 'http'}://{host}:{port}/"


def raise_file_limit() -> None:
    """Lets this process and its children open as many files as the system allows, within reason: connections need descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connection_limit() -> int:
    """Connections that one process may hold: half of its descriptors, the rest is for what requests open."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        soft = _OPEN_FILES
    return max(4, (soft - 32) // 2)
