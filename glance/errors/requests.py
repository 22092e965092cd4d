"""What the caller sent cannot be accepted."""

from __future__ import annotations

from glance.errors.tree import GlanceError


class Invalid(GlanceError):
    template = "{reason}"


class InvalidValue(Invalid):
    template = "Invalid value '{value}' for parameter '{attribute}': {reason}"


class InvalidHeader(Invalid):
    template = "Bad header: {header}"


class InvalidParameter(Invalid):
    """A query parameter; the whole sentence is given."""


class InvalidMember(Invalid):
    template = "Invalid membership association: {reason}"


class InvalidImageId(Invalid):
    template = "Failed to reserve image. Got error: {value}: Invalid image id format"


class FormatMissing(Invalid):
    template = "{kind} format is not specified. Set it before data are sent."


class FormatUnknown(Invalid):
    template = "Invalid {kind} format '{value}' for image. Accepted: {accepted}."


class FormatMismatch(Invalid):
    template = (
        "Invalid mix of disk and container formats. When setting a disk or container format to one of "
        "'aki', 'ari', or 'ami', the container and disk formats must match."
    )


class DataFormatMismatch(Invalid):
    """Data that are not what the image's disk_format says (spec-v2 13.2)."""

    template = "The disk_format of the image is {declared}, but {finding}. Declare the format that the data have, or convert them."


class ImageUnsafe(Invalid):
    """Data that may lead their readers to other files, or exhaust them (spec-v2 13.3)."""

    template = "Image failed safety checks of format {format}: {checks}. Convert it to an image that is complete in itself, and upload that."


class SourcesConflict(Invalid):
    template = "It's invalid to provide multiple image sources. Send data, or a location, or a source to copy from."


class SourceRefused(Invalid):
    """An external source whose scheme, form or address is not allowed; says nothing about what is behind the address."""

    template = "External sources are not supported: '{source}'"


class SourceUnreadable(Invalid):
    template = "The external source could not be read: {reason}"


class StoreUnknown(Invalid):
    template = "Required store {store} is invalid; enabled stores: {enabled}."


class StoreReadOnly(Invalid):
    template = "The store '{store}' only reads; choose another one to keep image data in."


class ContentTypeUnsupported(Invalid):
    template = "Content-Type must be {accepted}"


class ContentEncodingUnsupported(Invalid):
    """Data that arrive encoded are never decoded: a few bytes could become any number."""

    template = "Image data must be sent as they are, without Content-Encoding."


class BodyMalformed(Invalid):
    template = "{reason}"


class ClientDisconnected(Invalid):
    """The request body ended before its declared length, or its chunked framing broke."""

    template = "Client disconnected before sending all data to backend"


class SizeMismatch(Invalid):
    template = "Supplied size ({expected}) and size generated from uploaded image ({actual}) did not match. Setting image status to '{status}'."


class ChecksumMismatch(Invalid):
    template = (
        "Supplied checksum ({expected}) and checksum generated from uploaded image ({actual}) did not match. Setting image status to '{status}'."
    )


class ImageTooLarge(Invalid):
    """The declared size is over the cap, known before a byte was read."""

    template = "Denying attempt to upload image larger than {limit} bytes."


class LocationInvalid(Invalid):
    """What a client states about a location; says nothing about what is behind its address."""

    template = "Invalid location: {reason}"
