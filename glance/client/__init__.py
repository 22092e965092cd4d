"""``glance.client.Client``: the image API (v1) for Python programs, compatible with the class of that name of 2011 (spec-v1 4.1).

Standard library only, so that it runs wherever Python does. Every request has a connection of its own; image data passes in blocks, both ways.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from glance.client.http import DEFAULT_TIMEOUT, JSON_HEADERS, SUCCESS, Address, Answer, Headers, Network, Payload, Readable
from glance.client.keystone import Credentials, log_in
from glance.common import exception
from glance.common.exception import ClientConnectionError

__all__ = ["Client", "ClientConnectionError", "ImageMeta", "Readable", "V1Client", "get_client", "headers_from_meta", "meta_from_headers"]

DEFAULT_PORT: Final = 9292
DEFAULT_DOC_ROOT: Final = "/v1"

META_PREFIX: Final = "x-image-meta-"
PROPERTY_PREFIX: Final = "x-image-meta-property-"
TRUE_WORDS: Final = frozenset({"1", "t", "true", "on", "y", "yes"})

#: Attributes of an image by name, with its custom ones as a dict under ``properties``.
ImageMeta = dict[str, Any]


def headers_from_meta(meta: Mapping[str, Any]) -> dict[str, bytes]:
    """The request headers for an image; None becomes an empty value, text becomes UTF-8. Raises Invalid for what no header can carry."""
    fields = {META_PREFIX + key: value for key, value in meta.items() if key != "properties"}
    properties = {PROPERTY_PREFIX + key: value for key, value in (meta.get("properties") or {}).items()}
    headers = {}
    for name, value in (fields | properties).items():
        text = "" if value is None else str(value)
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or re.search(r"[\r\n\0]", text):
            raise exception.Invalid(f"This attribute cannot be sent as a header: {name[len(META_PREFIX) :]!r}")
        headers[name] = text.encode()
    return headers


def meta_from_headers(headers: Mapping[str, str]) -> ImageMeta:
    """The image that response headers (names in lower case) describe. Sizes are integers, flags booleans, min_disk and min_ram text as sent."""
    properties: dict[str, str | None] = {}
    meta: ImageMeta = {}
    for name, value in headers.items():
        if name.startswith(PROPERTY_PREFIX):
            properties[name.removeprefix(PROPERTY_PREFIX).replace("-", "_")] = value or None
        elif name.startswith(META_PREFIX):
            meta[name.removeprefix(META_PREFIX).replace("-", "_")] = value or None
    for flag in {"is_public", "protected", "deleted"} & meta.keys():
        meta[flag] = str(meta[flag]).lower() in TRUE_WORDS
    if "size" in meta:
        meta["size"] = _number_if_decimal(meta["size"])
    return _with_native_id(meta) | {"properties": properties}


def _with_native_id(meta: ImageMeta) -> ImageMeta:
    """The same image with an integer id where the server counts its images; UUIDs stay text."""
    return {**meta, "id": _number_if_decimal(meta["id"])} if "id" in meta else meta


def _number_if_decimal(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch("[0-9]+", value) else value


class Client:
    """One image service.

    ``host`` is a name, an address or a URL; a URL gives port, TLS and ``doc_root`` too, where the other arguments do not.
    ``doc_root`` "/v1" (the default) speaks the versioned API, "" that of the paths without a version.
    ``creds`` has username, password, tenant, auth_url, region and ``strategy``: noauth, or keystone, which logs in when there is no token yet
    and once more when a token is refused. ``configure_via_auth``: the image service is then asked where keystone's catalogue says it is.
    ``timeout`` in seconds is how long the server may be silent; None waits for ever. No connection is opened before the first call.

    Every method raises a class of ``glance.common.exception``.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        use_ssl: bool = False,
        auth_tok: str | None = None,
        creds: Credentials | None = None,
        doc_root: str | None = None,
        *,
        key_file: str | None = None,
        cert_file: str | None = None,
        ca_file: str | None = None,
        insecure: bool = False,
        configure_via_auth: bool = True,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> None:
        self.auth_tok = auth_tok
        self.creds = creds or {}
        if self.creds.get("strategy") not in {None, "noauth", "keystone"}:
            raise exception.ClientConfigurationError(f"There is no strategy {self.creds['strategy']!r}: noauth or keystone.")
        address = Address.parse(host) if "://" in host else Address(use_ssl, host, DEFAULT_PORT, "")
        path = (address.path or DEFAULT_DOC_ROOT) if doc_root is None else f"/{doc_root.strip('/')}".rstrip("/")
        self.address = address._replace(port=port or address.port, path=path)
        self._network = Network(key_file, cert_file, ca_file, insecure, timeout)
        self._configure_via_auth = configure_via_auth

    def set_auth_token(self, auth_tok: str | None) -> None:
        """The token of all further requests."""
        self.auth_tok = auth_tok

    # Images

    def get_images(
        self,
        filters: Mapping[str, Any] | None = None,
        marker: str | int | None = None,
        limit: int | None = None,
        sort_key: str | None = None,
        sort_dir: str | None = None,
    ) -> list[ImageMeta]:
        """A page of images, in brief. ``filters`` are parameters of the API, such as name, size_min, property-KEY; is_public None means any."""
        return self._list_images("/images", filters, {"marker": marker, "limit": limit, "sort_key": sort_key, "sort_dir": sort_dir})

    def get_images_detailed(
        self,
        filters: Mapping[str, Any] | None = None,
        marker: str | int | None = None,
        limit: int | None = None,
        sort_key: str | None = None,
        sort_dir: str | None = None,
    ) -> list[ImageMeta]:
        """As ``get_images``, with all attributes."""
        return self._list_images("/images/detail", filters, {"marker": marker, "limit": limit, "sort_key": sort_key, "sort_dir": sort_dir})

    def get_image(self, image_id: str | int) -> tuple[ImageMeta, Answer]:
        """The image and its data, in blocks of up to 64 KiB.

        The iterator closes its connection at its end, and by its ``close`` before that; it raises ClientConnectionError when data is missing.
        """
        answer = self._call("GET", _path("images", image_id))
        return meta_from_headers(answer.headers), answer

    def get_image_meta(self, image_id: str | int) -> ImageMeta:
        """The image without its data."""
        answer = self._call("HEAD", _path("images", image_id))
        answer.close()
        return meta_from_headers(answer.headers)

    def add_image(
        self,
        image_meta: Mapping[str, Any] | None = None,
        image_data: bytes | str | Readable | None = None,
        features: Mapping[str, str] | None = None,
    ) -> ImageMeta:
        """A new image, as the service has stored it. ``features`` are further request headers, such as x-glance-api-copy-from."""
        return self._send_image("POST", "/images", image_meta, image_data, features)

    def update_image(
        self,
        image_id: str | int,
        image_meta: Mapping[str, Any] | None = None,
        image_data: bytes | str | Readable | None = None,
        features: Mapping[str, str] | None = None,
    ) -> ImageMeta:
        """The changed image. Without data, properties that are not given are removed: see x-glance-registry-purge-props for ``features``."""
        return self._send_image("PUT", _path("images", image_id), image_meta, image_data, features)

    def delete_image(self, image_id: str | int) -> bool:
        """Deletes the image with its data. True, as all methods that have nothing else to say."""
        return self._done("DELETE", _path("images", image_id))

    # Members

    def get_image_members(self, image_id: str | int) -> list[dict[str, Any]]:
        """Who the image is shared with: dicts of member_id and can_share."""
        return list(self._fetch("GET", _path("images", image_id, "members"), "members"))

    def get_member_images(self, member_id: str) -> list[dict[str, Any]]:
        """What is shared with a member: dicts of image_id and can_share."""
        return list(self._fetch("GET", _path("shared-images", member_id), "shared_images"))

    def replace_members(self, image_id: str | int, *assocs: Mapping[str, Any]) -> bool:
        """Shares the image with these members (dicts of member_id and can_share) and nobody else."""
        return self._done("PUT", _path("images", image_id, "members"), list(assocs))

    def add_member(self, image_id: str | int, member_id: str, can_share: bool | None = None) -> bool:
        """Shares the image with a member; ``can_share`` None leaves that as it is."""
        document = None if can_share is None else {"member": {"can_share": can_share}}
        return self._done("PUT", _path("images", image_id, "members", member_id), document)

    def delete_member(self, image_id: str | int, member_id: str) -> bool:
        """Ends the sharing with a member."""
        return self._done("DELETE", _path("images", image_id, "members", member_id))

    # The cache of a server, as Essex and later manage it

    def get_cached_images(self) -> list[dict[str, Any]]:
        """Images that the server's cache holds."""
        return list(self._fetch("GET", "/cached_images", "cached_images"))

    def get_queued_images(self) -> list[Any]:
        """Ids of images that wait to be cached."""
        return list(self._fetch("GET", "/queued_images", "queued_images"))

    def delete_cached_image(self, image_id: str | int) -> bool:
        """Takes an image out of the cache."""
        return self._done("DELETE", _path("cached_images", image_id))

    def delete_all_cached_images(self) -> int:
        """Empties the cache; returns the number of images that were in it."""
        return self._count("/cached_images")

    def queue_image_for_caching(self, image_id: str | int) -> bool:
        """Asks the server to cache an image."""
        return self._done("PUT", _path("queued_images", image_id))

    def delete_queued_image(self, image_id: str | int) -> bool:
        """Takes an image out of the queue."""
        return self._done("DELETE", _path("queued_images", image_id))

    def delete_all_queued_images(self) -> int:
        """Empties the queue; returns the number of images that were in it."""
        return self._count("/queued_images")

    # The cache, as servers of the Diablo release manage it

    purge_cached_image = delete_cached_image
    clear_cached_images = delete_all_cached_images

    def get_invalid_cached_images(self) -> list[dict[str, Any]]:
        """Images whose data in the cache is damaged."""
        return list(self._fetch("GET", "/cached_images?status=invalid", "cached_images"))

    def get_incomplete_cached_images(self) -> list[dict[str, Any]]:
        """Images that are being cached."""
        return list(self._fetch("GET", "/cached_images?status=incomplete", "cached_images"))

    def get_prefetching_cache_images(self) -> list[dict[str, Any]]:
        """Images that wait to be cached."""
        return list(self._fetch("GET", "/cached_images?status=prefetching", "cached_images"))

    def reap_invalid_cached_images(self) -> int:
        """Removes damaged data; returns the number of images."""
        return self._count("/cached_images?status=invalid")

    def reap_stalled_cached_images(self) -> int:
        """Removes data that never became complete; returns the number of images."""
        return self._count("/cached_images?status=incomplete")

    def prefetch_cache_image(self, image_id: str | int) -> bool:
        """Asks the server to cache an image. Raises NotFound where there is none."""
        self.get_image_meta(image_id)
        return self._done("PUT", _path("cached_images", image_id))

    # Requests

    def _list_images(self, path: str, filters: Mapping[str, Any] | None, page: Mapping[str, Any]) -> list[ImageMeta]:
        query = urlencode({**(filters or {}), **{key: value for key, value in page.items() if value is not None}})
        return [_with_native_id(image) for image in self._fetch("GET", f"{path}?{query}" if query else path, "images")]

    def _send_image(
        self,
        method: str,
        path: str,
        meta: Mapping[str, Any] | None,
        data: bytes | str | Readable | None,
        features: Mapping[str, str] | None,
    ) -> ImageMeta:
        headers: dict[str, str | bytes] = {**headers_from_meta(meta or {}), **{name: value.encode() for name, value in (features or {}).items()}}
        payload = None if data is None else Payload(data)
        if payload is not None:
            headers["Content-Type"] = "application/octet-stream"
            if payload.size is not None:
                headers["x-image-meta-size"] = str(payload.size)  # callers pass on what they read of a queued image: size 0
        return _with_native_id(self._call(method, path, headers, payload).document("image"))

    def _done(self, method: str, path: str, document: Any = None) -> bool:
        payload = None if document is None else Payload(json.dumps(document))
        self._call(method, path, JSON_HEADERS if payload else {}, payload).close()
        return True

    def _fetch(self, method: str, path: str, key: str) -> Any:
        return self._call(method, path).document(key)

    def _count(self, path: str) -> int:
        """How many were deleted: the name of the figure differs between releases."""
        return int(self._call("DELETE", path).document("num_deleted", "num_purged", "num_reaped"))

    def _call(self, method: str, path: str, headers: Headers | None = None, payload: Payload | None = None) -> Answer:
        """A successful answer, still open."""
        can_log_in = self.creds.get("strategy") == "keystone" and bool(self.creds.get("auth_url"))
        if can_log_in and self.auth_tok is None:
            self._authenticate()
        answer = self._send(method, path, headers or {}, payload)
        if answer.status in {401, 403} and can_log_in and (payload is None or payload.rewind()):
            answer.close()
            self._authenticate()
            answer = self._send(method, path, headers or {}, payload)
        if answer.status not in SUCCESS:
            raise answer.error()
        return answer

    def _send(self, method: str, path: str, headers: Headers, payload: Payload | None) -> Answer:
        token = {"x-auth-token": self.auth_tok} if self.auth_tok else {}
        return self._network.send(self.address, method, path, {**headers, **token}, payload)

    def _authenticate(self) -> None:
        login = log_in(self._network, self.creds)
        self.auth_tok = login.token
        if login.endpoint and self._configure_via_auth:
            endpoint = Address.parse(login.endpoint)
            self.address = endpoint._replace(path=endpoint.path or self.address.path)


