"""Who may not do what."""

from __future__ import annotations

from glance.errors.tree import GlanceError


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
    template = "Attribute '{name}' is reserved. Property '{name}' is protected: you may not {action} it."


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
