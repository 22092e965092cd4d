"""Every error that the program raises.

One tree, each class with a stable ``code``. Nothing here knows HTTP: ``glance.api.errors`` maps codes to statuses, and
``glance.registry.wire`` carries code, message and details between the two services.

::

    GlanceError
     +- Invalid                  the caller sent something that cannot be accepted
     |   +- InvalidValue, InvalidHeader, InvalidParameter, InvalidMember, InvalidImageId
     |   +- FormatMissing, FormatUnknown, FormatMismatch
     |   +- SourcesConflict, SourceRefused, SourceUnreadable, StoreUnknown, StoreReadOnly
     |   +- ContentTypeUnsupported, ContentEncodingUnsupported, BodyMalformed, ClientDisconnected
     |   +- SizeMismatch, ChecksumMismatch, ImageTooLarge
     +- NotAuthenticated
     +- Forbidden
     |   +- PolicyForbids, ReadOnlyContext, ImageProtected, AttributeForbidden, OwnerForbidden, StatusForbidden
     |   +- ImageForbidden, ImageDeleted, ImageDeactivated, ShareForbidden, NotShared
     +- NotFound
     |   +- ImageNotFound, ImageGone, ImageNotActive, ImageDataMissing, ImageDataDamaged, MemberNotFound, LocationNotFound, TagNotFound
     +- Conflict
     |   +- ImageExists, ObjectExists, MemberExists, StatusConflict, NotQueued, SourceSizeMismatch, UploadLost
     +- LimitExceeded
     |   +- PropertyQuotaExceeded, MemberQuotaExceeded, TagQuotaExceeded, StreamTooLarge, StorageFull
     +- RangeNotSatisfiable
     +- Unavailable
     |   +- StoreUnavailable, StoreWriteDenied, RegistryUnavailable, DatabaseUnavailable
     +- ConfigurationError       never for a request
         +- ConfigurationMissing, ConfigurationUnsafe, StoreMisconfigured
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import ClassVar


class GlanceError(Exception):
    """Root of the tree.

    ``details`` are the named values of the message; they are plain text or numbers, so that an error can cross a wire. They are shown
    to clients, therefore no path, location or secret may stand in them.
    """

    code: ClassVar[str] = "error"
    template: ClassVar[str] = "The request could not be carried out."

    def __init__(self, **details: str | int) -> None:
        self.details = details
        super().__init__(self.template.format(**details))

    @property
    def message(self) -> str:
        """One sentence that names the cause."""
        return str(self.args[0])


class Invalid(GlanceError):
    code = "invalid"
    template = "{reason}"


class InvalidValue(Invalid):
    code = "invalid-value"
    template = "Invalid value '{value}' for parameter '{attribute}': {reason}"


class InvalidHeader(Invalid):
    code = "invalid-header"
    template = "Bad header: {header}"


class InvalidParameter(Invalid):
    """A query parameter; the whole sentence is given."""

    code = "invalid-parameter"


class InvalidMember(Invalid):
    code = "invalid-member"
    template = "Invalid membership association: {reason}"


class InvalidImageId(Invalid):
    code = "invalid-image-id"
    template = "Failed to reserve image. Got error: {value}: Invalid image id format"


class FormatMissing(Invalid):
    code = "format-missing"
    template = "{kind} format is not specified."


class FormatUnknown(Invalid):
    code = "format-unknown"
    template = "Invalid {kind} format '{value}' for image. Accepted: {accepted}."


class FormatMismatch(Invalid):
    code = "format-mismatch"
    template = (
        "Invalid mix of disk and container formats. When setting a disk or container format to one of "
        "'aki', 'ari', or 'ami', the container and disk formats must match."
    )


class SourcesConflict(Invalid):
    code = "sources-conflict"
    template = "It's invalid to provide multiple image sources."


class SourceRefused(Invalid):
    """An external source whose scheme, form or address is not allowed; says nothing about what is behind the address."""

    code = "source-refused"
    template = "External sources are not supported: '{source}'"


class SourceUnreadable(Invalid):
    code = "source-unreadable"
    template = "The external source could not be read: {reason}"


class StoreUnknown(Invalid):
    code = "store-unknown"
    template = "Required store {store} is invalid; enabled stores: {enabled}."


class StoreReadOnly(Invalid):
    code = "store-read-only"
    template = "The store '{store}' only reads; choose another one to keep image data in."


class ContentTypeUnsupported(Invalid):
    code = "content-type-unsupported"
    template = "Content-Type must be {accepted}"


class ContentEncodingUnsupported(Invalid):
    """Data that arrive encoded are never decoded: a few bytes could become any number."""

    code = "content-encoding-unsupported"
    template = "Image data must be sent as they are, without Content-Encoding."


class BodyMalformed(Invalid):
    code = "body-malformed"
    template = "{reason}"


class ClientDisconnected(Invalid):
    """The request body ended before its declared length, or its chunked framing broke."""

    code = "client-disconnected"
    template = "Client disconnected before sending all data to backend"


class SizeMismatch(Invalid):
    code = "size-mismatch"
    template = "Supplied size ({expected}) and size generated from uploaded image ({actual}) did not match. Setting image status to '{status}'."


class ChecksumMismatch(Invalid):
    code = "checksum-mismatch"
    template = (
        "Supplied checksum ({expected}) and checksum generated from uploaded image ({actual}) did not match. Setting image status to '{status}'."
    )


class ImageTooLarge(Invalid):
    """The declared size is over the cap, known before a byte was read."""

    code = "image-too-large"
    template = "Denying attempt to upload image larger than {limit} bytes."


class NotAuthenticated(GlanceError):
    code = "not-authenticated"
    template = "Authentication is required: no confirmed identity came with the request."


class Forbidden(GlanceError):
    code = "forbidden"
    template = "{reason}"


class PolicyForbids(Forbidden):
    code = "policy-forbids"
    template = "Access was denied to this resource: the policy '{rule}' does not allow it."


class ReadOnlyContext(Forbidden):
    code = "read-only"
    template = "Read-only access"


class ImageProtected(Forbidden):
    code = "image-protected"
    template = "Image is protected"


class AttributeForbidden(Forbidden):
    code = "attribute-forbidden"
    template = "Forbidden to modify '{attribute}' of image."


class OwnerForbidden(Forbidden):
    code = "owner-forbidden"
    template = "You are not permitted to create images owned by '{owner}'"


class StatusForbidden(Forbidden):
    code = "status-forbidden"
    template = "Not allowed to {action} image in status '{status}'"


class ImageForbidden(Forbidden):
    """A public image of somebody else."""

    code = "image-forbidden"
    template = "Forbidden to {action} image: {image_id}"


class ImageDeleted(Forbidden):
    code = "image-deleted"
    template = "Forbidden to {action} deleted image."


class ImageDeactivated(Forbidden):
    code = "image-deactivated"
    template = "Image {image_id} is deactivated"


class ShareForbidden(Forbidden):
    code = "share-forbidden"
    template = "No permission to share that image"


class NotShared(Forbidden):
    """Only images of visibility shared have members."""

    code = "not-shared"
    template = "Image {image_id} is {visibility}: only shared images have members."


class NotFound(GlanceError):
    code = "not-found"
    template = "{reason}"


class ImageNotFound(NotFound):
    code = "image-not-found"
    template = "Image with identifier {image_id} not found"


class ImageGone(NotFound):
    """Deleted already, as an administrator sees it."""

    code = "image-gone"
    template = "Image {image_id} not found."


class ImageNotActive(NotFound):
    code = "image-not-active"
    template = "Image {image_id} is not active"


class ImageDataMissing(NotFound):
    """The store has no such bytes, though the registry says so."""

    code = "image-data-missing"
    template = "The data of image {image_id} cannot be found in its store."


class ImageDataDamaged(NotFound):
    """The store holds something else than what was stored: never served."""

    code = "image-data-damaged"
    template = "The data of image {image_id} is damaged: its store holds {actual} bytes instead of {expected}."


class MemberNotFound(NotFound):
    code = "member-not-found"
    template = "Membership could not be found."


class LocationNotFound(NotFound):
    """A store has nothing at a location. The message carries no location: it may hold credentials or paths."""

    code = "location-not-found"
    template = "The store '{store}' has no data at that location."


class TagNotFound(NotFound):
    code = "tag-not-found"
    template = "The image {image_id} has no such tag."


class Conflict(GlanceError):
    code = "conflict"
    template = "{reason}"


class ImageExists(Conflict):
    code = "image-exists"
    template = "An image with identifier {image_id} already exists"


class ObjectExists(Conflict):
    """A store holds data under that image id already."""

    code = "object-exists"
    template = "Attempt to upload duplicate image: {image_id}"


class MemberExists(Conflict):
    code = "member-exists"
    template = "Member {member} is duplicated for image {image_id}."


class StatusConflict(Conflict):
    """The image was not in a status that the change starts from."""

    code = "status-conflict"
    template = "Image operation conflicts"


class NotQueued(Conflict):
    code = "not-queued"
    template = "Cannot upload to an unqueued image"


class SourceSizeMismatch(Conflict):
    code = "source-size-mismatch"
    template = "Provided image size must match the stored image size. (provided size: {expected}, stored size: {actual})"


class UploadLost(Conflict):
    """The image was deleted, or its upload taken away, while data was being stored."""

    code = "upload-lost"
    template = "Image {image_id} was deleted or taken over while its data was being stored; the data has been removed."


class LimitExceeded(GlanceError):
    code = "limit-exceeded"
    template = "{reason}"


class PropertyQuotaExceeded(LimitExceeded):
    code = "property-quota"
    template = "The limit has been exceeded on the number of allowed image properties. Attempted: {attempted}, Maximum: {maximum}"


class MemberQuotaExceeded(LimitExceeded):
    code = "member-quota"
    template = "The limit has been exceeded on the number of allowed image members for this image. Attempted: {attempted}, Maximum: {maximum}"


class TagQuotaExceeded(LimitExceeded):
    code = "tag-quota"
    template = "The limit has been exceeded on the number of allowed image tags. Attempted: {attempted}, Maximum: {maximum}"


class StreamTooLarge(LimitExceeded):
    """Data of unknown length passed the cap while it was read."""

    code = "stream-too-large"
    template = "The image is larger than {limit} bytes, the most that this server accepts."


class StorageFull(LimitExceeded):
    code = "storage-full"
    template = "The store '{store}' has no room left for this image."


class RangeNotSatisfiable(GlanceError):
    code = "range-not-satisfiable"
    template = "The requested range lies outside the image of {size} bytes."


class Unavailable(GlanceError):
    """Something that the service needs does not answer; the same request may succeed later."""

    code = "unavailable"
    template = "{reason}"


class StoreUnavailable(Unavailable):
    code = "store-unavailable"
    template = "The store '{store}' cannot be used at the moment."


class StoreWriteDenied(Unavailable):
    code = "store-write-denied"
    template = "The store '{store}' may not be written at the moment."


class RegistryUnavailable(Unavailable):
    code = "registry-unavailable"
    template = "The image registry does not answer; try again later."


class DatabaseUnavailable(Unavailable):
    code = "database-unavailable"
    template = "The image database does not answer; try again later."


class ConfigurationError(GlanceError):
    """The operator's configuration cannot be used; raised at start, never for a request. ``exit_status`` is what the program ends with."""

    code = "configuration"
    template = "{reason}"
    exit_status: ClassVar[int] = 1


class ConfigurationMissing(ConfigurationError):
    """There is no file to read."""

    code = "configuration-missing"


class ConfigurationUnsafe(ConfigurationError):
    """Somebody else may have written the configuration."""

    code = "configuration-unsafe"
    exit_status = os.EX_CONFIG


class StoreMisconfigured(ConfigurationError):
    """A store cannot be made ready (spec-v1 5.2)."""

    code = "store-misconfigured"
    exit_status = 3


def every_error(root: type[GlanceError] = GlanceError) -> Iterator[type[GlanceError]]:
    """``root`` and all classes below it."""
    yield root
    for child in root.__subclasses__():
        yield from every_error(child)
