"""The one table from error codes to HTTP statuses, and the body of an error answer (spec-v1 2.13, spec-v2 0.3)."""

from __future__ import annotations

from typing import Literal

import webob
import webob.exc

from glance import errors
from glance.errors import GlanceError

Version = Literal["v1", "v2"]

#: code -> status in v1 and in v2. A code that has no row takes those of its nearest ancestor.
STATUSES: dict[str, tuple[int, int]] = {
    errors.GlanceError.code: (500, 500),
    errors.Invalid.code: (400, 400),
    errors.ContentTypeUnsupported.code: (400, 415),
    errors.ContentEncodingUnsupported.code: (415, 415),
    errors.DataFormatMismatch.code: (400, 415),
    errors.ImageUnsafe.code: (400, 415),
    errors.StoreReadOnly.code: (400, 410),
    errors.ImageTooLarge.code: (400, 413),
    errors.NotAuthenticated.code: (401, 401),
    errors.Forbidden.code: (403, 403),
    errors.ImageDeleted.code: (403, 404),
    errors.ShareForbidden.code: (404, 403),
    errors.NotFound.code: (404, 404),
    errors.Conflict.code: (409, 409),
    errors.UploadLost.code: (412, 410),
    errors.LimitExceeded.code: (413, 413),
    errors.RateLimited.code: (429, 429),
    errors.RangeNotSatisfiable.code: (416, 416),
    errors.Unavailable.code: (503, 503),
}
#: Errors that a version answers as if nobody knew the image: whoever must not see it does not learn that there is one (spec-v2 7.5).
NEVER_SENT: frozenset[tuple[Version, str]] = frozenset({("v2", errors.ImageHidden.code)})
_COLUMNS: dict[Version, int] = {"v1": 0, "v2": 1}


def status_of(error: type[GlanceError], version: Version = "v1") -> int:
    """The HTTP status of an error class."""
    row = next(STATUSES[one.code] for one in error.__mro__ if issubclass(one, GlanceError) and one.code in STATUSES)
    return row[_COLUMNS[version]]


def respond(error: GlanceError, version: Version = "v1") -> webob.Response:
    """The answer to a request that failed: its status, and the message as HTML, JSON or text by the request's Accept header."""
    if (version, error.code) in NEVER_SENT:
        error = errors.ImageNotFound(image_id=error.details["image_id"])
    answer = webob.exc.status_map[status_of(type(error), version)](detail=error.message)
    if isinstance(error, errors.RangeNotSatisfiable):
        answer.headers["Content-Range"] = f"bytes */{error.details['size']}"
    if isinstance(error, errors.Unavailable):
        answer.headers["Retry-After"] = "5"
    if isinstance(error, errors.RateLimited):
        answer.headers["Retry-After"] = str(error.details["seconds"])
    return answer
