"""The guard for connections to addresses that a client may influence: the only place that opens them.

A URL is parsed strictly, its port and *every* address of its host are checked, and the connection goes to a checked address, whatever the
name means a moment later. Each redirect is treated like a new URL. Refusals are alike: they say nothing about what is behind an address.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urljoin, urlsplit

from glance import errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: As ``socket.getaddrinfo``.
Resolver = Callable[..., Iterable[tuple[Any, ...]]]

_SCHEMES = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: What goes along to another origin; everything else may be a credential.
_HARMLESS_HEADERS = frozenset({"accept", "range"})
#: Addresses of one name that are tried, so that a name with a hundred silent ones cannot hold a thread.
_MAX_ATTEMPTS = 3

_URL = re.compile(r"[!-~]+")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_]([a-z0-9_-]{0,62})?)*")
#: A last label that resolvers may take for (a part of) a number: 127.1, 2130706433, 0x7f000001.
_NUMERIC_END = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")

_GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
#: Inside the global ranges, yet able to lead elsewhere or nowhere: 6to4 and its relays, IETF protocols with Teredo, documentation
#: (IANA special-purpose registries).
_SPECIAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


@dataclass(frozen=True, slots=True)
class EgressSettings:
    """What the guard lets through, and for how long.

    ``allowed_networks`` (CIDR) are opened by the operator although they are not global; ``denied_networks``, such as this site's own
    addresses, stay closed whatever else is said. ``allowed_ports`` is the whole list; None opens every port. Times are in seconds and count
    only waiting for the other side: ``read_timeout`` for one answer of it, ``total_timeout`` for all. Less than ``minimum_rate`` bytes a
    second, measured over ``read_timeout``, ends the connection, as do more than ``maximum_bytes``.
    """

    allowed_networks: tuple[str, ...] = ()
    denied_networks: tuple[str, ...] = ()
    allowed_ports: tuple[int, ...] | None = (80, 443)
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    total_timeout: float = 86400.0
    minimum_rate: int = 1024
    maximum_bytes: int = 1 << 41
    max_redirects: int = 3
    https_insecure: bool = False
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """A parsed URL: ``host`` without brackets, lower case and without a final dot."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port


class _Refused(Exception):
    """The guard says no."""


