"""What the service needs does not answer."""

from __future__ import annotations

from glance.errors.tree import GlanceError


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


class SchemaOutdated(Unavailable):
    template = "The image database has another schema than this release needs; run glance-manage db_sync."


class IdentityUnavailable(Unavailable):
    template = "The identity service cannot be asked whose token this is; try again later."


class LimitsUnavailable(IdentityUnavailable):
    template = "The identity service cannot be asked how much the project may have; try again later."
