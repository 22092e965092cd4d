"""glance-registry: a WSGI application that serves any ``Registry`` on the wire of ``operations``, and what else clients of 2012 sent.

It trusts its callers' identity headers and shows where image data is (spec-v1 3), so it must be reachable for glance-api only.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any

import orjson

from glance import errors, query_string
from glance.context import PLAIN_REQUEST_ID, REQUEST_ID, TOLD, RequestContext, from_headers, unauthenticated
from glance.interfaces import Registry
from glance.model import query
from glance.model.image import Image, Location
from glance.model.metrics import ROUTE
from glance.registry import codec, operations, wire
from glance.registry.operations import OPERATIONS, Operation
from glance.router import Router
from glance.stream import read_chunks

LOG = logging.getLogger(__name__)

#: Bytes that a request's body may have.
BODY_LIMIT = 16 * 1024 * 1024

_STATUSES: dict[type[errors.GlanceError], int] = {
    errors.Invalid: 400,
    errors.NotAuthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.LimitExceeded: 413,
    errors.RangeNotSatisfiable: 416,
    errors.Unavailable: 503,
    errors.GlanceError: 500,
}

_TEXT, _JSON = "text/plain; charset=UTF-8", "application/json"
#: The headers that say who asks, by the keys that WSGI has for them.
_TOLD = tuple((f"HTTP_{name.upper().replace('-', '_')}", name) for name in TOLD)

Environ = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """``media_type`` is "" for one without a body; ``allow`` names the methods of its path."""

    status: int
    body: bytes = b""
    media_type: str = ""
    allow: str = ""


#: What stands for the names of its path comes last.
Handler = Callable[[Environ, RequestContext, Mapping[str, str]], Answer]


class RegistryApp:
    """The application.

    With ``secret`` every request must bring it in X-Glance-Registry-Secret; without one (None or "") all callers are trusted. A request without
    identity headers is an administrator's, or refused where ``anonymous_is_admin`` is off. ``default_limit``, ``max_limit`` and ``id_format`` are
    for the classic lists (``glance.model.query``).
    """

    def __init__(
        self,
        registry: Registry,
        *,
        secret: str | None,
        default_limit: int,
        max_limit: int,
        anonymous_is_admin: bool = True,
        id_format: query.IdFormat = "uuid",
    ) -> None:
        self._registry = registry
        self._secret = secret.encode() if secret else None
        self._anonymous_is_admin = anonymous_is_admin
        self._parse = partial(query.parse, default_limit=default_limit, max_limit=max_limit, id_format=id_format)
        self._router = Router(self._table(), operations.PATTERNS)

    def _table(self) -> dict[str, dict[str, Handler]]:
        """The operations, and in place of some of them or beside them what clients of 2012 ask for."""
        table: dict[str, dict[str, Handler]] = {}
        for row in OPERATIONS:
            table.setdefault(row.path, {})[row.verb] = partial(self._operate, row)
        for path in ("/", "/images", "/images/"):
            table.setdefault(path, {})["GET"] = partial(self._list, wire.dump_brief)
        table["/images/detail"] = {"GET": partial(self._list, wire.IMAGE.dump)}
        table["/images/{image_id}"]["PUT"] = self._put_image
        table["/images/{image_id}/members/{member}"]["PUT"] = self._put_member
        return table

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = self._respond(environ)
        headers = [("Content-Type", answer.media_type), ("Content-Length", str(len(answer.body)))] if answer.media_type else []
        if answer.allow:
            headers.append(("Allow", answer.allow))
        request_id = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        if PLAIN_REQUEST_ID.fullmatch(request_id):  # the server writes it into its access log
            headers.append((REQUEST_ID, request_id))
        start_response(_status_line(answer.status), headers)
        return [answer.body]

    def _respond(self, environ: dict[str, Any]) -> Answer:
        path = environ.get("PATH_INFO", "")
        if path == "/healthcheck":
            return _text("OK")
        if not self._is_trusted(environ):
            LOG.warning("A request from %s did not bring the registry's secret", environ.get("REMOTE_ADDR"))
            return _text("The registry's secret is required.", 401)
        try:
            return self._dispatch(environ, _utf8(path))
        except errors.GlanceError as error:
            return _error(environ, error)
        except Exception:
            LOG.exception("A registry request failed: %s", environ["REQUEST_METHOD"])
            return _error(environ, errors.GlanceError())

    def _is_trusted(self, environ: Environ) -> bool:
        given = environ.get("HTTP_X_GLANCE_REGISTRY_SECRET", "")
        return self._secret is None or hmac.compare_digest(given.encode("latin-1"), self._secret)

    def _dispatch(self, environ: dict[str, Any], path: str) -> Answer:
        route = self._router.find(path)
        if route is None:
            raise errors.NotFound(reason="The registry has no such path.")
        environ[ROUTE] = route.template
        handle = route.handlers.get(environ["REQUEST_METHOD"])
        if handle is None:
            return replace(_text("The method is not allowed here.", 405), allow=", ".join(sorted(route.handlers)))
        return handle(environ, self._context(environ), route.arguments)

    def _context(self, environ: Environ) -> RequestContext:
        headers = {name: _utf8(environ[key]) for key, name in _TOLD if key in environ}
        ctx = from_headers(headers)
        if ctx is not None:
            return ctx
        if "X-Identity-Status" in headers or not self._anonymous_is_admin:
            raise errors.NotAuthenticated
        return unauthenticated(headers.get(REQUEST_ID, ""))

    def _operate(self, row: Operation[Any], environ: Environ, ctx: RequestContext, parameters: Mapping[str, str]) -> Answer:
        document = _document(environ)
        if row in _CLASSIC_BODIES:
            document = _CLASSIC_BODIES[row](ctx, document)
        arguments = row.load(parameters, document)
        method = getattr(getattr(self._registry, row.part), row.method)
        if row.for_caller:
            result = method(ctx, **arguments)
        elif ctx.is_admin:
            result = method(**arguments)
        else:
            raise errors.Forbidden(reason="Only the service itself may ask for that.")
        if not row.answer.key:
            return Answer(204)
        return _json({row.answer.key: row.answer.codec.dump(result)})

    def _list(self, dump: Callable[[Image], object], environ: Environ, ctx: RequestContext, _parameters: Mapping[str, str]) -> Answer:
        images = self._registry.images.list(ctx, self._parse(dict(query_string.parse(environ.get("QUERY_STRING", ""))), is_admin=ctx.is_admin))
        return _json({"images": [dump(image) for image in images]})

    def _put_image(self, environ: Environ, ctx: RequestContext, parameters: Mapping[str, str]) -> Answer:
        """``images.update``; a classic writer also sends what an update cannot change: the whole image back, or a location that is new."""
        body = codec.load_object(_document(environ))
        given = dict(codec.load_object(body.get("image")))
        if environ.get("HTTP_X_GLANCE_REGISTRY_PURGE_PROPS", "").lower() == "true":
            given["purge_props"] = True
        update = operations.IMAGES_UPDATE.load(parameters, {**body, "image": given})
        if "status" in given or wire.load_locations(given):
            update = self._without_what_is_done(ctx, update, wire.load_locations(given))
        return _json({"image": wire.IMAGE.dump(self._registry.images.update(ctx, **update))})

    def _without_what_is_done(self, ctx: RequestContext, update: dict[str, Any], locations: tuple[Location, ...]) -> dict[str, Any]:
        """The arguments of an update that are left when a queued image was given the data at a new location, and without the status that it has."""
        image_id, from_status = update["image_id"], update["from_status"]
        values = dict(update["changes"].values)
        image = self._registry.images.get(ctx, image_id)
        if from_status is not None and image.status not in from_status:
            raise errors.StatusConflict
        known = {location.url for location in image.locations}
        added = next((location for location in locations if location.url not in known), None)
        if added is not None:
            image = self._registry.images.activate(ctx, image_id, added, values.pop("size", image.size) or 0)
            from_status = None
        if values.get("status") == image.status:
            del values["status"]
        return {"image_id": image_id, "changes": replace(update["changes"], values=values), "from_status": from_status}

    def _put_member(self, environ: Environ, ctx: RequestContext, parameters: Mapping[str, str]) -> Answer:
        document = _document(environ)
        given = codec.Slot("member", codec.table(codec.ANYTHING), default={}).load(document)
        membership = wire.MEMBERSHIP.load({**given, "member_id": parameters["member"]})
        self._registry.members.put(ctx, parameters["image_id"], [membership], replace=False, maximum=-1)
        return Answer(204)


def _utf8(latin1: str) -> str:
    """Text of the bytes that WSGI hands over as latin-1."""
    if latin1.isascii():
        return latin1
    try:
        return latin1.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise errors.Invalid(reason="The request is not valid UTF-8.") from None


def _document(environ: Environ) -> object:
    """The JSON of the body; an empty body is as good as an empty object."""
    length = None if "HTTP_TRANSFER_ENCODING" in environ else int(environ.get("CONTENT_LENGTH") or 0)
    too_long = errors.LimitExceeded(reason=f"The request body is longer than {BODY_LIMIT} bytes.")
    if (length or 0) > BODY_LIMIT:
        raise too_long
    body = bytearray()
    for chunk in read_chunks(environ["wsgi.input"], length):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise too_long
    try:
        return orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        raise errors.BodyMalformed(reason="Malformed JSON in request body.") from None


def _new_image(ctx: RequestContext, document: object) -> object:
    """Classic writers leave out the status of an active image, and the owner when it is the caller."""
    image = codec.load_object(codec.load_object(document).get("image"))
    return {"image": {"status": "active", "owner": ctx.owner, **image}}


def _memberships(_ctx: RequestContext, document: object) -> object:
    """Clients of 2011 send the list alone, or one membership (spec-v1 2.11)."""
    if isinstance(document, list):
        return {"memberships": document}
    if isinstance(document, dict) and "member_id" in document:
        return {"memberships": [document]}
    return document


_CLASSIC_BODIES: Mapping[Operation[Any], Callable[[RequestContext, object], object]] = {
    operations.IMAGES_CREATE: _new_image,
    operations.MEMBERS_PUT: _memberships,
}


def _json(document: object, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(document), _JSON)


def _text(message: str, status: int = 200) -> Answer:
    return Answer(status, message.encode(), _TEXT)


def _error(environ: Environ, error: errors.GlanceError) -> Answer:
    """As our own client wants it, or as plain text with the status first."""
    status = next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)
    if "application/json" in environ.get("HTTP_ACCEPT", ""):
        return _json(wire.dump_error(error), status)
    return _text(f"{_status_line(status)}\n\n{error.message}\n", status)


@lru_cache
def _status_line(code: int) -> str:
    return f"{code} {HTTPStatus(code).phrase}"
