"""Every error that the program raises.

One tree, each class with a ``code``: its name, in kebab case. Nothing here knows HTTP: ``glance.api.errors`` maps codes to statuses, and
``glance.registry.wire`` carries code, message and details between the two services.

::

    GlanceError
     +- Invalid                  the caller sent something that cannot be accepted
     |   +- InvalidValue, InvalidHeader, InvalidParameter, InvalidMember, InvalidImageId
     |   +- FormatMissing, FormatUnknown, FormatMismatch, DataFormatMismatch, ImageUnsafe
     |   +- SourcesConflict, SourceRefused, SourceUnreadable, StoreUnknown, StoreReadOnly
     |   +- ContentTypeUnsupported, ContentEncodingUnsupported, BodyMalformed, ClientDisconnected
     |   +- SizeMismatch, ChecksumMismatch, ImageTooLarge, LocationInvalid
     +- NotAuthenticated
     +- Forbidden
     |   +- TokenUnscoped, PolicyForbids (ImageHidden), ReadOnlyContext, ImageProtected, AttributeForbidden, PropertyProtected
     |   +- OwnerForbidden, StatusForbidden, ImageForbidden, ImageDeleted, ImageDeactivated, ShareForbidden, NotShared, LocationTaken
     +- NotFound
     |   +- ImageNotFound, ImageGone, ImageNotActive, ImageDataMissing, ImageDataDamaged, MemberNotFound, LocationNotFound, TagNotFound
     |   +- MethodUnavailable
     +- Conflict
     |   +- ImageExists, ObjectExists, MemberExists, StatusConflict, NotQueued, SourceSizeMismatch, UploadLost, LocationsChanged, LocationMismatch
     +- LimitExceeded
     |   +- PropertyQuotaExceeded, MemberQuotaExceeded, TagQuotaExceeded, LocationQuotaExceeded, ProjectQuotaExceeded, StreamTooLarge, StorageFull
     +- RangeNotSatisfiable
     +- Unavailable
     |   +- StoreUnavailable (UploadLeftBehind), StoreWriteDenied, RegistryUnavailable, DatabaseUnavailable, IdentityUnavailable
     +- ConfigurationError       never for a request
         +- ConfigurationMissing, ConfigurationUnsafe, StoreMisconfigured
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import ClassVar


class GlanceError(Exception):
    """Root of the tree.

    ``details`` are the named values of the message; they are plain text or numbers, so that an error can cross a wire. They are shown
    to clients, therefore no path, location or secret may stand in them.
    """

    code: ClassVar[str] = "glance-error"
    template: ClassVar[str] = "The request could not be carried out."

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()

    def __init__(self, **details: str | int) -> None:
        self.details = details
        super().__init__(self.template.format(**details))

    @property
    def message(self) -> str:
        """One sentence that names the cause."""
        return str(self.args[0])


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


class NotAuthenticated(GlanceError):
    template = "Authentication is required: no confirmed identity came with the request."


class Forbidden(GlanceError):
    template = "{reason}"


class TokenUnscoped(Forbidden):
    template = "The token is not scoped to a project. Ask the identity service for one that is."


class PolicyForbids(Forbidden):
    template = "Access was denied to this resource: the policy '{rule}' does not allow it."


class ImageHidden(PolicyForbids):
    """An action on an image that the policy does not let the caller see, either: version 2 answers as for an id that nobody knows (spec-v2 7.5)."""


class ReadOnlyContext(Forbidden):
    template = "Read-only access: whoever is not known can change nothing. Authenticate, and try again."


class ImageProtected(Forbidden):
    template = "Image is protected: it can be deleted once its attribute 'protected' is false."


class AttributeForbidden(Forbidden):
    template = "Forbidden to modify '{attribute}' of image."


class PropertyProtected(Forbidden):
    template = "Attribute '{name}' is reserved. Property '{name}' is protected: its {action} takes rights that you do not have."


class OwnerForbidden(Forbidden):
    template = "You are not permitted to create images owned by '{owner}'"


class StatusForbidden(Forbidden):
    template = "Not allowed to {action} image in status '{status}'"


class ImageForbidden(Forbidden):
    """A public image of somebody else."""

    template = "Forbidden to {action} image: {image_id}"


class ImageDeleted(Forbidden):
    template = "Forbidden to {action} deleted image."


class ImageDeactivated(Forbidden):
    template = "Image {image_id} is deactivated: its data can be read again once it is reactivated."


class ShareForbidden(Forbidden):
    template = "No permission to share that image: only its owner, administrators, and members who may share it on can."


class NotShared(Forbidden):
    """Only images of visibility shared have members."""

    template = "Image {image_id} is {visibility}: only shared images have members."


class LocationTaken(Forbidden):
    """External data of one image that this service wrote for another."""

    template = "The data at that location belong to another image. Name data of your own."


class NotFound(GlanceError):
    template = "{reason}"


class ImageNotFound(NotFound):
    template = "Image with identifier {image_id} not found"


class ImageGone(NotFound):
    """Deleted already, as an administrator sees it."""

    template = "Image {image_id} not found."


class ImageNotActive(NotFound):
    template = "Image {image_id} is not active: its data can be read once all of them are here."


class ImageDataMissing(NotFound):
    """The store has no such bytes, though the registry says so."""

    template = "The data of image {image_id} cannot be found in its store."


class ImageDataDamaged(NotFound):
    """The store holds something else than what was stored: never served."""

    template = "The data of image {image_id} is damaged: {finding}."


class MemberNotFound(NotFound):
    template = "Membership could not be found."


class LocationNotFound(NotFound):
    """A store has nothing at a location. The message carries no location: it may hold credentials or paths."""

    template = "The store '{store}' has no data at that location."


class TagNotFound(NotFound):
    template = "The image {image_id} has no such tag."


class MethodUnavailable(NotFound):
    """The operator has switched off one of the ways to bring data."""

    template = "'{method}' method is not available at this site."


class Conflict(GlanceError):
    template = "{reason}"


class ImageExists(Conflict):
    template = "An image with identifier {image_id} already exists"


class ObjectExists(Conflict):
    """A store holds data under that image id already."""

    template = "Attempt to upload duplicate image: {image_id}. Its store holds data under that id already."


class MemberExists(Conflict):
    template = "Member {member} is duplicated for image {image_id}."


class StatusConflict(Conflict):
    """The image was not in a status that the change starts from."""

    template = "Image operation conflicts with another one that changed the image meanwhile. Look at it, and try again."


class NotQueued(Conflict):
    template = "Cannot upload to an unqueued image: data never change. Make another image for other data."


class SourceSizeMismatch(Conflict):
    template = "Provided image size must match the stored image size. (provided size: {expected}, stored size: {actual})"


class UploadLost(Conflict):
    """The image was deleted, or its upload taken away, while data was being stored."""

    template = "Image {image_id} was deleted or taken over while its data was being stored; the data has been removed."


class LocationsChanged(Conflict):
    """Others changed them between the look and the change, or none would be left."""

    template = "The locations of image {image_id} are not what they were; look at them and try again."


class LocationMismatch(Conflict):
    """Other bytes under a trusted id (CVE-2022-4134)."""

    template = "The data at that location are not those of image {image_id}: every location of an image holds the same bytes."


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
    template = "Image exceeds the {what} quota: all of the project would be {attempted}, and may be {maximum}."


class StreamTooLarge(LimitExceeded):
    """Data of unknown length passed the cap while it was read."""

    template = "The image is larger than {limit} bytes, the most that this server accepts."


class StorageFull(LimitExceeded):
    template = "The store '{store}' has no room left for this image."


class RangeNotSatisfiable(GlanceError):
    template = "The requested range lies outside the image of {size} bytes."


class Unavailable(GlanceError):
    """Something that the service needs does not answer; the same request may succeed later."""

    template = "{reason}"


class StoreUnavailable(Unavailable):
    template = "The store '{store}' cannot be used at the moment."


class UploadLeftBehind(StoreUnavailable):
    """Parts of a failed upload could not be erased, or may be there: recovery erases them before anybody may store data of that image again."""

    template = "The store '{store}' failed during an upload. What it has of the image is erased once it can be used again."


class StoreWriteDenied(Unavailable):
    template = "The store '{store}' may not be written at the moment."


class RegistryUnavailable(Unavailable):
    template = "The image registry does not answer; try again later."


class DatabaseUnavailable(Unavailable):
    template = "The image database does not answer; try again later."


class IdentityUnavailable(Unavailable):
    template = "The identity service cannot be asked whose token this is; try again later."


class ConfigurationError(GlanceError):
    """The operator's configuration cannot be used; raised at start, never for a request. ``exit_status`` is what the program ends with."""

    template = "{reason}"
    exit_status: ClassVar[int] = 1


class ConfigurationMissing(ConfigurationError):
    """There is no file to read."""


class ConfigurationUnsafe(ConfigurationError):
    """Somebody else may have written the configuration."""

    exit_status = os.EX_CONFIG


class StoreMisconfigured(ConfigurationError):
    """A store cannot be made ready (spec-v1 5.2)."""

    exit_status = 3


def every_error(root: type[GlanceError] = GlanceError) -> Iterator[type[GlanceError]]:
    """``root`` and all classes below it."""
    yield root
    for child in root.__subclasses__():
        yield from every_error(child)
