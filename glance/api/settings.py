"""What the front end needs to know beside the services."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CustomProperties:
    """What the operator says of custom properties in version 2: JSON schemas by name, and the attributes that a new image must have.

    Their values are texts, as those of all custom properties, or null where the schema says so.
    """

    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def may_be_null(self, name: str) -> bool:
        """True for a property that may be there without a value."""
        return "null" in self.schemas.get(name, {}).get("type", ())


@dataclass(frozen=True, slots=True)
class RateSettings:
    """How many requests each caller may make: rates such as ``100/minute; 10/second``, "" for any number. ``writes`` are requests that change
    something, which count as ``requests`` too. Whoever has a role of ``exempt_roles`` is not held back. ``memcached_servers`` are HOST:PORT; where
    there are none each process counts for itself."""

    requests: str = ""
    writes: str = ""
    exempt_roles: frozenset[str] = frozenset()
    memcached_servers: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is a rate at all."""
        return bool(self.requests or self.writes)


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """``default_limit`` and ``max_limit`` are images per page; ``public_endpoint`` is what version links start with instead of the Host header.
    ``secure_proxy_ssl_header`` is a key of the WSGI environ, such as HTTP_X_FORWARDED_PROTO, by which a proxy names the client's scheme.
    ``max_json_body_size`` is bytes."""

    public_endpoint: str | None = None
    versionless_api: bool = True
    enable_v1_api: bool = True
    enable_v2_api: bool = True
    default_limit: int = 25
    max_limit: int = 1000
    integer_ids: bool = False
    decode_percent: bool = True
    admin_role: str = "admin"
    owner_is_project: bool = True
    allow_anonymous_access: bool = False
    max_request_id_length: int = 64
    max_json_body_size: int = 1024 * 1024
    secure_proxy_ssl_header: str | None = None
    custom_properties: CustomProperties = CustomProperties()
    show_direct_url: bool = False
    show_locations: bool = False
