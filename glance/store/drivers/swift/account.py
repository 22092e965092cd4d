"""An account of Swift: a token for it, renewed when it ends, and requests with that token.

Redirects are never followed: credentials and tokens go to the hosts that the operator and the authentication name, and to no other (security S32).
"""

from __future__ import annotations

import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests
import urllib3
from keystoneauth1 import exceptions, identity, session
from swiftclient import client

from glance import errors
from glance.store.drivers.swift.settings import SwiftReference, SwiftStoreSettings

LOG = logging.getLogger(__name__)

#: Whatever can go wrong on the way to another server, beside the statuses it answers with.
FAILURES = (OSError, requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, exceptions.ClientException)

_FULL = frozenset({413, 507})


class Refused(Exception):
    """The authentication does not know this service."""


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """A token, the URL of the account it is for, and when it ends (``time.monotonic``)."""

    url: str
    token: str
    ends: float = float("inf")


class Account:
    """One account as one user. Threads share it, and its token."""

    def __init__(self, store: str, reference: SwiftReference, settings: SwiftStoreSettings) -> None:
        self.store = store
        self.settings = settings
        self._reference = reference
        self._access: Access | None = None
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raises ConfigurationError where the authentication refuses this service, StoreUnavailable where it cannot be asked."""
        self._access = None
        try:
            with self.translated():
                self._access = self._authenticate()
        except Refused:
            reason = f"The authentication of store '{self.store}' refuses this service: look at its user, key, and auth version."
            raise errors.ConfigurationError(reason=reason) from None

    def access(self, refused: Access | None = None) -> Access:
        """A token with some life left, and not the ``refused`` one. Raises StoreUnavailable."""
        with self._lock:
            if self._access is refused or self._access is None or self._access.ends < time.monotonic() + self.settings.renew_before:
                try:
                    with self.translated():
                        self._access = self._authenticate()
                except Refused:
                    LOG.error("The authentication of store '%s' refuses this service: look at its user and key.", self.store)
                    raise errors.StoreUnavailable(store=self.store) from None
            return self._access

    def connect(self, access: Access | None = None) -> client.HTTPConnection:
        """A connection to the account, or to the authentication when there is no access yet."""
        settings = self.settings
        url = access.url if access is not None else self._reference.auth_url
        verify = str(settings.ca_file) if settings.ca_file else None
        made = client.HTTPConnection(url, cacert=verify, insecure=settings.insecure, timeout=settings.timeout)
        made.requests_args["allow_redirects"] = False
        return made

    @contextmanager
    def translated(self, *, writing: bool = False) -> Iterator[None]:
        """Turns errors of the libraries, which name URLs, into StoreUnavailable and LocationNotFound (404) or, for ``writing``, StorageFull and
        StoreWriteDenied."""
        try:
            yield
        except client.ClientException as error:
            raise self._translation(error.http_status, writing) from None
        except FAILURES as error:
            LOG.warning("The store '%s' failed: %s", self.store, type(error).__name__)
            raise errors.StoreUnavailable(store=self.store) from None

    def _translation(self, status: int | None, writing: bool) -> errors.GlanceError:
        if status == 404 and not writing:
            return errors.LocationNotFound(store=self.store)
        if writing and status in _FULL:
            return errors.StorageFull(store=self.store)
        LOG.warning("The store '%s' failed (status %s).", self.store, status)
        return errors.StoreWriteDenied(store=self.store) if writing and status == 403 else errors.StoreUnavailable(store=self.store)

    def _authenticate(self) -> Access:
        """Raises Refused, and errors that ``translated`` takes."""
        reference = self._reference
        if reference.token:
            if self._access is not None:
                raise Refused  # it was tried, and there is no other
            return Access(self.settings.storage_url or "", reference.token)
        try:
            return self._ask_tempauth() if reference.auth_version.startswith("1") else self._ask_identity()
        except (exceptions.Unauthorized, exceptions.Forbidden):
            raise Refused from None

    def _ask_tempauth(self) -> Access:
        connection = self.connect()
        try:
            connection.request("GET", connection.parsed_url.path, "", {"X-Auth-User": self._reference.user, "X-Auth-Key": self._reference.key})
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        if answer.status in (401, 403):
            raise exceptions.Unauthorized
        url, token = self.settings.storage_url or answer.getheader("x-storage-url"), answer.getheader("x-auth-token")
        if answer.status not in range(200, 300) or not url or not token:
            raise exceptions.HttpError
        life = answer.getheader("x-auth-token-expires") or ""
        return Access(url.rstrip("/"), token, time.monotonic() + (int(life) if life.isdecimal() else float("inf")))

    def _ask_identity(self) -> Access:
        settings = self.settings
        verify = str(settings.ca_file) if settings.ca_file else True
        asking = session.Session(verify=False if settings.insecure else verify, timeout=settings.timeout, redirect=False)
        access = _plugin(self._reference).get_access(asking)
        url = settings.storage_url or access.service_catalog.url_for(
            service_type=settings.service_type, interface=settings.interface, region_name=settings.region
        )
        if url is None or access.auth_token is None:
            raise exceptions.EndpointNotFound
        life = access.expires.timestamp() - time.time() if access.expires is not None else float("inf")
        return Access(url.rstrip("/"), access.auth_token, time.monotonic() + life)


class Session:
    """Requests in an account, on a connection of their own; a context manager. A token that is refused is renewed once."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._access = account.access()
        self._connection = account.connect(self._access)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def call(self, function: Callable[..., Any], *arguments: object, **named: object) -> Any:
        """``function`` of swiftclient, with all that it needs to know of account and connection. Raises as swiftclient does."""
        try:
            return self._call(function, *arguments, **named)
        except client.ClientException as error:
            if error.http_status != 401:
                raise
        self.close()
        self._access = self._account.access(self._access)
        self._connection = self._account.connect(self._access)
        return self._call(function, *arguments, **named)

    def put(self, container: str, name: str, body: Iterable[bytes], headers: Mapping[str, str]) -> str:
        """Sends ``body``, which can be sent only once, as an object: with its length where it has one, else chunked. Returns the ETag."""
        path = f"{self._connection.parsed_url.path}/{quote(container)}/{quote(name)}"
        self._connection.putrequest(path, data=body, headers={"X-Auth-Token": self._access.token, **headers})
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 201:
            raise client.ClientException("Not stored", http_status=answer.status)
        return str(answer.getheader("etag", "")).strip('"')

    def _call(self, function: Callable[..., Any], *arguments: object, **named: object) -> Any:
        connection = (self._connection.parsed_url, self._connection)
        return function(self._access.url, self._access.token, *arguments, http_conn=connection, **named)


def _plugin(reference: SwiftReference) -> identity.BaseIdentityPlugin:
    """Who asks an identity service, and how. A user may be given as ``project:user``."""
    if reference.application_credential_id:
        return identity.V3ApplicationCredential(
            reference.auth_url,
            application_credential_id=reference.application_credential_id,
            application_credential_secret=reference.application_credential_secret or "",
        )
    project, _, user = reference.user.rpartition(":")
    project_name = None if reference.project_id else reference.project_name or project
    if reference.auth_version.startswith("2"):
        return identity.V2Password(reference.auth_url, user, reference.key, tenant_id=reference.project_id, tenant_name=project_name)
    by_user_name = reference.user_domain_id or reference.user_domain_name
    by_project_name = reference.project_domain_id or reference.project_domain_name
    return identity.V3Password(
        reference.auth_url,
        username=user,
        password=reference.key,
        user_domain_id=reference.user_domain_id if by_user_name else "default",
        user_domain_name=reference.user_domain_name,
        project_id=reference.project_id,
        project_name=project_name,
        project_domain_id=reference.project_domain_id if by_project_name else "default",
        project_domain_name=reference.project_domain_name,
    )
