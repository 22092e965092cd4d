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
from dataclasses import dataclass, replace
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

#: Asks for an object itself where it is a link. Whoever owns an account can make one that leads into any other, and our token opens that, too.
NO_LINKS = "symlink=get"

_FULL = frozenset({413, 507})


class Refused(Exception):
    """The authentication gives no access; says what the operator should look at."""


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """A token, the URL of the account it is for, when it ends (``time.monotonic``), and the project that the account belongs to, where that is told.

    ``callers``: it is the token of whoever asked this service.
    """

    url: str
    token: str
    ends: float = float("inf")
    project: str = ""
    callers: bool = False


class Account:
    """One account as one user. Threads share it, and its token."""

    def __init__(self, store: str, reference: SwiftReference, settings: SwiftStoreSettings) -> None:
        self.store = store
        self.settings = settings
        self.reference = reference
        self._access: Access | None = None
        self._failed = 0.0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raises ConfigurationError where the authentication refuses this service, StoreUnavailable where it cannot be asked."""
        self._access = None
        try:
            with self.translated():
                self._access = self._authenticate()
        except Refused as refusal:
            raise errors.ConfigurationError(reason=f"The authentication of store '{self.store}' refuses this service: {refusal}.") from None

    def access(self, refused: Access | None = None) -> Access:
        """A token with some life left, and not the ``refused`` one. Raises StoreUnavailable."""
        asked = time.monotonic()
        with self._lock:
            known = self._access
            if known is None or (refused and known.token == refused.token) or known.ends < time.monotonic() + self.settings.renew_before:
                if asked < self._failed:
                    raise errors.StoreUnavailable(store=self.store)  # it failed while this one waited, which must not take as long again
                known = self._access = self._renewed()
            return known

    def _renewed(self) -> Access:
        try:
            with self.translated():
                return self._authenticate()
        except Refused as refusal:
            LOG.error("The authentication of store '%s' refuses this service: %s.", self.store, refusal)
        except errors.StoreUnavailable:
            pass  # which is logged
        self._failed = time.monotonic()
        raise errors.StoreUnavailable(store=self.store)

    def connect(self, access: Access | None = None) -> client.HTTPConnection:
        """A connection to the account, or to the authentication when there is no access yet."""
        settings = self.settings
        url = access.url if access is not None else self.reference.auth_url
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
        reference = self.reference
        if reference.token:
            if self._access is not None:
                raise Refused("its token has ended")  # it was tried, and there is no other
            return Access(self.settings.storage_url or "", reference.token)
        try:
            return self._ask_tempauth() if reference.auth_version.startswith("1") else self._ask_identity()
        except (exceptions.Unauthorized, exceptions.Forbidden):
            raise Refused("look at its user, key, and auth version") from None
        except exceptions.CatalogException:
            raise Refused("it knows no such object store: look at region, endpoint type and service type") from None

    def _ask_tempauth(self) -> Access:
        connection = self.connect()
        try:
            connection.request("GET", connection.parsed_url.path, "", {"X-Auth-User": self.reference.user, "X-Auth-Key": self.reference.key})
            answer = connection.getresponse()
            answer.read()
        finally:
            _end(connection)
        if answer.status in (401, 403):
            raise exceptions.Unauthorized
        url, token = self.settings.storage_url or answer.getheader("x-storage-url"), answer.getheader("x-auth-token")
        if answer.status not in range(200, 300) or not url or not token:
            raise exceptions.HttpError
        life = answer.getheader("x-auth-token-expires") or ""
        ends = time.monotonic() + (int(life) if life.isdecimal() else float("inf"))
        return Access(url.rstrip("/"), token, ends, self.reference.user.partition(":")[0])

    def _ask_identity(self) -> Access:
        settings = self.settings
        verify = str(settings.ca_file) if settings.ca_file else True
        asking = session.Session(verify=False if settings.insecure else verify, timeout=settings.timeout, redirect=False)
        access = _plugin(self.reference).get_access(asking)
        url = settings.storage_url or access.service_catalog.url_for(
            service_type=settings.service_type, interface=settings.interface, region_name=settings.region
        )
        if url is None or access.auth_token is None:
            raise exceptions.EndpointNotFound
        life = access.expires.timestamp() - time.time() if access.expires is not None else float("inf")
        return Access(url.rstrip("/"), access.auth_token, time.monotonic() + life, access.project_id or "")


class ProjectAccount(Account):
    """The account of a project, reached with the caller's token; with that of ``service`` where there is none, where it has ended, or where Swift
    does not let the caller do what this service has allowed it."""

    def __init__(self, service: Account, url: str, token: str | None) -> None:
        super().__init__(service.store, service.reference, service.settings)
        self._service = service
        self._url = url
        self._caller = Access(url, token, callers=True) if token else None

    def access(self, refused: Access | None = None) -> Access:
        """The caller's, unless it is the ``refused`` one. Raises StoreUnavailable."""
        if self._caller is not None and refused is None:
            return self._caller
        return replace(self._service.access(refused), url=self._url)


class Session:
    """Requests in an account, on a connection of their own; a context manager. A token that is refused is renewed once; the caller's is
    replaced by that of this service."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._access = account.access()
        self._connection = account.connect(self._access)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        _end(self._connection)

    def call(self, function: Callable[..., Any], *arguments: object, **named: object) -> Any:
        """``function`` of swiftclient, with all that it needs to know of account and connection. Raises as swiftclient does."""
        renewed = False
        while True:
            try:
                return self._call(function, *arguments, **named)
            except client.ClientException as error:
                callers = self._access.callers
                if renewed or not (error.http_status == 401 or (error.http_status == 403 and callers)):
                    raise
                renewed = not callers
            self.close()
            self._access = self._account.access(self._access)
            self._connection = self._account.connect(self._access)

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


def _end(connection: client.HTTPConnection) -> None:
    """Ends a connection now: its last answer and it refer to each other, so that it would stay open until garbage is collected."""
    connection.close()
    connection.resp = None


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
