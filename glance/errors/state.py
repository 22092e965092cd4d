"""What is not there, or not in a state for what was asked."""

from __future__ import annotations

from glance.errors.tree import GlanceError


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
