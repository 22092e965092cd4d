"""The errors of ``glance.client``, under the names that programs of 2011 and 2012 import (spec-v1 4.1).

``glance.client`` raises those of the second half; the others are here because callers name them in their ``except`` clauses.
The services have their own errors: ``glance.errors``.
"""

from __future__ import annotations


class Error(Exception):
    """Root of the tree; raised itself for answers that no other class stands for."""


class ApiError(Error):
    """An error with a code of its own."""

    def __init__(self, message: str = "Unknown", code: str = "Unknown") -> None:
        self.message = message
        self.code = code
        super().__init__(f"{code}: {message}")


class ProcessExecutionError(Error):
    """A program ended with an error."""


class UnknownScheme(Error):
    """A location has a scheme that no store reads."""


class BadStoreUri(Error):
    """A location cannot be understood."""


class StoreDeleteNotSupported(Error):
    """A store cannot delete."""


class StoreAddDisabled(Error):
    """A store cannot be written."""


class NotEmpty(Error):
    """Something that must be empty is not."""


class MissingArgumentError(Error):
    """An argument is missing."""


class DatabaseMigrationError(Error):
    """The database could not be brought to another version."""


class ClientConnectionError(Error):
    """The server cannot be reached, or the connection broke."""


class ClientConfigurationError(Error):
    """The client cannot work with what it was given: an address, credentials, a certificate."""


class BadInputError(Error):
    """The image data that was to be sent cannot be read, or ended too early."""


class MultipleChoices(Error):
    """Status 300: the address does not say which version of the API is meant."""


class Invalid(Error):
    """Status 400: the server did not accept the request."""


class NotAuthorized(Error):
    """The caller may not do this; one of the two classes below."""


class NotAuthenticated(NotAuthorized):
    """Status 401: no valid token came with the request, or the credentials are wrong."""


class Forbidden(NotAuthorized):
    """Status 403."""


class NotFound(Error):
    """Status 404: no such image or member, or none that the caller may see."""


class Duplicate(Error):
    """Status 409: the id is taken, the image has its data already, or somebody else was faster."""


class LimitExceeded(Error):
    """Status 413: a quota or the room in the store."""


class ServiceUnavailable(Error):
    """Status 503: the same request may succeed later."""
