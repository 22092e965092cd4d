"""Options of the Swift store, under the names that they have always had, and the file of references."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oslo_config import cfg

from glance import errors
from glance.config import files
from glance.config.sections import Section, also_in_default
from glance.store.drivers.swift.settings import MIB, SwiftReference, SwiftStoreSettings

_VERSION = re.compile(r"v(\d)(?:\.\d+)?")
#: Options that stand under a shorter name in the file of references.
_PREFIX = "swift_store_"
_CREDENTIALS = ("user", "key", "project_name", "project_id", "application_credential_id", "application_credential_secret")
_DOMAINS = ("user_domain_id", "user_domain_name", "project_domain_id", "project_domain_name")


def _string(name: str, text: str, **more: Any) -> cfg.StrOpt:
    return cfg.StrOpt(name, deprecated_opts=also_in_default(name), help=text, **more)


def _number(name: str, default: int, text: str, minimum: int = 0, maximum: int | None = None) -> cfg.IntOpt:
    return cfg.IntOpt(name, default=default, min=minimum, max=maximum, deprecated_opts=also_in_default(name), help=text)


def _switch(name: str, text: str) -> cfg.BoolOpt:
    return cfg.BoolOpt(name, default=False, deprecated_opts=also_in_default(name), help=text)


SECTION = Section(
    "Swift store",
    (
        _string(
            "swift_store_config_file",
            "File of references: accounts of Swift, each in a section named like it, with the options user, key, auth_address, auth_version, "
            "project_name, project_id, user_domain_id, user_domain_name, project_domain_id, project_domain_name, application_credential_id, "
            "application_credential_secret. Locations of images name the reference, not the account.",
        ),
        _string(
            "default_swift_reference",
            "Reference that new images go to. The options below describe it, unless the file does.",
            default="ref1",
        ),
        _string(
            "swift_store_auth_address",
            "URL of the authentication, such as https://swift.example.org/auth/v1.0 (TempAuth) or https://identity.example.org/v3. Without http:// "
            "or https://, https is meant.",
        ),
        _string("swift_store_auth_version", "1 for TempAuth, 2 or 3 for an identity service. Unless set, as the address ends, else 3."),
        _string("swift_store_user", "User: as TempAuth knows it, or project:user of an identity service.", secret=True),
        _string("swift_store_key", "Password of the user.", secret=True),
        _string("swift_store_project_name", "Name of the user's project, where swift_store_user does not say it."),
        _string("swift_store_project_id", "Id of the user's project, where it goes by that."),
        *(_string(f"{_PREFIX}{name}", f"The {name.replace('_', ' ')} (identity version 3). Unless set, the domain default.") for name in _DOMAINS),
        _string("swift_store_application_credential_id", "Application credential instead of user and key (identity version 3).", secret=True),
        _string("swift_store_application_credential_secret", "Its secret.", secret=True),
        _string(
            "swift_store_token",
            "A token instead of all of these, for the account at swift_store_endpoint. It cannot be renewed: when it ends, the store does.",
            secret=True,
        ),
        _string("swift_store_endpoint", "URL of the account, https://swift.example.org/v1/AUTH_images. Unless set, as the authentication tells."),
        _string("swift_store_region", "Region of the object store, where the catalog of the identity service has several."),
        _string("swift_store_endpoint_type", "Which of its URLs to use.", default="publicURL"),
        _string("swift_store_service_type", "Its type in the catalog.", default="object-store"),
        _string("swift_store_container", "Container that images are kept in.", default="glance"),
        _switch("swift_store_create_container_on_put", "Whether the container is made when it is missing."),
        _number(
            "swift_store_multiple_containers_seed",
            0,
            "Spreads images over containers: the name of an image's container ends with this many characters of its id. 0: one container for all.",
            maximum=32,
        ),
        _number("swift_store_large_object_size", 5120, "Megabytes from which an image is kept in segments. Swift limits the size of an object.", 1),
        _number("swift_store_large_object_chunk_size", 200, "Megabytes of a segment. Images of unknown size are kept in segments too.", 1),
        _number("swift_store_retry_get_count", 0, "How often a download that breaks is taken up again."),
        _number("swift_store_expire_soon_interval", 60, "Seconds before its end at which a token is renewed."),
        cfg.FloatOpt("swift_store_timeout", default=60, min=0.1, help="Seconds to wait for a connection, and for each answer."),
        _switch("swift_store_auth_insecure", "Whether certificates of Swift and of the authentication are not checked."),
        _string("swift_store_cacert", "Certificates (PEM) that theirs are checked with. Unless set, those of the system."),
        _switch("swift_store_multi_tenant", "Images in accounts of their owners: not in this release, which refuses to start where it is set."),
    ),
    group="glance_store",
)


def read(group: Any) -> SwiftStoreSettings:
    """The settings that a section holds. Raises StoreMisconfigured."""
    if group.swift_store_multi_tenant:
        raise errors.StoreMisconfigured(reason="swift_store_multi_tenant is set, but this release keeps all images in one account.")
    if group.swift_store_cacert and not Path(group.swift_store_cacert).is_file():
        raise errors.StoreMisconfigured(reason=f"swift_store_cacert is not a file: {group.swift_store_cacert}")
    references = {**dict(_inline(group)), **dict(_from_file(group.swift_store_config_file))}
    if group.default_swift_reference not in references:
        raise errors.StoreMisconfigured(
            reason="The Swift store needs swift_store_auth_address, _user and _key, swift_store_token and swift_store_endpoint, or the reference "
            f"'{group.default_swift_reference}' in swift_store_config_file."
        )
    return SwiftStoreSettings(
        references=references,
        default_reference=group.default_swift_reference,
        container=group.swift_store_container,
        create_container=group.swift_store_create_container_on_put,
        containers_seed=group.swift_store_multiple_containers_seed,
        large_object_size=group.swift_store_large_object_size * MIB,
        chunk_size=group.swift_store_large_object_chunk_size * MIB,
        storage_url=group.swift_store_endpoint,
        region=group.swift_store_region,
        interface=group.swift_store_endpoint_type,
        service_type=group.swift_store_service_type,
        insecure=group.swift_store_auth_insecure,
        ca_file=Path(group.swift_store_cacert) if group.swift_store_cacert else None,
        timeout=group.swift_store_timeout,
        renew_before=group.swift_store_expire_soon_interval,
        retries=group.swift_store_retry_get_count,
    )


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
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise errors.StoreMisconfigured(reason=f"{name} needs an auth_address: a host, or http:// or https:// and a host, and no user in it.")
    named = _VERSION.fullmatch(parts.path.rpartition("/")[2])
    version = values.get("auth_version") or (named[1] if named else "3")
    if version[0] not in "123":
        raise errors.StoreMisconfigured(reason=f"{name} has an auth_version other than 1, 2 and 3.")
    if not (given.keys() >= {"user", "key"} or given.keys() >= {"application_credential_id", "application_credential_secret"}):
        raise errors.StoreMisconfigured(reason=f"{name} needs a user and a key, or an application credential.")
    if named is None and version[0] != "1":
        url += "/v2.0" if version[0] == "2" else "/v3"
    return SwiftReference(auth_url=url, auth_version=version[0], **given)