V1Client = Client


def _path(*segments: str | int) -> str:
    return "".join("/" + quote(str(segment), safe="") for segment in segments)


def get_client(
    host: str,
    port: int | None = None,
    use_ssl: bool = False,
    username: str | None = None,
    password: str | None = None,
    tenant: str | None = None,
    auth_url: str | None = None,
    auth_strategy: str | None = None,
    auth_token: str | None = None,
    region: str | None = None,
    is_silent_upload: bool = False,  # noqa: ARG001 - no upload prints anything
    insecure: bool = False,
) -> Client:
    """A client whose missing credentials come from the environment: OS_USERNAME (or OS_AUTH_USER), OS_PASSWORD (OS_AUTH_KEY),
    OS_TENANT_NAME (OS_AUTH_TENANT), OS_AUTH_URL, OS_AUTH_STRATEGY, OS_REGION_NAME, OS_TOKEN. An ``auth_url`` selects keystone."""
    env = os.environ.get
    url = auth_url or env("OS_AUTH_URL")
    creds = {
        "username": username or env("OS_AUTH_USER") or env("OS_USERNAME"),
        "password": password or env("OS_AUTH_KEY") or env("OS_PASSWORD"),
        "tenant": tenant or env("OS_AUTH_TENANT") or env("OS_TENANT_NAME"),
        "auth_url": url,
        "strategy": "keystone" if url else auth_strategy or env("OS_AUTH_STRATEGY") or "noauth",
        "region": region or env("OS_REGION_NAME"),
    }
    return Client(host, port, use_ssl, auth_token or env("OS_TOKEN"), creds, insecure=insecure)
