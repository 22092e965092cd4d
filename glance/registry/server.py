"""glance-registry: a WSGI application that serves any ``Registry`` on the wire of ``operations``, and what else clients of 2012 sent.

It trusts its callers' identity headers and shows where image data is (spec-v1 3), so it must be reachable for glance-api only.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import webob

from glance import errors
from glance.context import PLAIN_REQUEST_ID, RequestContext, from_headers, unauthenticated
from glance.interfaces import Registry
from glance.model import query
from glance.model.image import Image, Location
from glance.model.metrics import ROUTE
from glance.registry import codec, operations, wire
from glance.registry.operations import OPERATIONS, Operation
from glance.stream import read_chunks

LOG = logging.getLogger(__name__)

#: Bytes that a request's body may have.
BODY_LIMIT = 16 * 1024 * 1024

#: The ids that are echoed: what glance-api makes, or takes over from its clients.

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

Handler = Callable[[webob.Request, RequestContext, dict[str, str]], webob.Response]


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
        routes: list[tuple[str, str, Handler]] = [
            *(("GET", path, partial(self._list, wire.dump_brief)) for path in ("/", "/images", "/images/")),
            ("GET", "/images/detail", partial(self._list, wire.IMAGE.dump)),
            ("PUT", "/images/{image_id}", self._put_image),
            ("PUT", "/images/{image_id}/members/{member}", self._put_member),
            *((row.verb, row.path, partial(self._operate, row)) for row in OPERATIONS),
        ]
        self._routes = [(verb, path, operations.pattern(path), handle) for verb, path, handle in routes]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = self._respond(webob.Request(environ))
        request_id = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        if PLAIN_REQUEST_ID.fullmatch(request_id):  # the server writes it into its access log
            answer.headers["X-Openstack-Request-Id"] = request_id
        return answer(environ, start_response)

    def _respond(self, request: webob.Request) -> webob.Response:
        path = request.environ.get("PATH_INFO", "")
        if path == "/healthcheck":
            return _text("OK")
        if not self._is_trusted(request):
            LOG.warning("A request from %s did not bring the registry's secret", request.remote_addr)
            return _text("The registry's secret is required.", 401)
        try:
            return self._dispatch(request, _utf8(path))
        except errors.GlanceError as error:
            return _error(request, error)
        except Exception:
            LOG.exception("A registry request failed: %s", request.method)
            return _error(request, errors.GlanceError())

    def _is_trusted(self, request: webob.Request) -> bool:
        given = request.environ.get("HTTP_X_GLANCE_REGISTRY_SECRET", "")
        return self._secret is None or hmac.compare_digest(given.encode("latin-1"), self._secret)

    def _dispatch(self, request: webob.Request, path: str) -> webob.Response:
        found = [(verb, template, match, handle) for verb, template, pattern, handle in self._routes if (match := pattern.fullmatch(path))]
        if not found:
            raise errors.NotFound(reason="The registry has no such path.")
        for verb, template, match, handle in found:
            if verb == request.method:
                request.environ[ROUTE] = template
                return handle(request, self._context(request), match.groupdict())
        answer = _text("The method is not allowed here.", 405)
        answer.allow = sorted({verb for verb, _template, _match, _handle in found})
        return answer

    def _context(self, request: webob.Request) -> RequestContext:
        headers = {name.title(): _utf8(value) for name, value in request.headers.items() if name.title().startswith("X-")}
        ctx = from_headers(headers)
        if ctx is not None:
            return ctx
        if "X-Identity-Status" in headers or not self._anonymous_is_admin:
            raise errors.NotAuthenticated
        return unauthenticated(headers.get("X-Openstack-Request-Id", ""))

    def _operate(self, row: Operation[Any], request: webob.Request, ctx: RequestContext, parameters: dict[str, str]) -> webob.Response:
        document = _document(request)
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
            return webob.Response(status=204, content_type=None)
        return _json({row.answer.key: row.answer.codec.dump(result)})

    def _list(self, dump: Callable[[Image], object], request: webob.Request, ctx: RequestContext, _parameters: dict[str, str]) -> webob.Response:
        images = self._registry.images.list(ctx, self._parse(_query(request), is_admin=ctx.is_admin))
        return _json({"images": [dump(image) for image in images]})

    def _put_image(self, request: webob.Request, ctx: RequestContext, parameters: dict[str, str]) -> webob.Response:
        """``images.update``; a classic writer also sends what an update cannot change: the whole image back, or a location that is new."""
        body = codec.load_object(_document(request))
        given = dict(codec.load_object(body.get("image")))
        if request.headers.get("X-Glance-Registry-Purge-Props", "").lower() == "true":
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

    def _put_member(self, request: webob.Request, ctx: RequestContext, parameters: dict[str, str]) -> webob.Response:
        document = _document(request)
        given = codec.Slot("member", codec.table(codec.ANYTHING), default={}).load(document)
        membership = wire.MEMBERSHIP.load({**given, "member_id": parameters["member"]})
        self._registry.members.put(ctx, parameters["image_id"], [membership], replace=False, maximum=-1)
        return webob.Response(status=204, content_type=None)


def _utf8(latin1: str) -> str:
    """Text of the bytes that WSGI hands over as latin-1."""
    try:
        return latin1.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise errors.Invalid(reason="The request is not valid UTF-8.") from None


def _query(request: webob.Request) -> dict[str, str]:
    try:
        return dict(request.GET)
    except UnicodeDecodeError:
        raise errors.InvalidParameter(reason="The query string is not valid UTF-8.") from None


def _document(request: webob.Request) -> object:
    """The JSON of the body; an empty body is as good as an empty object."""
    too_long = errors.LimitExceeded(reason=f"The request body is longer than {BODY_LIMIT} bytes.")
    length = None if "HTTP_TRANSFER_ENCODING" in request.environ else request.content_length or 0
    if (length or 0) > BODY_LIMIT:
        raise too_long
    body = bytearray()
    for chunk in read_chunks(request.environ["wsgi.input"], length):
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


def _json(document: object, status: int = 200) -> webob.Response:
    return webob.Response(body=orjson.dumps(document), status=status, content_type="application/json", charset="UTF-8")


def _text(message: str, status: int = 200) -> webob.Response:
    return webob.Response(text=message, status=status, content_type="text/plain", charset="UTF-8")


def _error(request: webob.Request, error: errors.GlanceError) -> webob.Response:
    """As our own client wants it, or as plain text with the status first."""
    status = next(_STATUSES[kind] for kind in type(error).__mro__ if kind in _STATUSES)
    if "application/json" in request.headers.get("Accept", ""):
        return _json(wire.dump_error(error), status)
    answer = _text(error.message, status)
    answer.text = f"{answer.status}\n\n{error.message}\n"
    return answer
