"""Kept-alive connections to glance-registry (RFC 9112): one send for each request, and as few calls of the system as it takes, since each request of
a client waits for them."""

from __future__ import annotations

import logging
import re
import select
import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Condition
from time import monotonic
from typing import Literal, NoReturn

from glance import errors

LOG = logging.getLogger(__name__)

CONNECT_TIMEOUT = 5.0

#: Bytes that are received at a time, and that the head of an answer may have.
_STEP, _HEAD_LIMIT = 64 * 1024, 64 * 1024
_HEAD_END = b"\r\n\r\n"
_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([2-5][0-9]{2})(?: .*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?\r\n")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
#: struct timeval.
_TIME = struct.Struct("@ll")


@dataclass(frozen=True, slots=True)
class RegistryClientSettings:
    """Where the registry is, and how to speak to it.

    ``timeout`` is the longest silence of the registry in seconds. ``connections`` are kept alive at most; who needs one more waits. ``ca_file``
    verifies the registry (None: the system's authorities), ``cert_file`` and ``key_file`` are shown to it; ``insecure`` verifies nothing.
    """

    host: str = "127.0.0.1"
    port: int = 9191
    protocol: Literal["http", "https"] = "http"
    timeout: float = 600.0
    connections: int = 32
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    insecure: bool = False
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes


class _Broken(Exception):
    """The connection ended before the answer did, or something else than an answer came."""


class PoolTransport:
    """Kept-alive connections. None is opened before the first request, so a process may fork after this was made. Raises ConfigurationError for
    certificates that cannot be used."""

    def __init__(self, settings: RegistryClientSettings) -> None:
        self._settings = settings
        self._tls = _tls_context(settings) if settings.protocol == "https" else None
        self._host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._freed = Condition()
        self._idle: list[_Connection] = []
        self._open = 0

    def send(self, verb: str, target: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool) -> Reply:
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if _CONTROL.search("".join(headers.values())):
            raise errors.Invalid(reason="Who asks has a name with control characters.")
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = f"{verb} {target} HTTP/1.1\r\nHost: {self._host}:{self._settings.port}\r\n{lines}{length}\r\n".encode()
        try:
            return self._exchange(head + body if body else head, repeatable=repeatable)
        except (OSError, _Broken) as error:
            place = f"{self._settings.host}:{self._settings.port}"
            LOG.warning("The registry at %s does not answer: %s: %s", place, type(error).__name__.strip("_"), error)
            raise errors.RegistryUnavailable from error

    def close(self) -> None:
        with self._freed:
            while self._idle:
                self._idle.pop().close()
                self._open -= 1

    def _exchange(self, request: bytes, *, repeatable: bool) -> Reply:
        """Tries again, once, where the connection broke and the registry may get the request twice. Who refuses or is silent now, will be again."""
        try:
            return self._once(request)
        except (_Broken, ConnectionResetError, BrokenPipeError):
            if not repeatable:
                raise
            return self._once(request)

    def _once(self, request: bytes) -> Reply:
        connection = self._take()
        kept = False
        try:
            reply = connection.exchange(request)
            kept = connection.is_kept
            return reply
        finally:
            self._give_back(connection, kept=kept)

    def _take(self) -> _Connection:
        """A connection that nobody else uses. Raises OSError, TimeoutError where none comes free."""
        until = monotonic() + self._settings.timeout
        with self._freed:
            while not self._idle and self._open >= self._settings.connections:
                if not self._freed.wait(until - monotonic()):
                    raise TimeoutError("all connections are in use")
            connection = self._idle.pop() if self._idle else None
            if connection is None:
                self._open += 1
        if connection is not None and connection.is_quiet:
            return connection
        try:
            if connection is not None:
                connection.close()
            return _Connection(self._connect())
        except BaseException:
            with self._freed:
                self._open -= 1
                self._freed.notify()
            raise

    def _give_back(self, connection: _Connection, *, kept: bool) -> None:
        if not kept:
            connection.close()
        with self._freed:
            if kept:
                self._idle.append(connection)
            else:
                self._open -= 1
            self._freed.notify()

    def _connect(self) -> socket.socket:
        sock = socket.create_connection((self._settings.host, self._settings.port), CONNECT_TIMEOUT)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_hostname=self._settings.host)
                sock.settimeout(self._settings.timeout)
                return sock
            # The kernel keeps the time: else each call would be two.
            sock.setblocking(True)
            seconds, part = divmod(self._settings.timeout, 1)
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                sock.setsockopt(socket.SOL_SOCKET, option, _TIME.pack(int(seconds), int(part * 1_000_000)))
        except BaseException:
            sock.close()
            raise
        return sock


