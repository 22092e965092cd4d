"""Why an upload failed, as the owner of its image is told."""

from __future__ import annotations

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model.image import Failure, Image
from glance.model.status import COMPLETE
from glance.model.visibility import may_change

#: The reason where nobody is left who knows a better one.
INTERRUPTED = "The upload was interrupted: its process ended, or lost what it needed to finish."


def sentence(error: BaseException) -> str:
    """What failed, in words that may be shown: not the address of external data, which an error about it may name."""
    if not isinstance(error, errors.GlanceError):
        return "An internal error."
    return error.code if "://" in error.message else error.message


def last_failure(registry: Registry, ctx: RequestContext, image: Image) -> Failure | None:
    """Why there are no data, for the owner of an image and administrators; None once there are some."""
    if image.status in COMPLETE or not may_change(ctx, image):
        return None
    return registry.uploads.last_failure(image.id)
