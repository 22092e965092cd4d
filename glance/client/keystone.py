"""Logging in at an identity service of 2011 and 2012: keystone's API v1 (headers) and v2.0 (JSON)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin

from glance.client.http import JSON_HEADERS, SUCCESS, Address, Answer, Network, Payload
from glance.common import exception

MAX_REDIRECTS: Final = 10

Credentials = Mapping[str, str | None]


class Login(NamedTuple):
    """What keystone gave: a token and, where its catalogue says so, the URL of the image service."""

    token: str
    endpoint: str | None


def log_in(network: Network, creds: Credentials) -> Login:
    """Asks the service at ``auth_url``: its API v2.0 where that ends so, else v1. Follows up to 10 redirects (status 305).

    Raises NotAuthenticated for wrong credentials, ServiceUnavailable, ClientConnectionError and ClientConfigurationError.
    """
    missing = [key for key in ("auth_url", "username", "password") if not creds.get(key)]
    if missing:
        raise exception.ClientConfigurationError(f"The credentials lack: {', '.join(missing)}")
    url = str(creds["auth_url"]).rstrip("/")
    for _ in range(1 + MAX_REDIRECTS):
        address = Address.parse(url)
        v2 = url.endswith("/v2.0")
        answer = _ask_v2(network, address, creds) if v2 else _ask_v1(network, address, creds)
        if answer.status in SUCCESS:
            return _read_v2(answer, creds.get("region")) if v2 else _read_v1(answer)
        if answer.status != 305:
            raise _error(answer, address.host)
        answer.close()
        url = urljoin(url, answer.headers.get("location", "")).rstrip("/").removesuffix("/tokens")
        if address.use_ssl and not url.startswith("https:"):
            raise exception.ClientConfigurationError(f"The identity service {address.host} redirects to an address without TLS.")
    raise exception.ClientConfigurationError(f"The identity service redirected more than {MAX_REDIRECTS} times.")


def _ask_v1(network: Network, address: Address, creds: Credentials) -> Answer:
    values = {"X-Auth-User": creds["username"], "X-Auth-Key": creds["password"], "X-Auth-Tenant": creds.get("tenant")}
    return network.send(address, "GET", "/tokens", {name: (value or "").encode() for name, value in values.items()})


def _read_v1(answer: Answer) -> Login:
    answer.close()
    if "x-auth-token" not in answer.headers:
        raise exception.ClientConfigurationError("The identity service gave no token.")
    return Login(answer.headers["x-auth-token"], answer.headers.get("x-server-management-url"))


def _ask_v2(network: Network, address: Address, creds: Credentials) -> Answer:
    auth: dict[str, Any] = {"passwordCredentials": {"username": creds["username"], "password": creds["password"]}}
    if creds.get("tenant"):
        auth["tenantName"] = creds["tenant"]
    return network.send(address, "POST", "/tokens", JSON_HEADERS, Payload(json.dumps({"auth": auth})))


def _read_v2(answer: Answer, region: str | None) -> Login:
    access = answer.document("access")
    try:
        endpoints = [
            endpoint["publicURL"]
            for service in access.get("serviceCatalog") or []
            if service["type"] == "image"
            for endpoint in service["endpoints"]
            if not region or endpoint.get("region") == region
        ]
        # Several regions and none chosen: the address that the caller gave is the better guess.
        return Login(access["token"]["id"], endpoints[0] if len(endpoints) == 1 else None)
    except (KeyError, TypeError, AttributeError) as error:
        raise exception.ClientConfigurationError("The identity service gave no token and catalogue that can be read.") from error


def _error(answer: Answer, host: str) -> exception.Error:
    """Never NotFound and the like: callers would take that for the image's."""
    cause = answer.error()
    if answer.status in {401, 403}:
        return exception.NotAuthenticated(str(cause))
    if answer.status >= 500:
        return exception.ServiceUnavailable(f"The identity service {host} failed: {cause}")
    return exception.ClientConfigurationError(f"The identity service {host} did not understand the request: {cause}")