class Response:
    """An answer whose body is still to be read. Must be closed."""

    def __init__(self, connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._connection = connection
        self._answer = answer
        self._left = self.content_length

    @property
    def content_length(self) -> int | None:
        """Content-Length; None when it is absent, doubled, not a number, or overruled by Transfer-Encoding."""
        values = [] if self._answer.chunked else self._answer.headers.get_all("Content-Length", [])
        return int(values[0]) if len(values) == 1 and re.fullmatch(r"[0-9]{1,18}", values[0]) else None

    def read(self, size: int) -> bytes:
        """What has arrived, at most ``size`` bytes; b"" at the end. Raises SourceUnreadable when the body ends before its announced length."""
        if self._left is not None:
            size = min(size, self._left)
        if size == 0:
            return b""
        try:
            data = self._answer.read1(size)
        except (OSError, http.client.HTTPException):
            raise _unreadable() from None
        if self._left is not None:
            if not data:
                raise _unreadable()
            self._left -= len(data)
        return data

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


class Egress:
    """Opens URLs that clients supplied. Raises ConfigurationError for settings that cannot be used."""

    def __init__(self, settings: EgressSettings, resolver: Resolver = socket.getaddrinfo) -> None:
        self._settings = settings
        self._resolver = resolver
        self._allowed = _networks(settings.allowed_networks)
        self._denied = _networks(settings.denied_networks)
        self._tls = _tls_context(settings)

    def open(self, url: str, *, method: str = "GET", headers: Mapping[str, str] = MappingProxyType({})) -> Response:
        """Sends a request without a body and returns the answer, of whatever status, after redirects.

        Raises SourceRefused for what the guard does not allow, a host without address included, and SourceUnreadable when nobody answers.
        """
        try:
            return self._follow(url, method, dict(headers))
        except _Refused:
            raise errors.SourceRefused(source=shown(url)) from None
        except (OSError, http.client.HTTPException):
            raise _unreadable() from None

    def _follow(self, url: str, method: str, headers: dict[str, str]) -> Response:
        target = _parse(url)
        for _hop in range(self._settings.max_redirects + 1):
            response = self._send(target, method, headers)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response
            response.close()
            url = _join(url, location)
            following = _parse(url)
            if target.scheme == "https" and following.scheme != "https":
                raise _Refused
            if following.origin != target.origin:
                headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS_HEADERS}
            target = following
        raise _Refused

    def _send(self, target: _Target, method: str, headers: Mapping[str, str]) -> Response:
        connection = _PinnedConnection(target, self._addresses(target), self._settings, self._tls)
        try:
            connection.request(method, target.path, headers={**headers, "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "glance"})
            return Response(connection, connection.getresponse())
        except BaseException:
            connection.close()
            raise

    def _addresses(self, target: _Target) -> list[Address]:
        """The addresses of a host, each of them checked."""
        if self._settings.allowed_ports is not None and target.port not in self._settings.allowed_ports:
            raise _Refused
        try:
            addresses = [ipaddress.ip_address(target.host)]
        except ValueError:
            addresses = self._resolve(target)
        if not addresses or not all(self._permits(address) for address in addresses):
            raise _Refused
        return addresses

    def _resolve(self, target: _Target) -> list[Address]:
        try:
            found = self._resolver(target.host, target.port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(ipaddress.ip_address(sockaddr[0]) for *_, sockaddr in found))
        except (OSError, ValueError):
            raise _Refused from None

    def _permits(self, address: Address) -> bool:
        if any(address in network for network in self._denied):
            return False
        return _is_global_unicast(address) or any(address in network for network in self._allowed)


class _PacedReader(io.RawIOBase):
    """The bytes of a socket, with limits on the time spent waiting for them and on their number: a silent, dripping or endless server ends."""

    def __init__(self, sock: socket.socket, settings: EgressSettings) -> None:
        self._raw: io.RawIOBase = sock.makefile("rb", buffering=0)
        self._settings = settings
        self._total_bytes = self._recent_bytes = 0
        self._total_seconds = self._recent_seconds = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        begun = time.monotonic()
        count = self._raw.readinto(buffer)
        self._account(count or 0, time.monotonic() - begun)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()

    def _account(self, count: int, seconds: float) -> None:
        limits = self._settings
        self._total_bytes += count
        self._recent_bytes += count
        self._total_seconds += seconds
        self._recent_seconds += seconds
        if self._total_bytes > limits.maximum_bytes or self._total_seconds > limits.total_timeout:
            raise TimeoutError
        if self._recent_seconds >= limits.read_timeout:
            if self._recent_bytes < limits.minimum_rate * self._recent_seconds:
                raise TimeoutError
            self._recent_bytes, self._recent_seconds = 0, 0.0


class _PacedSocket:
    """The part of a socket that HTTPResponse uses."""

    def __init__(self, sock: socket.socket, settings: EgressSettings) -> None:
        self._sock = sock
        self._settings = settings

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_PacedReader(self._sock, self._settings))


class _PinnedConnection(http.client.HTTPConnection):
    """HTTP to addresses that were checked, under the name of the host: in Host, in SNI and in the certificate."""

    def __init__(self, target: _Target, addresses: list[Address], settings: EgressSettings, tls: ssl.SSLContext) -> None:
        super().__init__(target.host, target.port, timeout=settings.read_timeout)
        self.default_port = _SCHEMES[target.scheme]
        self.response_class = self._paced_response  # type: ignore[assignment]
        self._target = target
        self._addresses = addresses
        self._settings = settings
        self._tls = tls

    def connect(self) -> None:
        sock = self._dial()
        try:
            if self._target.scheme == "https":
                sock = self._tls.wrap_socket(sock, server_hostname=self._target.host)
            sock.settimeout(self._settings.read_timeout)
        except BaseException:
            sock.close()
            raise
        self.sock = sock

    def _dial(self) -> socket.socket:
        failure = OSError()
        for address in self._addresses[:_MAX_ATTEMPTS]:
            try:
                return socket.create_connection((str(address), self._target.port), self._settings.connect_timeout)
            except OSError as error:
                failure = error
        raise failure

    def _paced_response(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_PacedSocket(sock, self._settings), **options)  # type: ignore[arg-type]


def shown(url: str) -> str:
    """A URL as an error may show it: as it was given, unless it may hold credentials or is not plain text."""
    return url if len(url) <= 1024 and _URL.fullmatch(url) and "@" not in url else "(hidden)"


def _parse(url: str) -> _Target:
    """Reads a URL strictly (RFC 3986, with an authority and without userinfo and fragment). Raises _Refused."""
    if not _URL.fullmatch(url) or "\\" in url or "#" in url:
        raise _Refused
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _Refused from None
    if parts.scheme not in _SCHEMES or not parts.hostname or "@" in parts.netloc or parts.netloc.endswith(":") or port == 0:
        raise _Refused
    path = parts.path or "/"
    return _Target(
        scheme=parts.scheme,
        host=_host(parts.hostname, bracketed=parts.netloc.startswith("[")),
        port=port or _SCHEMES[parts.scheme],
        path=f"{path}?{parts.query}" if parts.query else path,
    )


def _host(text: str, *, bracketed: bool) -> str:
    """A host name, a dotted quad in its one canonical form, or an IPv6 address without zone."""
    if bracketed:
        if "%" in text:
            raise _Refused
        return _canonical(ipaddress.IPv6Address, text)
    if _NUMERIC_END.fullmatch(text.rstrip(".")):
        return _canonical(ipaddress.IPv4Address, text)
    name = text.removesuffix(".")
    if not _HOST_NAME.fullmatch(name):
        raise _Refused
    return name


def _canonical(kind: Callable[[str], Address], text: str) -> str:
    try:
        return str(kind(text))
    except ValueError:
        raise _Refused from None


def _join(url: str, location: str) -> str:
    """The URL that a Location header means; checked before joining, which would drop control characters silently."""
    if not _URL.fullmatch(location):
        raise _Refused
    try:
        return urljoin(url, location)
    except ValueError:
        raise _Refused from None


def _is_global_unicast(address: Address) -> bool:
    """Whether an address is on the public internet and can be nowhere else. IPv6 forms that carry an IPv4 address are not."""
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST_V6:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not any(address in network for network in _SPECIAL)


def _networks(texts: Iterable[str]) -> list[Network]:
    try:
        return [ipaddress.ip_network(text) for text in texts]
    except ValueError as error:
        raise errors.ConfigurationError(reason=f"A network for external sources is not understood: {error}") from None


def _tls_context(settings: EgressSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise errors.ConfigurationError(reason=f"The file of CA certificates for external sources cannot be used: {error.strerror}") from None
    if settings.https_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _unreadable() -> errors.SourceUnreadable:
    """One text for every failure: a closed, a filtered and a foreign port look the same."""
    return errors.SourceUnreadable(reason="it does not answer as expected")