class _Connection:
    """Brings one request after the other. ``is_kept`` tells, after an answer, whether another request may follow."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.is_kept = True

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come unasked, as an end does."""
        return not self._poll.poll(0)

    def close(self) -> None:
        self._sock.close()

    def exchange(self, request: bytes) -> Reply:
        """The answer to a request. Raises OSError, TimeoutError, _Broken."""
        try:
            self._sock.sendall(request)
            return self._receive()
        except BlockingIOError:
            raise TimeoutError("no answer in time") from None

    def _receive(self) -> Reply:
        data = self._more()
        while (end := data.find(_HEAD_END)) < 0:
            if len(data) > _HEAD_LIMIT:
                raise _Broken("its answer has no end of the head")
            data += self._more()
        first, *lines = data[:end].decode("latin-1").split("\r\n")
        status_line = _STATUS_LINE.fullmatch(first)
        if status_line is None:
            raise _Broken("it speaks something else than HTTP")
        minor, status = status_line.groups()
        fields = {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
        self.is_kept = minor == "1" and fields.get("connection", "").lower() != "close"
        return Reply(int(status), self._body(int(status), fields, data[end + len(_HEAD_END) :]))

    def _body(self, status: int, fields: Mapping[str, str], begun: bytes) -> bytes:
        if status in {204, 304}:
            return b""
        if "transfer-encoding" in fields:  # something between us and the registry
            return self._chunks(begun)
        length = fields.get("content-length")
        if length is None:
            self.is_kept = False
            return self._rest(begun)
        if not _LENGTH.fullmatch(length):
            raise _Broken("the length of its answer is no number")
        size = int(length)
        body = begun if len(begun) >= size else self._filled(begun, size)
        if len(body) > size:
            raise _Broken("more came than was announced")
        return body

    def _filled(self, begun: bytes, size: int) -> bytes:
        """At least ``size`` bytes, of which some are there."""
        body = bytearray(begun)
        while len(body) < size:
            body += self._more()
        return bytes(body)

    def _rest(self, begun: bytes) -> bytes:
        body = bytearray(begun)
        while part := self._sock.recv(_STEP):
            body += part
        return bytes(body)

    def _chunks(self, data: bytes) -> bytes:
        """A chunked body, of which ``data`` have come (RFC 9112, 7.1)."""
        body = bytearray()
        while True:
            while b"\r\n" not in data:
                data += self._more()
            line = _CHUNK_SIZE.match(data)
            if line is None:
                raise _Broken("a chunk of its answer has no size")
            size = int(line[1], 16)
            if not size:
                self.is_kept = False  # what follows it is of no interest
                return bytes(body)
            data = self._filled(data[line.end() :], size + 2)
            body += data[:size]
            data = data[size + 2 :]

    def _more(self) -> bytes:
        part = self._sock.recv(_STEP)
        if not part:
            raise _Broken("it hung up")
        return part


def _tls_context(settings: RegistryClientSettings) -> ssl.SSLContext:
    if settings.key_file and not settings.cert_file:
        raise errors.ConfigurationError(reason="registry_client_key_file needs registry_client_cert_file: a key alone is shown to nobody.")
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file, _refuse_pass_phrase)
    except OSError as error:
        raise errors.ConfigurationError(
            reason=f"registry_client_cert_file, registry_client_key_file or registry_client_ca_file cannot be used: {error.strerror or error}"
        ) from error
    if settings.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _refuse_pass_phrase() -> NoReturn:
    """In place of OpenSSL, which would ask for it at the terminal."""
    raise errors.ConfigurationError(reason="registry_client_key_file has a pass phrase, which nobody could enter: take it away.")
