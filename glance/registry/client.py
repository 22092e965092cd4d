"""The registry in another process: every method of ``Registry`` is a request that the table of operations describes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

import orjson

from glance import errors
from glance.context import RequestContext, to_headers, unauthenticated
from glance.interfaces import AuditRecords, DutyRecords, ImageRecords, LocationRecords, MemberRecords, UploadRecords
from glance.model.image import (
    Failure,
    Held,
    Image,
    ImageChanges,
    ImageQuery,
    Location,
    Member,
    Membership,
    MemberStatus,
    Standing,
    Started,
    StoredData,
    Upload,
)
from glance.model.quotas import Quotas, Usage
from glance.registry import operations, wire
from glance.registry.connections import PoolTransport, RegistryClientSettings, Reply
from glance.registry.operations import Operation

LOG = logging.getLogger(__name__)

R = TypeVar("R")


class Transport(Protocol):
    """Brings a request to the registry."""

    def send(self, verb: str, target: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool) -> Reply:
        """The registry's reply, whatever it says; headers are sent as UTF-8. Raises RegistryUnavailable, and Invalid for headers
        with control characters, of which nothing is sent."""

    def close(self) -> None: ...


class HttpRegistry:
    """``glance.interfaces.Registry`` over a transport; ``secret`` proves to the registry that it is glance-api who asks."""

    def __init__(self, transport: Transport, secret: str | None = None) -> None:
        self._transport = transport
        caller = _Caller(transport, secret)
        self.images: ImageRecords = _Images(caller)
        self.uploads: UploadRecords = _Uploads(caller)
        self.locations: LocationRecords = _Locations(caller)
        self.members: MemberRecords = _Members(caller)
        self.duties: DutyRecords = _Duties(caller)
        self.audits: AuditRecords = _Audits(caller)

    def close(self) -> None:
        self._transport.close()


def connect(settings: RegistryClientSettings) -> HttpRegistry:
    """The registry that the settings name; nothing is sent yet."""
    return HttpRegistry(PoolTransport(settings), settings.secret)


class _Caller:
    """Sends one operation and understands what comes back."""

    def __init__(self, transport: Transport, secret: str | None) -> None:
        self._transport = transport
        self._headers = {"Accept": "application/json"}
        if secret:
            self._headers["X-Glance-Registry-Secret"] = secret

    def __call__(self, operation: Operation[R], ctx: RequestContext, **arguments: object) -> R:
        target = operation.target(arguments)
        document = operation.dump(arguments)
        headers = {**self._headers, **to_headers(ctx)}
        body = None
        if document is not None:
            body = orjson.dumps(document)
            headers["Content-Type"] = "application/json"
        reply = self._transport.send(operation.verb, target, headers, body, repeatable=operation.repeatable)
        return _understood(operation, reply)

    def for_service(self, operation: Operation[R], **arguments: object) -> R:
        """For methods that no caller stands behind."""
        return self(operation, unauthenticated(), **arguments)


def _understood(operation: Operation[R], reply: Reply) -> R:
    """The result of an operation; raises the error that the registry tells, or RegistryUnavailable where it tells nothing known."""
    try:
        document = orjson.loads(reply.body) if reply.body else {}
        if reply.status < 300:
            return operation.answer.load(document)
        error = wire.load_error(document)
    except (orjson.JSONDecodeError, errors.Invalid) as reason:
        if reply.status == 401:
            LOG.error("The registry answered with status 401: registry_shared_secret must be set, and the same, here and there.")
            raise errors.RegistryUnavailable from None
        LOG.warning("The registry gave a strange answer to %s.%s: status %s", operation.part, operation.method, reply.status)
        raise errors.RegistryUnavailable from reason
    raise error


class _Images:
    def __init__(self, call: _Caller) -> None:
        self._call = call

    def create(self, ctx: RequestContext, image: Image) -> Image:
        return self._call(operations.IMAGES_CREATE, ctx, image=image)

    def get(self, ctx: RequestContext, image_id: str) -> Image:
        return self._call(operations.IMAGES_GET, ctx, image_id=image_id)

    def list(self, ctx: RequestContext, query: ImageQuery) -> Sequence[Image]:
        return self._call(operations.IMAGES_LIST, ctx, query=query)

    def update(self, ctx: RequestContext, image_id: str, changes: ImageChanges, from_status: frozenset[str] | None = None) -> Image:
        return self._call(operations.IMAGES_UPDATE, ctx, image_id=image_id, changes=changes, from_status=from_status)

    def activate(self, ctx: RequestContext, image_id: str, location: Location | None, size: int) -> Image:
        return self._call(operations.IMAGES_ACTIVATE, ctx, image_id=image_id, location=location, size=size)

    def delete(self, ctx: RequestContext, image_id: str, *, delayed: bool = False) -> Image:
        return self._call(operations.IMAGES_DELETE, ctx, image_id=image_id, delayed=delayed)

    def restore(self, ctx: RequestContext, image_id: str) -> Image:
        return self._call(operations.IMAGES_RESTORE, ctx, image_id=image_id)

    def usage(self, ctx: RequestContext) -> tuple[Usage, Quotas | None]:
        return self._call(operations.IMAGES_USAGE, ctx)


class _Uploads:
    def __init__(self, call: _Caller) -> None:
        self._call = call

    def start(self, ctx: RequestContext, upload: Upload, status: Held = "saving") -> Started:
        return self._call(operations.UPLOADS_START, ctx, upload=upload, status=status)

    def renew(self, attempts: Sequence[str]) -> None:
        return self._call.for_service(operations.UPLOADS_RENEW, attempts=attempts)

    def reserve(self, image_id: str, attempt: str, size: int) -> None:
        return self._call.for_service(operations.UPLOADS_RESERVE, image_id=image_id, attempt=attempt, size=size)

    def finish(self, ctx: RequestContext, image_id: str, attempt: str, data: StoredData) -> Image:
        return self._call(operations.UPLOADS_FINISH, ctx, image_id=image_id, attempt=attempt, data=data)

    def fail(self, image_id: str, attempt: str, reason: str) -> None:
        return self._call.for_service(operations.UPLOADS_FAIL, image_id=image_id, attempt=attempt, reason=reason)

    def abandon(self, image_id: str, attempt: str, status: str, reason: str = "") -> bool:
        return self._call.for_service(operations.UPLOADS_ABANDON, image_id=image_id, attempt=attempt, status=status, reason=reason)

    def last_failure(self, image_id: str) -> Failure | None:
        return self._call.for_service(operations.UPLOADS_LAST_FAILURE, image_id=image_id)

    def leases(self, seconds: float = 0.0) -> Sequence[tuple[Upload, bool]]:
        return self._call.for_service(operations.UPLOADS_LEASES, seconds=seconds)

    def take_over(self, image_id: str, attempt: str, new_attempt: str, worker: str) -> bool:
        return self._call.for_service(operations.UPLOADS_TAKE_OVER, image_id=image_id, attempt=attempt, new_attempt=new_attempt, worker=worker)


class _Locations:
    def __init__(self, call: _Caller) -> None:
        self._call = call

    def condemn(self, seconds: float) -> None:
        return self._call.for_service(operations.LOCATIONS_CONDEMN, seconds=seconds)

    def condemned(self) -> Sequence[tuple[str, Location]]:
        return self._call.for_service(operations.LOCATIONS_CONDEMNED)

    def erased(self, location_id: int) -> None:
        return self._call.for_service(operations.LOCATIONS_ERASED, location_id=location_id)

    def named(self, image_ids: Sequence[str]) -> Mapping[str, Standing]:
        return self._call.for_service(operations.LOCATIONS_NAMED, image_ids=image_ids)

    def claimed(self, urls: Sequence[str]) -> frozenset[str]:
        return self._call.for_service(operations.LOCATIONS_CLAIMED, urls=urls)

    def mark(self, location_id: int, *, damaged: bool) -> bool:
        return self._call.for_service(operations.LOCATIONS_MARK, location_id=location_id, damaged=damaged)


class _Members:
    def __init__(self, call: _Caller) -> None:
        self._call = call

    def list(self, ctx: RequestContext, image_id: str) -> Sequence[Member]:
        return self._call(operations.MEMBERS_LIST, ctx, image_id=image_id)

    def put(self, ctx: RequestContext, image_id: str, memberships: Sequence[Membership], *, replace: bool, maximum: int) -> None:
        return self._call(operations.MEMBERS_PUT, ctx, image_id=image_id, memberships=memberships, replace=replace, maximum=maximum)

    def add(self, ctx: RequestContext, image_id: str, member: str, *, maximum: int) -> Member:
        return self._call(operations.MEMBERS_ADD, ctx, image_id=image_id, member=member, maximum=maximum)

    def answer(self, ctx: RequestContext, image_id: str, member: str, status: MemberStatus) -> Member:
        return self._call(operations.MEMBERS_ANSWER, ctx, image_id=image_id, member=member, status=status)

    def remove(self, ctx: RequestContext, image_id: str, member: str) -> None:
        return self._call(operations.MEMBERS_REMOVE, ctx, image_id=image_id, member=member)

    def shared_with(self, ctx: RequestContext, member: str) -> Sequence[Member]:
        return self._call(operations.MEMBERS_SHARED_WITH, ctx, member=member)


class _Duties:
    def __init__(self, call: _Caller) -> None:
        self._call = call

    def take(self, name: str, worker: str, instead_of: str = "") -> str:
        return self._call.for_service(operations.DUTIES_TAKE, name=name, worker=worker, instead_of=instead_of)


class _Audits:
    def __init__(self, call: _Caller) -> None:
        self._call = call

    def count(self, since: datetime | None = None) -> int:
        return self._call.for_service(operations.AUDITS_COUNT, since=since)

    def newest(self) -> datetime | None:
        return self._call.for_service(operations.AUDITS_NEWEST)

    def page(self, after: str, limit: int, since: datetime | None = None) -> Sequence[Image]:
        return self._call.for_service(operations.AUDITS_PAGE, after=after, limit=limit, since=since)

    def noted(self, location_ids: Sequence[int]) -> Mapping[int, datetime]:
        return self._call.for_service(operations.AUDITS_NOTED, location_ids=location_ids)

    def twins(self) -> Sequence[tuple[str, Location]]:
        return self._call.for_service(operations.AUDITS_TWINS)

    def relocate(self, location_id: int, url: str, found: Location) -> bool:
        return self._call.for_service(operations.AUDITS_RELOCATE, location_id=location_id, url=url, found=found)

    def forget(self, location_id: int) -> bool:
        return self._call.for_service(operations.AUDITS_FORGET, location_id=location_id)
