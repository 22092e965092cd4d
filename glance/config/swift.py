"""Options of the Swift store, under the names that they have always had, and the file of references."""

from __future__ import annotations

import configparser
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oslo_config import cfg

from glance import errors
from glance.config import files
from glance.config.driver_options import number, string, switch
from glance.config.sections import Section, also_in_default
from glance.store.drivers.swift.settings import MIB, SwiftReference, SwiftStoreSettings

LOG = logging.getLogger(__name__)

_VERSION = re.compile(r"v(\d)(?:\.\d+)?")
#: Options that stand under a shorter name in the file of references.
_PREFIX = "swift_store_"
_CREDENTIALS = ("user", "key", "project_name", "project_id", "application_credential_id", "application_credential_secret")
#: Where the project's id stands in the URL of an account, also as identity services write it.
_PROJECT = re.compile(r"(.+)[%$]\((?:project_id|tenant_id)\)s")
#: Options of other releases that change nothing here: what an operator who has set one must know.
WITHOUT_EFFECT = {
    "swift_enable_snet": "Swift is reached by the URL that the authentication tells, or by swift_store_endpoint.",
    "swift_store_ssl_compression": "TLS never compresses (CRIME, CVE-2012-4929).",
    "swift_buffer_on_upload": "Data go to Swift as they come, and an upload that breaks is repeated by its client.",
    "swift_upload_buffer_dir": "Data go to Swift as they come, through no directory.",
    "swift_store_use_trusts": "No trust is made: where a caller's token ends in the middle, the user of the store goes on with its own.",
}
_DOMAINS = ("user_domain_id", "user_domain_name", "project_domain_id", "project_domain_name")


SECTION = Section(
    "Swift store",
    (
        string(
            "swift_store_config_file",
            "File of references: accounts of Swift, each in a section named like it, with the options user, key, auth_address, auth_version, "
            "project_name, project_id, user_domain_id, user_domain_name, project_domain_id, project_domain_name, application_credential_id, "
            "application_credential_secret. Locations of images name the reference, not the account.",
        ),
        string(
            "default_swift_reference",
            "Reference that new images go to. The options below describe it, unless the file does.",
            default="ref1",
        ),
        string(
            "swift_store_auth_address",
            "URL of the authentication, such as https://swift.example.org/auth/v1.0 (TempAuth) or https://identity.example.org/v3. Without http:// "
            "or https://, https is meant.",
        ),
        string("swift_store_auth_version", "1 for TempAuth, 2 or 3 for an identity service. Unless set, as the address ends, else 3."),
        string("swift_store_user", "User: as TempAuth knows it, or project:user of an identity service.", secret=True),
        string("swift_store_key", "Password of the user.", secret=True),
        string("swift_store_project_name", "Name of the user's project, where swift_store_user does not say it."),
        string("swift_store_project_id", "Id of the user's project, where it goes by that."),
        *(string(f"{_PREFIX}{name}", f"The {name.replace('_', ' ')} (identity version 3). Unless set, the domain default.") for name in _DOMAINS),
        string("swift_store_application_credential_id", "Application credential instead of user and key (identity version 3).", secret=True),
        string("swift_store_application_credential_secret", "Its secret.", secret=True),
        string(
            "swift_store_token",
            "A token instead of all of these, for the account at swift_store_endpoint. It cannot be renewed: when it ends, the store does.",
            secret=True,
        ),
        string(
            "swift_store_endpoint",
            "URL of the account, https://swift.example.org/v1/AUTH_images; with swift_store_multi_tenant that of all accounts, ending with the "
            "project: https://swift.example.org/v1/AUTH_%(project_id)s. Unless set, as the authentication tells.",
        ),
        string("swift_store_region", "Region of the object store, where the catalog of the identity service has several."),
        string("swift_store_endpoint_type", "Which of its URLs to use.", default="publicURL"),
        string("swift_store_service_type", "Its type in the catalog.", default="object-store"),
        string("swift_store_container", "Container that images are kept in.", default="glance"),
        switch("swift_store_create_container_on_put", "Whether the container is made when it is missing."),
        number(
            "swift_store_multiple_containers_seed",
            0,
            "Spreads images over containers: the name of an image's container ends with this many characters of its id. 0: one container for all.",
            maximum=32,
        ),
        number("swift_store_large_object_size", 5120, "Megabytes from which an image is kept in segments. Swift limits the size of an object.", 1),
        number("swift_store_large_object_chunk_size", 200, "Megabytes of a segment. Images of unknown size are kept in segments too.", 1),
        number("swift_store_retry_get_count", 0, "How often a download that breaks is taken up again."),
        number("swift_store_expire_soon_interval", 60, "Seconds before its end at which a token is renewed."),
        cfg.FloatOpt("swift_store_timeout", default=60, min=0.1, help="Seconds to wait for a connection, and for each answer."),
        switch("swift_store_auth_insecure", "Whether certificates of Swift and of the authentication are not checked."),
        string("swift_store_cacert", "Certificates (PEM) that theirs are checked with. Unless set, those of the system."),
        switch(
            "swift_store_multi_tenant",
            "Whether each image lies in the account of its owner's project, in a container of its own, and is reached with the caller's token; the "
            "user of the store takes over where there is none, or where Swift refuses it.",
        ),
        cfg.ListOpt(
            "swift_store_admin_tenants",
            default=[],
            deprecated_opts=also_in_default("swift_store_admin_tenants"),
            help="Projects that may read and write the containers of all images. That of the store's user belongs here, unless it may do so anyway.",
        ),
        switch(
            "swift_store_public_acl",
            "Whether Swift gives the data of public images to everybody who knows the URL, without a token. Otherwise they are read through "
            "glance-api only (OSSN-0025).",
        ),
        *((string if name.endswith("_dir") else switch)(name, f"Without effect. {text}") for name, text in WITHOUT_EFFECT.items()),
    ),
    group="glance_store",
)


