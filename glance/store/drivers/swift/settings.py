"""What an operator says about Swift; imports nothing of its clients, so that options can be read where they are not installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20


@dataclass(frozen=True, slots=True, repr=False)
class SwiftReference:
    """One account, and who this service is there. Never printed.

    ``auth_url`` is that of TempAuth (``auth_version`` "1") or of an identity service ("2", "3"; projects are what version 2 calls tenants). A
    ``token`` needs neither: it is sent as it is, and never renewed.
    """

    auth_url: str = ""
    auth_version: str = "3"
    user: str = ""
    key: str = ""
    project_name: str | None = None
    project_id: str | None = None
    user_domain_id: str | None = None
    user_domain_name: str | None = None
    project_domain_id: str | None = None
    project_domain_name: str | None = None
    application_credential_id: str | None = None
    application_credential_secret: str | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class SwiftStoreSettings:
    """``references`` are the accounts by their names; new images go to the ``default_reference``.

    Sizes are in bytes, times in seconds. ``storage_url`` stands in for the one that the authentication tells. Images of ``large_object_size`` and
    more, and those of unknown size, become segments of ``chunk_size``. With a ``containers_seed`` the image's container is
    ``<container>_<that many characters of its id>``. ``renew_before``: a token is renewed that long before its end. ``timeout`` is the longest
    wait for a connection, or for one answer of the other side. ``retries``: how often an interrupted download is taken up again.

    ``multi_tenant``: each image in the account of its owner, in the container ``<container>_<image id>``. ``accounts_url`` is what the URLs of all
    accounts begin with, up to the project, None: as that of this service's own. ``admin_projects`` may write those containers, and with
    ``public_acl`` everybody may read those of public images, known to Swift or not.
    """

    references: Mapping[str, SwiftReference]
    default_reference: str = "ref1"
    container: str = "glance"
    create_container: bool = False
    containers_seed: int = 0
    large_object_size: int = 5120 * MIB
    chunk_size: int = 200 * MIB
    storage_url: str | None = None
    region: str | None = None
    interface: str = "publicURL"
    service_type: str = "object-store"
    insecure: bool = False
    ca_file: Path | None = None
    timeout: float = 60.0
    renew_before: float = 60.0
    retries: int = 0
    multi_tenant: bool = False
    accounts_url: str | None = None
    admin_projects: tuple[str, ...] = ()
    public_acl: bool = False
