"""What every handler receives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import webob
from webob.descriptors import environ_getter

from glance import errors, query_string
from glance.api.settings import ApiSettings
from glance.context import RequestContext
from glance.service import Services
from glance.stream import read_chunks

SERVICES = "glance.services"
SETTINGS = "glance.api_settings"
VERSIONS = "glance.api_versions"
IMAGE_SCHEMA = "glance.image_schema"
CONTEXT = "glance.context"
ID = "glance.request_id"
VERSIONLESS = "glance.versionless"


class Request(webob.Request):
    """A WSGI request with the collaborators that its handler needs. They travel in the environ, so that filters of any origin may stand between."""

    services: Services = environ_getter(SERVICES)
    settings: ApiSettings = environ_getter(SETTINGS)
    ctx: RequestContext = environ_getter(CONTEXT)
    #: The path as WSGI has it: its bytes as latin-1.
    raw_path: str = environ_getter("PATH_INFO", "")

    @property
    def versions(self) -> Mapping[str, str]:
        """``glance.api.versions.answering``."""
        return self.environ[VERSIONS]

    @property
    def image_schema(self) -> dict[str, Any]:
        """``glance.api.v2.schemas.image``."""
        return self.environ[IMAGE_SCHEMA]

    def header_text(self, name: str) -> str | None:
        """A header's value as UTF-8, None when it is absent or empty. Raises InvalidHeader."""
        value = self.environ.get(f"HTTP_{name.upper().replace('-', '_')}")
        return utf8(value, name) if value else None

    @property
    def versionless(self) -> bool:
        """True for the paths of 2010 (/images...), whose answers carry a few more fields (dialect-0 of spec-v1)."""
        return bool(self.environ.get(VERSIONLESS))

    @property
    def prefix(self) -> str:
        """What stands before /images in the paths of this dialect."""
        return "" if self.versionless else "/v1"

    @property
    def root_url(self) -> str:
        """Scheme and host as clients know them, without a slash at the end."""
        return str(self.settings.public_endpoint or self.host_url).rstrip("/")

    @property
    def query(self) -> dict[str, str]:
        """The query parameters, the last one where a name repeats. Raises InvalidParameter unless they are UTF-8."""
        return dict(self.query_pairs)

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        """All query parameters in their order. Raises InvalidParameter unless they are UTF-8."""
        return query_string.parse(self.environ.get("QUERY_STRING", ""))

    @property
    def has_data(self) -> bool:
        """True where image data comes with the request (spec-v1 2.5): a chunked body, even an empty one, or a Content-Length above zero."""
        return "HTTP_TRANSFER_ENCODING" in self.environ or bool(self.data_length)

    @property
    def data_length(self) -> int | None:
        """Bytes of the body; None when it is chunked, or when nothing says that there is one."""
        return None if "HTTP_TRANSFER_ENCODING" in self.environ else self.content_length

    def json_document(self) -> Any:
        """The body as JSON, None when there is none. Raises BodyMalformed, LimitExceeded, ClientDisconnected."""
        body = self._whole_body() if self.has_data else b""
        try:
            return _strict_json(body) if body else None
        except (ValueError, RecursionError):
            raise errors.BodyMalformed(reason="Malformed JSON in request body.") from None

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object. Raises BodyMalformed, LimitExceeded, ClientDisconnected."""
        if not self.has_data:
            raise errors.BodyMalformed(reason="Body expected in request.")
        document = self.json_document()
        if not isinstance(document, dict):
            raise errors.BodyMalformed(reason="Unexpected body type. Expected a JSON object.")
        return document

    def refuse_body(self) -> None:
        """Raises BodyMalformed where a body comes with the request."""
        if self.has_data:
            raise errors.BodyMalformed(reason="A body is not expected with this request.")

    def _whole_body(self) -> bytes:
        most = self.settings.max_json_body_size
        too_long = errors.LimitExceeded(reason=f"The request body is longer than {most} bytes.")
        if (self.data_length or 0) > most:
            raise too_long
        body = bytearray()
        for chunk in read_chunks(self.environ["wsgi.input"], self.data_length):
            body += chunk
            if len(body) > most:
                raise too_long
        return bytes(body)


def utf8(latin1: str, header: str) -> str:
    """The text of a header's bytes, which WSGI hands over as latin-1. Raises InvalidHeader unless they are UTF-8."""
    if latin1.isascii():
        return latin1
    try:
        return latin1.encode("latin-1").decode()
    except UnicodeError:
        raise errors.InvalidHeader(header=f"{header.lower()} is not valid UTF-8") from None


def _strict_json(body: bytes) -> Any:
    """orjson refuses what is no JSON in UTF-8, too deep or too large a number; the standard library keeps whole numbers exact and shows every key.

    Raises ValueError, also for a key that an object has twice, and RecursionError.
    """
    orjson.loads(body)
    return json.loads(body, object_pairs_hook=_unique)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError("an object has a key twice")
        members[name] = value
    return members


class JsonAnswer:
    """200 with ``document`` as application/json and no further header: what WebOb makes of that takes longer than most reads."""

    def __init__(self, document: Any) -> None:
        self._body = orjson.dumps(document)

    def __call__(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(self._body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [self._body]


def json_response(document: Any, status: int = 200) -> webob.Response:
    """``document`` as application/json."""
    return webob.Response(body=orjson.dumps(document), status=status, content_type="application/json", charset="UTF-8")


def no_content() -> webob.Response:
    """204."""
    return webob.Response(status=204, content_type=None)
