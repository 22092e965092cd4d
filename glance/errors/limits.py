"""More than is allowed, or than there is."""

from __future__ import annotations

from glance.errors.tree import GlanceError


class LimitExceeded(GlanceError):
    template = "{reason}"


class PropertyQuotaExceeded(LimitExceeded):
    template = "The limit has been exceeded on the number of allowed image properties. Attempted: {attempted}, Maximum: {maximum}"


class MemberQuotaExceeded(LimitExceeded):
    template = "The limit has been exceeded on the number of allowed image members for this image. Attempted: {attempted}, Maximum: {maximum}"


class TagQuotaExceeded(LimitExceeded):
    template = "The limit has been exceeded on the number of allowed image tags. Attempted: {attempted}, Maximum: {maximum}"


class LocationQuotaExceeded(LimitExceeded):
    template = "The limit has been exceeded on the number of allowed image locations. Attempted: {attempted}, Maximum: {maximum}"


class ProjectQuotaExceeded(LimitExceeded):
    template = "Image exceeds the {what} quota of the project: {attempted}, and {maximum} is the most."


class StreamTooLarge(LimitExceeded):
    """Data of unknown length passed the cap while it was read."""

    template = "The image is larger than {limit} bytes, the most that this server accepts."


class StorageFull(LimitExceeded):
    template = "The store '{store}' has no room left for this image."


class RateLimited(LimitExceeded):
    template = "Too many {what}: at most {rate} are answered. Try again in {seconds} seconds."


class RangeNotSatisfiable(GlanceError):
    template = "The requested range lies outside the image of {size} bytes."