def read(group: Any) -> SwiftStoreSettings:
    """The settings that a section holds. Raises StoreMisconfigured."""
    if group.swift_store_cacert and not Path(group.swift_store_cacert).is_file():
        raise errors.StoreMisconfigured(reason=f"swift_store_cacert is not a file: {group.swift_store_cacert}")
    references = {**dict(_inline(group)), **dict(_from_file(group.swift_store_config_file))}
    if group.default_swift_reference not in references:
        raise errors.StoreMisconfigured(
            reason="The Swift store needs swift_store_auth_address, _user and _key, swift_store_token and swift_store_endpoint, or the reference "
            f"'{group.default_swift_reference}' in swift_store_config_file."
        )
    for name, consequence in WITHOUT_EFFECT.items():
        if group[name]:
            LOG.warning("The option %s has no effect. %s", name, consequence)
    return SwiftStoreSettings(
        references=references,
        default_reference=group.default_swift_reference,
        container=group.swift_store_container,
        create_container=group.swift_store_create_container_on_put,
        containers_seed=group.swift_store_multiple_containers_seed,
        large_object_size=group.swift_store_large_object_size * MIB,
        chunk_size=group.swift_store_large_object_chunk_size * MIB,
        storage_url=None if group.swift_store_multi_tenant else group.swift_store_endpoint,
        region=group.swift_store_region,
        interface=group.swift_store_endpoint_type,
        service_type=group.swift_store_service_type,
        insecure=group.swift_store_auth_insecure,
        ca_file=Path(group.swift_store_cacert) if group.swift_store_cacert else None,
        timeout=group.swift_store_timeout,
        renew_before=group.swift_store_expire_soon_interval,
        retries=group.swift_store_retry_get_count,
        multi_tenant=group.swift_store_multi_tenant,
        accounts_url=_accounts_url(group),
        admin_projects=tuple(group.swift_store_admin_tenants),
        public_acl=group.swift_store_public_acl,
    )


def _accounts_url(group: Any) -> str | None:
    """What the URLs of all accounts begin with, where images lie in those of their owners and the options tell."""
    if not group.swift_store_multi_tenant:
        return None
    if group.swift_store_token:
        raise errors.StoreMisconfigured(reason="swift_store_multi_tenant needs a user of the store, not swift_store_token.")
    if not group.swift_store_endpoint:
        return None
    found = _PROJECT.fullmatch(group.swift_store_endpoint)
    if found is None:
        raise errors.StoreMisconfigured(reason="With swift_store_multi_tenant, swift_store_endpoint ends with %(project_id)s.")
    return found[1]


def _inline(group: Any) -> Iterator[tuple[str, SwiftReference]]:
    """The reference that the options themselves are, if they are one."""
    if group.swift_store_token and group.swift_store_endpoint:
        yield group.default_swift_reference, SwiftReference(token=group.swift_store_token)
    elif group.swift_store_auth_address:
        values = {name: group[_PREFIX + name] for name in ("auth_address", "auth_version", *_CREDENTIALS, *_DOMAINS)}
        yield group.default_swift_reference, _reference("The Swift store", values)


def _from_file(name: str | None) -> Iterator[tuple[str, SwiftReference]]:
    if not name:
        return
    parser = configparser.RawConfigParser()
    try:
        files.check(Path(name))
        parser.read(name)
    except (OSError, configparser.Error, errors.ConfigurationError) as error:
        reason = error.message if isinstance(error, errors.ConfigurationError) else type(error).__name__
        raise errors.StoreMisconfigured(reason=f"swift_store_config_file cannot be used: {reason}") from None
    for section in parser.sections():
        yield section, _reference(f"The reference '{section}'", parser[section])


def _reference(name: str, values: Mapping[str, str | None]) -> SwiftReference:
    """The account that options or a section of the file describe; ``name`` is for errors."""
    given = {key: value for key in (*_CREDENTIALS, *_DOMAINS) if (value := values.get(key))}
    address = values.get("auth_address") or ""
    url = (address if "://" in address else f"https://{address}").rstrip("/")
    if not _is_address(url):
        raise errors.StoreMisconfigured(reason=f"{name} needs an auth_address: a host, or http:// or https:// and a host, and no user in it.")
    named = _VERSION.fullmatch(urlsplit(url).path.rpartition("/")[2])
    version = values.get("auth_version") or (named[1] if named else "3")
    if version[0] not in "123":
        raise errors.StoreMisconfigured(reason=f"{name} has an auth_version other than 1, 2 and 3.")
    if not (given.keys() >= {"user", "key"} or given.keys() >= {"application_credential_id", "application_credential_secret"}):
        raise errors.StoreMisconfigured(reason=f"{name} needs a user and a key, or an application credential.")
    if named is None and version[0] != "1":
        url += "/v2.0" if version[0] == "2" else "/v3"
    return SwiftReference(auth_url=url, auth_version=version[0], **given)


def _is_address(url: str) -> bool:
    """Whether it leads to a host, without credentials."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username and parts.port != 0
    except ValueError:
        return False
