"""The one table from error codes to HTTP statuses, and the body of an error answer (spec-v1 2.13)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import webob
import webob.exc

from glance import errors
from glance.errors import GlanceError

LOG = logging.getLogger(__name__)

#: code -> status in v1. A code that has no row takes the status of its nearest ancestor.
STATUSES: dict[str, int] = {
    errors.GlanceError.code: 500,
    errors.Invalid.code: 400,
    errors.ContentEncodingUnsupported.code: 415,
    errors.NotAuthenticated.code: 401,
    errors.Forbidden.code: 403,
    errors.NotFound.code: 404,
    errors.Conflict.code: 409,
    errors.UploadLost.code: 412,
    errors.LimitExceeded.code: 413,
    errors.RangeNotSatisfiable.code: 416,
    errors.Unavailable.code: 503,
}


def status_of(error: type[GlanceError]) -> int:
    """The HTTP status of an error class."""
    return next(STATUSES[one.code] for one in error.__mro__ if issubclass(one, GlanceError) and one.code in STATUSES)


def respond(error: GlanceError) -> webob.Response:
    """The answer to a request that failed: its status, and the message as HTML, JSON or text by the request's Accept header."""
    answer = webob.exc.status_map[status_of(type(error))](detail=error.message)
    if isinstance(error, errors.RangeNotSatisfiable):
        answer.headers["Content-Range"] = f"bytes */{error.details['size']}"
    if isinstance(error, errors.Unavailable):
        answer.headers["Retry-After"] = "5"
    return answer


def guarded(handle: Callable[[webob.Request], webob.Response]) -> Callable[[webob.Request], webob.Response]:
    """``handle`` with every exception turned into an answer; what is not ours is logged and told to nobody."""

    def guard(request: webob.Request) -> webob.Response:
        try:
            return handle(request)
        except GlanceError as error:
            return respond(error)
        except webob.exc.HTTPException as answer:
            return answer
        except Exception:
            LOG.exception("%s %r failed", request.method, request.raw_path)
            return webob.exc.HTTPInternalServerError()

    return guard
