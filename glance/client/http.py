"""HTTP for ``glance.client``: addresses, requests whose data is streamed, answers that are read in blocks. Standard library only."""

from __future__ import annotations

import contextlib
import io
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from glance.common import exception
from glance.common.exception import ClientConnectionError

BLOCK_SIZE: Final = 64 * 1024
DEFAULT_TIMEOUT: Final = 600.0

Headers = Mapping[str, str | bytes]

JSON_HEADERS: Final[Headers] = {"Content-Type": "application/json"}

SUCCESS: Final = frozenset({200, 201, 202, 204})
ERRORS: Final[dict[int, type[exception.Error]]] = {
    300: exception.MultipleChoices,
    400: exception.Invalid,
    401: exception.NotAuthenticated,
    403: exception.Forbidden,
    404: exception.NotFound,
    409: exception.Duplicate,
    413: exception.LimitExceeded,
    503: exception.ServiceUnavailable,
}


class Readable(Protocol):
    """A file, pipe or anything else that gives bytes, b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


class Payload:
    """Data to send, and its ``size`` in bytes: None where the source cannot tell. Raises BadInputError for what cannot be read at all."""

    def __init__(self, data: bytes | str | Readable) -> None:
        if isinstance(data, str):
            data = data.encode()
        source: Any = io.BytesIO(data) if isinstance(data, bytes) else data
        if not hasattr(source, "read"):
            raise exception.BadInputError(f"Image data must be bytes, text or something with read, not {type(data).__name__}.")
        self._source = source
        self.size: int | None = None
        with contextlib.suppress(AttributeError, OSError, ValueError):  # the last of a closed file, whose read says so
            self._start = source.tell()
            source.seek(0, os.SEEK_END)
            end = source.tell()
            source.seek(self._start)
            self.size = max(0, end - self._start)

    def framing(self) -> dict[str, str]:
        """One header. No bytes at all are sent in chunks too, since the service takes ``Content-Length: 0`` for a request without data."""
        return {"Content-Length": str(self.size)} if self.size else {"Transfer-Encoding": "chunked"}

    def blocks(self) -> Iterator[bytes]:
        """Exactly ``size`` bytes where that is known. Raises BadInputError."""
        left = self.size
        while left is None or left > 0:
            try:
                block = self._source.read(BLOCK_SIZE if left is None else min(BLOCK_SIZE, left))
            except (OSError, ValueError) as error:
                raise exception.BadInputError(f"The image data cannot be read: {error}") from error
            if not isinstance(block, bytes):
                raise exception.BadInputError("Image data must be bytes; open the file in binary mode.")
            if not block:
                break
            yield block
            left = None if left is None else left - len(block)
        if left:
            raise exception.BadInputError(f"The image data ended {left} bytes too early.")

    def rewind(self) -> bool:
        """Back to the first byte, to send it all again; False where the source cannot."""
        if self.size is None:
            return False
        self._source.seek(self._start)
        return True


class Answer(Iterator[bytes]):
    """A response that is still open: gives its body in blocks, and closes its connection at the end, on ``close`` or when dropped."""

    def __init__(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        self._connection = connection
        self._response = response
        self._left = response.length
        self.status = response.status
        self.reason = response.reason
        # http.client decodes headers as latin-1; the service sends UTF-8.
        self.headers = {name.lower(): value.encode("latin-1").decode("utf-8", "replace") for name, value in response.headers.items()}

    def __next__(self) -> bytes:
        try:
            block = self._response.read(BLOCK_SIZE)
        except (OSError, HTTPException) as error:
            self.close()
            raise ClientConnectionError(f"The connection broke. Got error: {error!r}") from error
        if self._left is not None:
            self._left -= len(block)
        if block:
            return block
        missing = self._left
        self.close()
        if missing:
            raise ClientConnectionError(f"The connection ended {missing} bytes too early.")
        raise StopIteration

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Gives the connection up, also before the end; nothing can be read afterwards."""
        self._left = None
        self._response.close()
        self._connection.close()

    def text(self) -> str:
        """All of the body."""
        return b"".join(self).decode("utf-8", "replace")

    def document(self, *keys: str) -> Any:
        """What stands under the first of ``keys`` that the JSON object in the body has."""
        try:
            document = json.loads(self.text())
            return next(document[key] for key in keys if key in document)
        except (ValueError, TypeError, StopIteration) as error:
            raise exception.Error(f"The server's answer has no {keys[0]}.") from error

    def error(self) -> exception.Error:
        """The error that this answer stands for."""
        try:
            text = self.text() or f"{self.status} {self.reason}"
        except ClientConnectionError:  # the status is known, and matters more than the rest of the body
            text = f"{self.status} {self.reason}"
        if self.status in ERRORS:
            return ERRORS[self.status](text)
        return exception.Error(f"Internal Server error: {text}" if self.status == 500 else f"Unknown error occurred! {text}")


class Address(NamedTuple):
    """Where a service answers: ``path`` is the part before ``/images``, without a slash at its end."""

    use_ssl: bool
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Address:
        """Raises ClientConfigurationError."""
        try:
            parts = urlsplit(url)
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise exception.ClientConfigurationError(f"This is no usable address: {error}") from error
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise exception.ClientConfigurationError("An address must begin with http:// or https:// and a host.")
        return cls(parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/"))


class Network:
    """Sends requests: all that the image service and the identity service have in common."""

    def __init__(self, key_file: str | None, cert_file: str | None, ca_file: str | None, insecure: bool, timeout: float | None) -> None:
        self._key_file = key_file or os.environ.get("GLANCE_CLIENT_KEY_FILE")
        self._cert_file = cert_file or os.environ.get("GLANCE_CLIENT_CERT_FILE")
        self._ca_file = ca_file or os.environ.get("GLANCE_CLIENT_CA_FILE")
        self._insecure = insecure
        self._timeout = timeout
        if self._key_file and not self._cert_file:
            raise exception.ClientConfigurationError("A key file needs a certificate file.")

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
            if self._cert_file:
                context.load_cert_chain(self._cert_file, self._key_file)
        except OSError as error:
            raise exception.ClientConfigurationError(f"The TLS files cannot be used: {error}") from error
        if self._insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _connection(self, address: Address) -> HTTPConnection:
        if address.use_ssl:
            return HTTPSConnection(address.host, address.port, timeout=self._timeout, context=self._tls)
        return HTTPConnection(address.host, address.port, timeout=self._timeout)

    def send(self, address: Address, method: str, path: str, headers: Headers, payload: Payload | None = None) -> Answer:
        """One request, its answer whatever its status. Raises ClientConnectionError, and BadInputError for the data."""
        connection = self._connection(address)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(connection.close)
            try:
                connection.connect()
                # A server that refuses an upload may answer and hang up before it has read everything: the answer then says why.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    if payload is None:
                        connection.request(method, address.path + path, headers=headers)
                    else:
                        framed = {**headers, **payload.framing()}
                        connection.request(method, address.path + path, payload.blocks(), framed, encode_chunked="Transfer-Encoding" in framed)
                answer = Answer(connection, connection.getresponse())
            except (OSError, HTTPException) as error:
                raise ClientConnectionError(f"Unable to connect to server. Got error: {error}") from error
            cleanup.pop_all()
        return answer
