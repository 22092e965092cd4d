"""Whose account an image lies in, in which container, and with whose token it is reached there."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from swiftclient import client

from glance import errors
from glance.context import RequestContext
from glance.model.image import Location
from glance.store import location as urls
from glance.store.drivers.swift import location as locations
from glance.store.drivers.swift.account import Account, ProjectAccount, Session
from glance.store.drivers.swift.settings import SwiftReference, SwiftStoreSettings

LOG = logging.getLogger(__name__)

#: What may stand in an access list: neither a separator nor one of Swift's own words (".r:*", "*:*") can come from the name of a member.
_PROJECT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
#: A project as it stands in a URL.
_QUOTED = re.compile(r"[A-Za-z0-9_.~%-]+")


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """An object, and the account that it is reached in; ``url`` is that of its location."""

    account: Account
    container: str
    name: str
    url: str


class OneAccount:
    """All images in the account of this service, in one container or spread over several; the classic locations are read where they say."""

    def __init__(self, store: str, settings: SwiftStoreSettings) -> None:
        self._store = store
        self._settings = settings
        self._accounts = {name: Account(store, reference, settings) for name, reference in settings.references.items()}

    @property
    def service(self) -> Account:
        """The account of this service."""
        return self._accounts[self._settings.default_reference]

    @property
    def container(self) -> str:
        """The one container, where there is only one."""
        return self._settings.container

    @property
    def prefix(self) -> str | None:
        """What the names of the containers begin with, where there are several."""
        return f"{self.container}_" if self._settings.containers_seed else None

    def check(self) -> None:
        """Raises ConfigurationError, StoreUnavailable."""
        self.service.check()
        if self._needs_container:
            self._find_container()

    def probe(self) -> None:
        """Whether Swift answers. Raises ConfigurationError, StoreUnavailable."""
        if self._needs_container:
            self._find_container()
            return
        with Session(self.service) as session, self.service.translated():
            try:
                session.call(client.head_account)
            except client.ClientException as error:
                if error.http_status not in (403, 404):  # whose rights end at containers
                    raise

    @property
    def _needs_container(self) -> bool:
        settings = self._settings
        return not (settings.create_container or settings.containers_seed or settings.multi_tenant)

    def _find_container(self) -> None:
        with Session(self.service) as session, self.service.translated():
            try:
                session.call(client.head_container, self._settings.container)
            except client.ClientException as error:
                if error.http_status not in (403, 404):
                    raise
                cure = "make it, or set swift_store_create_container_on_put" if error.http_status == 404 else "its user has no right to it"
                reason = f"The store '{self._store}' cannot use its container '{self._settings.container}': {cure}."
                raise errors.ConfigurationError(reason=reason) from None

    def own(self, ctx: RequestContext, image_id: str) -> Place:  # noqa: ARG002
        """Where an image of ``ctx.project`` lies, or is to lie. Raises InvalidImageId."""
        container = self._container(_checked(image_id))
        return Place(self.service, container, image_id, locations.with_reference(self._settings.default_reference, container, image_id))

    def find(self, ctx: RequestContext, location: Location) -> Place:  # noqa: ARG002
        """What a location means. Raises LocationNotFound, ForeignHost."""
        address = locations.parse(location.url, self._settings.references)
        if address is None:
            raise errors.LocationNotFound(store=self._store)
        found = address.reference
        account = Account(self._store, found, self._settings) if isinstance(found, SwiftReference) else self._accounts[found]
        return Place(account, address.container, address.name, location.url)

    def recognizes(self, location: Location) -> bool:
        """Whether a location lies where this service would put it, as far as its URL tells."""
        try:
            address = locations.parse(location.url, self._settings.references)
        except locations.ForeignHost:
            return False
        return address is not None and self._is_own(address)

    def prepare(self, session: Session, place: Place) -> None:
        """Makes the container where that may be done."""
        if self._settings.create_container:
            session.call(client.put_container, place.container)

    def leave(self, session: Session, place: Place) -> None:
        """Nothing: the container holds other images too."""

    def set_readers(self, place: Place, *, public: bool, members: Sequence[str]) -> None:
        """Nothing: only this service reads its account."""

    def _container(self, image_id: str) -> str:
        """With a seed the name ends with that many characters of the id, dashes not counted (spec-v2 10.5)."""
        seed = self._settings.containers_seed
        if not seed:
            return self._settings.container
        part = re.match(rf"(?:-*[^-]){{0,{seed}}}", image_id)
        return f"{self._settings.container}_{part[0] if part else ''}"

    def _is_own(self, found: locations.Address | Place) -> bool:
        """Whether the container is the one that this service would take for such an image."""
        return found.container == self._container(found.name)


class OwnersAccounts(OneAccount):
    """Each image in the account of its owner, in a container of its own; those of no owner in that of this service.

    An account is reached with the caller's token, else as this service (``ProjectAccount``). Images that were stored in one account are still read.
    """

    @property
    def prefix(self) -> str:
        return f"{self.container}_"

    def check(self) -> None:
        self.service.check()
        if self._known_accounts_url() is None:
            raise errors.ConfigurationError(reason=f"The store '{self._store}' needs swift_store_endpoint: its own account does not tell the others.")

    def own(self, ctx: RequestContext, image_id: str) -> Place:
        project = ctx.project or self.service.access().project
        url = self._accounts_url() + quote(project, safe="")
        container = self._container(_checked(image_id))
        return Place(ProjectAccount(self.service, url, ctx.auth_token), container, image_id, locations.with_account(url, container, image_id))

    def find(self, ctx: RequestContext, location: Location) -> Place:
        """Nothing but what this service writes is found, since the token of its user opens far more (security S32)."""
        address = locations.parse_with_account(location.url)
        if address is None:
            return super().find(ctx, location)
        url, prefix = str(address.reference), self._accounts_url()
        if not url.startswith(prefix) or not _QUOTED.fullmatch(url.removeprefix(prefix)):
            raise locations.ForeignHost
        if not self._is_own(address):
            raise errors.LocationNotFound(store=self._store)
        return Place(ProjectAccount(self.service, url, ctx.auth_token), address.container, address.name, location.url)

    def recognizes(self, location: Location) -> bool:
        address = locations.parse_with_account(location.url)
        if address is None:
            return super().recognizes(location)
        return str(address.reference).startswith(self._settings.accounts_url or "") and self._is_own(address)

    def prepare(self, session: Session, place: Place) -> None:
        session.call(client.put_container, place.container, self._access_lists())

    def leave(self, session: Session, place: Place) -> None:
        """Removes the container, unless it holds something else, or is not ours to remove."""
        if not self._is_own(place):
            return
        try:
            session.call(client.delete_container, place.container)
        except client.ClientException as error:
            if error.http_status not in (403, 404, 409):
                raise
            if error.http_status != 404:
                LOG.warning("The container of image %s in store '%s' stays (status %s).", place.name, self._store, error.http_status)

    def set_readers(self, place: Place, *, public: bool, members: Sequence[str]) -> None:
        if not self._is_own(place):
            return
        with Session(place.account) as session, place.account.translated(writing=True):
            session.call(client.post_container, place.container, self._access_lists(public=public, members=members))

    def _access_lists(self, *, public: bool = False, members: Iterable[str] = ()) -> dict[str, str]:
        """Who may read a container, and who may write it; whoever may write also has to look."""
        admins = [self._grant(project) for project in self._settings.admin_projects]
        readers = [self._grant(project) for project in members if _PROJECT.fullmatch(project)]
        everybody = [".r:*", ".rlistings"] if public and self._settings.public_acl else []
        return {"X-Container-Read": ",".join([*admins, *readers, *everybody]), "X-Container-Write": ",".join(admins)}

    def _grant(self, project: str) -> str:
        """TempAuth knows a project by its bare name."""
        return project if self.service.reference.auth_version == "1" else f"{project}:*"

    def _accounts_url(self) -> str:
        """What the URLs of all accounts begin with, up to the project. Raises StoreUnavailable."""
        url = self._known_accounts_url()
        if url is None:
            LOG.error("The store '%s' cannot tell the URLs of accounts: set swift_store_endpoint.", self._store)
            raise errors.StoreUnavailable(store=self._store)
        return url

    def _known_accounts_url(self) -> str | None:
        """As the options say, else as the URL of this service's own account."""
        if self._settings.accounts_url:
            return self._settings.accounts_url
        own = self.service.access()
        return own.url.removesuffix(own.project) if own.project and own.url.endswith(own.project) else None

    def _container(self, image_id: str) -> str:
        return f"{self._settings.container}_{image_id}"


def _checked(image_id: str) -> str:
    if not urls.IMAGE_ID.fullmatch(image_id):
        raise errors.InvalidImageId(value=image_id)
    return image_id
