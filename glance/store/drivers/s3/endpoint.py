"""The S3 server of a store: how it is reached, and what its errors mean."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from urllib3.exceptions import HTTPError

from glance import errors
from glance.store.drivers.s3.settings import Keys, S3StoreSettings

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError, SSLError
except ImportError as error:
    raise ImportError("boto3 is not installed (pip install 'glance[s3]')") from error

LOG = logging.getLogger(__name__)

#: What boto raises: for an answer that is an error; where none came in time; for one that no S3 server gives; for any request; while data are read.
Refusal = ClientError
Silence = ReadTimeoutError
_NONSENSE = (KeyError, ValueError)
FAILURES = (BotoCoreError, ClientError, *_NONSENSE)
BROKEN = (BotoCoreError, HTTPError, OSError)

#: Pairs of keys, those of old locations too, that connections are kept for.
_MAX_CLIENTS = 8

#: Connections that are kept for one pair. More than that at a time are closed after use.
_MAX_CONNECTIONS = 256

#: What these tell includes access keys, signatures and paths; in the warnings of urllib3 stand whole URLs.
_TALKATIVE = ("boto3", "botocore", "s3transfer", "urllib3")

_US_EAST_1 = "us-east-1"
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_DEFAULT_PORT = re.compile(r":(?:80|443)(?=/|$)")
_FULL = frozenset({"EntityTooLarge", "InsufficientCapacity", "QuotaExceeded", "XMinioStorageFull"})
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "MethodNotAllowed"})
_READS = frozenset({"GetObject", "HeadBucket", "HeadObject", "ListObjectsV2", "ListParts"})


class Endpoint:
    """The configured server, for the store of that ``name``. Nothing here connects to any other."""

    def __init__(self, name: str, settings: S3StoreSettings) -> None:
        for logger in _TALKATIVE:
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        self._name = name
        self._settings = settings
        scheme, _, host = settings.host.rpartition("://")
        self.scheme, self.host = scheme.lower() or "https", host.rstrip("/")
        self._session = boto3.session.Session()  # keeps the library's models, which are large, for all clients
        self._lock = threading.Lock()
        self._clients: dict[Keys, Any] = {}
        self._has_bucket = False

    def check(self) -> None:
        """Looks whether the bucket is there, and makes it where the settings say so. Raises ConfigurationError for what the operator must change, and
        StoreUnavailable where the server does not answer."""
        with self._lock:
            client = self._new_client(self._settings.keys)
        try:
            with self.translated():
                self._find_bucket(client)
        finally:
            client.close()  # no connection may be left to processes that are forked later

    def make_bucket(self) -> None:
        """Makes the bucket where the settings say so and ``check`` could not, since the server did not answer. Raises StoreUnavailable."""
        if self._has_bucket or not self._settings.create_bucket:
            return
        try:
            with self.translated():
                self._find_bucket(self.client(self._settings.keys))
        except errors.ConfigurationError as error:
            raise self.unavailable(error.message) from None

    def is_at(self, host: str) -> bool:
        """Whether a location's host, maybe with a port and a path, is this one."""
        return _comparable(host) == _comparable(self.host)

    def client(self, keys: Keys) -> Any:
        """Boto's client that signs with ``keys``; for all threads."""
        with self._lock:
            if keys not in self._clients:
                if len(self._clients) == _MAX_CLIENTS:
                    self._clients.pop(next(iter(self._clients)))
                self._clients[keys] = self._new_client(keys)
            return self._clients[keys]

    def close(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns errors of boto into ours, and logs them without what they say, which may hold URLs and keys."""
        try:
            yield
        except ClientError as error:
            raise self._meaning(error) from None
        except SSLError:
            raise self.unavailable("its certificate is not believed (s3_store_cacert), or it does not speak TLS") from None
        except (BotoCoreError, HTTPError, *_NONSENSE) as error:
            raise self.unavailable(type(error).__name__) from None

    def unavailable(self, reason: str) -> errors.StoreUnavailable:
        """The error to raise; the ``reason`` is logged only."""
        LOG.error("The store '%s' failed: %s", self._name, reason)
        return errors.StoreUnavailable(store=self._name)

    def _meaning(self, error: ClientError) -> errors.GlanceError:
        code = code_of(error)
        if code == "NoSuchKey":
            return errors.LocationNotFound(store=self._name)
        if code in _FULL or status_of(error) == 507:
            return errors.StorageFull(store=self._name)
        if code in _DENIED and error.operation_name not in _READS:
            LOG.error("The store '%s' may not be written: %s", self._name, code)
            return errors.StoreWriteDenied(store=self._name)
        return self.unavailable(code)

    def _find_bucket(self, client: Any) -> None:
        try:
            client.head_bucket(Bucket=self._settings.bucket)
        except ClientError as error:
            if status_of(error) == 404 and self._settings.create_bucket:
                self._create_bucket(client)
            elif status_of(error) == 404:
                raise self._misconfigured("has no bucket: make it, or set s3_store_create_bucket_on_put") from None
            elif status_of(error) in (301, 400, 401, 403):
                raise self._misconfigured("was refused its bucket: check access key, secret key, region and the name") from None
            else:
                raise
        self._has_bucket = True

    def _create_bucket(self, client: Any) -> None:
        region = self._settings.region or _US_EAST_1
        elsewhere = {} if region == _US_EAST_1 else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            client.create_bucket(Bucket=self._settings.bucket, **elsewhere)
        except client.exceptions.BucketAlreadyOwnedByYou:
            return
        except ClientError as error:
            raise self._misconfigured(f"could not make its bucket: {code_of(error)}") from None

    def _new_client(self, keys: Keys) -> Any:
        settings = self._settings
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": settings.addressing},
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            retries={"total_max_attempts": 3, "mode": "standard"},
            max_pool_connections=_MAX_CONNECTIONS,
            request_checksum_calculation=settings.request_checksums,
            response_checksum_validation=settings.response_checksums,
            proxies={self.scheme: settings.proxy} if settings.proxy else None,
        )
        try:
            client = self._session.client(
                "s3",
                endpoint_url=f"{self.scheme}://{self.host}",
                region_name=settings.region or _US_EAST_1,
                aws_access_key_id=keys[0],
                aws_secret_access_key=keys[1],
                verify=str(settings.ca_file) if settings.ca_file else True,
                config=config,
            )
        except (BotoCoreError, ValueError) as error:
            raise self._misconfigured(f"cannot be used as it is configured: {type(error).__name__}") from None
        client.meta.events.register("before-parameter-build.s3", _stay)
        return client

    def _misconfigured(self, reason: str) -> errors.ConfigurationError:
        return errors.ConfigurationError(reason=f"The store '{self._name}' {reason}.")


def _stay(context: dict[str, Any], **_event: object) -> None:
    """Keeps boto from following redirects: it would look for another region, and ask a server that redirects that question too without end."""
    context.get("s3_redirect", {})["redirected"] = True


def code_of(error: ClientError) -> str:
    """The server's word for an error; its status where that is no plain word."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else f"status {status_of(error)}"


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer that is an error."""
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def _comparable(host: str) -> str:
    return _DEFAULT_PORT.sub("", host.lower().rstrip("/"))
