"""``glance.client.Client``: the image API (v1) for Python programs, compatible with the class of that name of 2011 (spec-v1 4.1).

Standard library only, so that it runs wherever Python does. Every request has a connection of its own; image data passes in blocks, both ways.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from functools import cached_property
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode, urljoin, urlsplit

from glance.common import exception
from glance.common.exception import ClientConnectionError

__all__ = ["Client", "ClientConnectionError", "ImageMeta", "Readable", "V1Client", "get_client", "headers_from_meta", "meta_from_headers"]

DEFAULT_PORT: Final = 9292
DEFAULT_DOC_ROOT: Final = "/v1"
DEFAULT_TIMEOUT: Final = 600.0
BLOCK_SIZE: Final = 64 * 1024
MAX_REDIRECTS: Final = 10

META_PREFIX: Final = "x-image-meta-"
PROPERTY_PREFIX: Final = "x-image-meta-property-"
TRUE_WORDS: Final = frozenset({"1", "t", "true", "on", "y", "yes"})

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

#: Attributes of an image by name, with its custom ones as a dict under ``properties``.
ImageMeta = dict[str, Any]


class Readable(Protocol):
    """A file, pipe or anything else that gives bytes, b"" at the end."""

    def read(self, size: int, /) -> bytes: ...


def headers_from_meta(meta: Mapping[str, Any]) -> dict[str, bytes]:
    """The request headers for an image; None becomes an empty value, text becomes UTF-8. Raises Invalid for what no header can carry."""
    fields = {META_PREFIX + key: value for key, value in meta.items() if key != "properties"}
    properties = {PROPERTY_PREFIX + key: value for key, value in (meta.get("properties") or {}).items()}
    headers = {}
    for name, value in (fields | properties).items():
        text = "" if value is None else str(value)
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or re.search(r"[\r\n\0]", text):
            raise exception.Invalid(f"This attribute cannot be sent as a header: {name[len(META_PREFIX) :]!r}")
        headers[name] = text.encode()
    return headers


def meta_from_headers(headers: Mapping[str, str]) -> ImageMeta:
    """The image that response headers (names in lower case) describe. Sizes are integers, flags booleans, min_disk and min_ram text as sent."""
    properties: dict[str, str | None] = {}
    meta: ImageMeta = {}
    for name, value in headers.items():
        if name.startswith(PROPERTY_PREFIX):
            properties[name.removeprefix(PROPERTY_PREFIX).replace("-", "_")] = value or None
        elif name.startswith(META_PREFIX):
            meta[name.removeprefix(META_PREFIX).replace("-", "_")] = value or None
    for flag in {"is_public", "protected", "deleted"} & meta.keys():
        meta[flag] = str(meta[flag]).lower() in TRUE_WORDS
    if "size" in meta:
        meta["size"] = _number_if_decimal(meta["size"])
    return _with_native_id(meta) | {"properties": properties}


def _with_native_id(meta: ImageMeta) -> ImageMeta:
    """The same image with an integer id where the server counts its images; UUIDs stay text."""
    return meta | {"id": _number_if_decimal(meta["id"])} if "id" in meta else meta


def _number_if_decimal(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]+", value) else value


class _Payload:
    """Data to send, and its ``size`` in bytes: None where the source cannot tell."""

    def __init__(self, data: bytes | str | Readable) -> None:
        if isinstance(data, str):
            data = data.encode()
        self._source: Any = io.BytesIO(data) if isinstance(data, bytes) else data
        self.size: int | None = None
        with contextlib.suppress(AttributeError, OSError):
            self._start = self._source.tell()
            end = self._source.seek(0, os.SEEK_END)
            self._source.seek(self._start)
            self.size = max(0, (self._source.tell() if end is None else end) - self._start)

    def framing(self) -> dict[str, str]:
        """One header. No bytes at all are sent in chunks too, since the service takes ``Content-Length: 0`` for a request without data."""
        return {"Content-Length": str(self.size)} if self.size else {"Transfer-Encoding": "chunked"}

    def blocks(self) -> Iterator[bytes]:
        left = self.size
        while left is None or left > 0:
            try:
                block = self._source.read(BLOCK_SIZE if left is None else min(BLOCK_SIZE, left))
            except OSError as error:
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


class _Answer(Iterator[bytes]):
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
        self.close()
        if self._left:
            raise ClientConnectionError(f"The connection ended {self._left} bytes too early.")
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

    def document(self) -> Any:
        """The body as JSON."""
        try:
            return json.loads(self.text())
        except ValueError as error:
            raise exception.Error("The server's answer is not JSON.") from error

    def error(self) -> exception.Error:
        """The error that this answer stands for."""
        try:
            text = self.text() or f"{self.status} {self.reason}"
        except ClientConnectionError:  # the status is known, and matters more than the rest of the body
            text = f"{self.status} {self.reason}"
        if self.status in ERRORS:
            return ERRORS[self.status](text)
        return exception.Error(f"Internal Server error: {text}" if self.status == 500 else f"Unknown error occurred! {text}")


def _parse_url(url: str) -> tuple[bool, str, int, str]:
    """(https, host, port, path without a slash at its end)."""
    try:
        parts = urlsplit(url)
        use_ssl = parts.scheme == "https"
        port = parts.port or (443 if use_ssl else 80)
    except ValueError as error:
        raise exception.ClientConfigurationError(f"This is no usable address: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise exception.ClientConfigurationError("An address must begin with http:// or https:// and a host.")
    return use_ssl, parts.hostname, port, parts.path.rstrip("/")


class _Network:
    """Makes connections: all that the image service and the identity service have in common."""

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

    def send(
        self, address: tuple[bool, str, int], method: str, target: str, headers: Mapping[str, str | bytes], payload: _Payload | None = None
    ) -> _Answer:
        """One request to (https, host, port). Raises ClientConnectionError."""
        use_ssl, host, port = address
        connection = HTTPSConnection(host, port, timeout=self._timeout, context=self._tls) if use_ssl else HTTPConnection(host, port, self._timeout)
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(connection.close)
            try:
                connection.connect()
                # A server that refuses an upload may answer and hang up before it has read everything: the answer then says why.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    if payload is None:
                        connection.request(method, target, headers=headers)
                    else:
                        connection.request(method, target, payload.blocks(), {**headers, **payload.framing()}, encode_chunked=not payload.size)
                answer = _Answer(connection, connection.getresponse())
            except (OSError, HTTPException) as error:
                raise ClientConnectionError(f"Unable to connect to server. Got error: {error}") from error
            cleanup.pop_all()
        return answer


def _log_in(network: _Network, creds: Mapping[str, str | None]) -> tuple[str, str | None]:
    """(token, address of the image service or None) from keystone: its API v2.0 where ``auth_url`` ends so, else the headers of v1."""
    missing = [key for key in ("username", "password") if not creds.get(key)]
    if missing:
        raise exception.ClientConfigurationError(f"The credentials lack: {', '.join(missing)}")
    url = creds["auth_url"] or ""
    for _ in range(1 + MAX_REDIRECTS):
        log_in = _log_in_v2 if url.rstrip("/").endswith("/v2.0") else _log_in_v1
        use_ssl, host, port, path = _parse_url(url)
        answer, result = log_in(network, (use_ssl, host, port), path + "/tokens", creds)
        if result:
            return result
        if answer.status != 305:
            raise _login_error(answer, host)
        answer.close()
        target = urljoin(url, answer.headers.get("location", "")).rstrip("/").removesuffix("/tokens")
        if use_ssl and not target.startswith("https:"):
            raise exception.ClientConfigurationError(f"The identity service {host} redirects to an address without TLS.")
        url = target
    raise exception.ClientConfigurationError(f"The identity service redirected more than {MAX_REDIRECTS} times.")
