"""Images: create, look at, list, change, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from glance import errors
from glance.context import RequestContext
from glance.model import properties
from glance.model.image import Image, ImageChanges, ImageQuery
from glance.model.status import COMPLETE, DELETED, PENDING_DELETE, QUEUED
from glance.model.visibility import PUBLIC
from glance.service import Services
from glance.service.authorize import authorize, authorize_change
from glance.service.data_sources import DataSource
from glance.service.erasing import erase_condemned

FORMATS = frozenset({"disk_format", "container_format"})


def create(services: Services, ctx: RequestContext, draft: Image, source: DataSource | None = None, *, store: str | None = None) -> Image:
    """Makes an image of the attributes of ``draft`` and gives it the data of ``source``, if any; without one it is queued.

    ``draft.size`` and ``draft.checksum`` are what the caller expects of the data; ``draft.owner`` counts for administrators only. ``store`` is
    where the data are meant to go. Everything that can be refused is refused before the id is taken. Raises Invalid, Forbidden, ImageExists,
    LimitExceeded, and what the source raises.
    """
    authorize_change(services, ctx, "add_image")
    if draft.visibility == PUBLIC:
        authorize_change(services, ctx, "publicize_image")
    draft = _completed(services, draft)
    if not ctx.is_admin:
        draft = replace(draft, owner=ctx.owner)
    _check_properties(services, draft.properties)
    services.limits.check_image_size(draft.size)
    if store is not None:
        services.stores.get(store)
    if source is not None:
        draft = source.check(services, ctx, draft)
    image = services.registry.images.create(ctx, replace(draft, status=QUEUED))
    return image if source is None else source.attach(services, ctx, image)


def get(services: Services, ctx: RequestContext, image_id: str) -> Image:
    """The metadata of one image; administrators also see deleted ones. Raises ImageNotFound, PolicyForbids."""
    image = services.registry.images.get(ctx, image_id)
    authorize(services, ctx, "get_image", image)
    return image


def list_page(services: Services, ctx: RequestContext, query: ImageQuery) -> Sequence[Image]:
    """One page of the images that the caller may see."""
    authorize(services, ctx, "get_images")
    return services.registry.images.list(ctx, query)


def update(
    services: Services,
    ctx: RequestContext,
    image_id: str,
    changes: ImageChanges,
    source: DataSource | None = None,
    *,
    unchanged: Mapping[str, object] | None = None,
) -> Image:
    """Applies ``changes``, then gives a queued image the data of ``source``.

    ``unchanged`` are values that the caller states without being able to change them. Raises AttributeForbidden where one differs from the
    stored value, NotQueued for data on an image that has some, Invalid, Forbidden, ImageNotFound, and what the source raises.
    """
    image = services.registry.images.get(ctx, image_id)
    authorize_change(services, ctx, "modify_image", image)
    if image.status in {DELETED, PENDING_DELETE}:
        raise errors.ImageDeleted(action="update")
    if changes.values.get("visibility") == PUBLIC != image.visibility:
        authorize_change(services, ctx, "publicize_image", image)
    _check_unchanged(image, unchanged or {})
    if source is not None and image.status != QUEUED:
        raise source.refusal(image)
    changes = _allowed(services, ctx, image, changes)
    if source is not None:
        learned = source.check(services, ctx, image.changed(changes.values))
        changes = replace(changes, values={**changes.values, "size": learned.size})
    if changes.values or changes.properties or changes.purge:
        image = services.registry.images.update(ctx, image_id, changes, frozenset({image.status}))
    return image if source is None else source.attach(services, ctx, image)


def delete(services: Services, ctx: RequestContext, image_id: str) -> None:
    """Deletes an image: the record first, so that nobody can start to read it, then its data (CVE-2012-4573).

    Raises ImageNotFound, ImageGone, ImageProtected, ImageForbidden, PolicyForbids. Data that cannot be erased now is left to recovery.
    """
    image = services.registry.images.get(ctx, image_id)
    authorize_change(services, ctx, "delete_image", image)
    deleted = services.registry.images.delete(ctx, image_id, delayed=services.delayed_delete)
    if deleted.status == DELETED:
        for location in deleted.locations:
            erase_condemned(services, image_id, location)


def _completed(services: Services, draft: Image) -> Image:
    disk, container = services.formats.complete(draft.disk_format, draft.container_format)
    return replace(draft, disk_format=disk, container_format=container)


def _check_properties(services: Services, named: Mapping[str, str | None]) -> None:
    if 0 <= services.limits.properties < len(named):
        raise errors.PropertyQuotaExceeded(attempted=len(named), maximum=services.limits.properties)
    properties.check(named.items())


def _check_unchanged(image: Image, unchanged: Mapping[str, object]) -> None:
    for attribute, stated in unchanged.items():
        if stated != getattr(image, attribute):
            raise errors.AttributeForbidden(attribute=attribute)


def _allowed(services: Services, ctx: RequestContext, image: Image, changes: ImageChanges) -> ImageChanges:
    """``changes`` without what the caller may not change, completed, within the limits."""
    values = dict(changes.values)
    if not ctx.is_admin:
        values.pop("owner", None)
    for attribute in ("size", "checksum"):
        if image.status in COMPLETE and attribute in values:
            _check_unchanged(image, {attribute: values.pop(attribute)})
    if not FORMATS.isdisjoint(values):
        completed = _completed(services, image.changed({name: values[name] for name in FORMATS if name in values}))
        values |= {"disk_format": completed.disk_format, "container_format": completed.container_format}
    kept = {} if changes.purge else image.properties
    _check_properties(services, {**kept, **changes.properties})
    return replace(changes, values=values)
