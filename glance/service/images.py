"""Images: create, look at, list, change, delete."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from glance import errors
from glance.context import RequestContext
from glance.model import properties
from glance.model import tags as model_tags
from glance.model.events import ImageCreated, ImageDeleted, ImageUpdated
from glance.model.formats import BARE
from glance.model.image import Image, ImageChanges, ImageQuery
from glance.model.status import ACTIVE, DEACTIVATED, DELETED, MEASURED, PENDING_DELETE, QUEUED
from glance.model.visibility import COMMUNITY, PUBLIC, SHARED
from glance.service import Services, protections, readers
from glance.service.authorize import authorize, authorize_change, check_may_change, check_not_hidden, target
from glance.service.data_sources import DataSource
from glance.service.erasing import erase_condemned
from glance.stream import refuse_longer

FORMATS = frozenset({"disk_format", "container_format"})
#: Visibilities that reach beyond a project, and the rules that allow them.
PUBLISHING = {PUBLIC: "publicize_image", COMMUNITY: "communitize_image"}
#: Images that one request looks through for those that the policy shows, and how many of them it reads at a time.
MOST_LOOKED_AT, _AT_A_TIME = 10_000, 1_000


def create(
    services: Services,
    ctx: RequestContext,
    draft: Image,
    source: DataSource | None = None,
    *,
    store: str | None = None,
    strict: bool = False,
) -> Image:
    """Makes an image of the attributes of ``draft`` and gives it the data of ``source``, if any; without one it is queued.

    ``draft.size`` and ``draft.checksum`` are what the caller expects of the data; ``draft.owner`` counts for administrators only: that of others
    is ignored, or refused where ``strict``. ``store`` is where the data are meant to go. Everything that can be refused is refused before the
    id is taken. Raises Invalid, Forbidden (PropertyProtected), ImageExists, LimitExceeded, and what the source raises.
    """
    wanted = draft.owner if ctx.is_admin else ctx.owner
    authorize_change(services, ctx, "add_image", replace(draft, owner=wanted))
    _authorize_visibility(services, ctx, draft.visibility, replace(draft, owner=wanted))
    draft = _completed(services, draft)
    if not ctx.is_admin:
        if strict and draft.owner not in {None, ctx.owner}:
            raise errors.OwnerForbidden(owner=str(draft.owner))
        draft = replace(draft, owner=ctx.owner)
    protections.check_new(services, ctx, draft.properties)
    _check_tags(services, draft.tags)
    _check_properties(services, draft.properties)
    refuse_longer(draft.size, services.limits.image_size)
    if store is not None:
        services.stores.choose(store)
    if source is not None:
        draft = source.check(services, ctx, draft)
    image = services.registry.images.create(ctx, replace(draft, status=QUEUED))
    services.notifier.emit(ctx, ImageCreated(image))
    return protections.shown(services, ctx, image if source is None else source.attach(services, ctx, image))


def get(services: Services, ctx: RequestContext, image_id: str, *, strict: bool = False) -> Image:
    """The metadata of one image, as far as the caller may see them. Raises as ``find`` does."""
    return protections.shown(services, ctx, find(services, ctx, image_id, strict=strict))


def find(services: Services, ctx: RequestContext, image_id: str, *, strict: bool = False, rule: str = "get_image") -> Image:
    """One image with all its properties, which policies may ask for, to do what ``rule`` is about; administrators also see deleted ones, unless
    ``strict``. Raises ImageNotFound, PolicyForbids."""
    image = services.registry.images.get(ctx, image_id)
    if strict and image.deleted:
        raise errors.ImageNotFound(image_id=image_id)
    authorize(services, ctx, rule, image)
    return image


def list_page(services: Services, ctx: RequestContext, query: ImageQuery) -> Sequence[Image]:
    """One page of the images that the caller may see. Only the last page of a list is not full: clients of version 1 stop there. Raises
    PolicyForbids, InvalidParameter, and LimitExceeded where the policy hides so many images that the page is not full in good time."""
    authorize(services, ctx, "get_images")
    if protections.hides(services, ctx, query.properties):
        return ()
    if all(map(services.policy.is_default, ("get_images", "get_image"))):
        found = services.registry.images.list(ctx, query)
    else:
        found = list(islice(_allowed_by_policy(services, ctx, query), query.limit))
    return [protections.shown(services, ctx, image) for image in found]


def update(
    services: Services,
    ctx: RequestContext,
    image_id: str,
    changes: ImageChanges,
    source: DataSource | None = None,
    *,
    unchanged: Mapping[str, object] | None = None,
    strict: bool = False,
) -> Image:
    """Applies ``changes``, then gives a queued image the data of ``source``.

    ``unchanged`` are values that the caller states without being able to change them. ``strict`` tells whoever sees the image that it may not
    change it, and refuses a change of the owner instead of ignoring it, and of the formats once the image has left its queue. Raises
    AttributeForbidden where a stated value differs from the stored one, NotQueued for data on an image that has some, Invalid, Forbidden,
    ImageNotFound, and what the source raises.
    """
    image = services.registry.images.get(ctx, image_id)
    if not strict:
        check_not_hidden(ctx, image)
    authorize_change(services, ctx, "modify_image", image)
    if image.status in {DELETED, PENDING_DELETE}:
        raise errors.ImageDeleted(action="update")
    if not strict and image.visibility != PUBLIC and changes.values.get("visibility") == SHARED:
        # Version 1 knows only public and not public: what is not stays as it is.
        changes = replace(changes, values={name: value for name, value in changes.values.items() if name != "visibility"})
    if changes.values.get("visibility", image.visibility) != image.visibility:
        _authorize_visibility(services, ctx, str(changes.values["visibility"]), image)
    if strict:
        check_may_change(ctx, image, "update")
        _check_fixed(ctx, image, changes)
    _check_unchanged(image, unchanged or {})
    if source is not None and image.status != QUEUED:
        raise source.refusal(image)
    changes = _allowed(services, ctx, image, protections.settled(services, ctx, image, changes))
    if source is not None:
        learned = source.check(services, ctx, image.changed(changes.values))
        changes = replace(changes, values={**changes.values, "size": learned.size})
    if changes != ImageChanges():
        # What is allowed is the same in all states in which an image has data, or gets some: an upload may end meanwhile.
        image = _save(services, ctx, image_id, changes, MEASURED if image.status in MEASURED else frozenset({image.status}))
    return protections.shown(services, ctx, image if source is None else source.attach(services, ctx, image))


def delete(services: Services, ctx: RequestContext, image_id: str, *, strict: bool = False) -> None:
    """Deletes an image: the record first, so that nobody can start to read it, then its data (CVE-2012-4573).

    ``strict`` tells whoever sees the image that it may not delete it, and nobody that there was one.

    Raises ImageNotFound, ImageGone, ImageProtected, ImageForbidden, PolicyForbids. Data that cannot be erased now is left to recovery.
    """
    image = services.registry.images.get(ctx, image_id)
    if not strict:
        check_not_hidden(ctx, image)
    authorize_change(services, ctx, "delete_image", image)
    if strict:
        if image.deleted:
            raise errors.ImageNotFound(image_id=image_id)
        check_may_change(ctx, image, "delete")
    deleted = services.registry.images.delete(ctx, image_id, delayed=services.delayed_delete)
    services.notifier.emit(ctx, ImageDeleted(replace(deleted, properties=image.properties, tags=image.tags)))
    if deleted.status == DELETED:
        for location in deleted.locations:
            erase_condemned(services, image_id, location, ctx)


def attach(services: Services, ctx: RequestContext, image_id: str, source: DataSource) -> None:
    """Gives a queued image the data of ``source``. Raises NotQueued, ImageNotFound, PolicyForbids, and what the source raises."""
    image = services.registry.images.get(ctx, image_id)
    if image.deleted:
        raise errors.ImageNotFound(image_id=image_id)
    source.check(services, ctx, image)
    if image.status != QUEUED:
        raise source.refusal(image)
    source.attach(services, ctx, image)


def deactivate(services: Services, ctx: RequestContext, image_id: str) -> Image:
    """Closes an active image's data to readers; fine where they are closed. Raises StatusForbidden, ImageNotFound, PolicyForbids."""
    return _switch(services, ctx, image_id, "deactivate", ACTIVE, DEACTIVATED)


def reactivate(services: Services, ctx: RequestContext, image_id: str) -> Image:
    """Opens them again; fine where they are open. Raises as ``deactivate`` does."""
    return _switch(services, ctx, image_id, "reactivate", DEACTIVATED, ACTIVE)


def tag(services: Services, ctx: RequestContext, image_id: str, name: str) -> Image:
    """Adds a tag; fine where it is there. Raises InvalidValue, TagQuotaExceeded, ImageNotFound, ImageForbidden, PolicyForbids."""
    image = find(services, ctx, image_id, strict=True)
    authorize_change(services, ctx, "modify_image", image)
    check_may_change(ctx, image, "update")
    _check_tags(services, {*image.tags, name})
    return protections.shown(services, ctx, _save(services, ctx, image_id, ImageChanges(tag=name)))


def untag(services: Services, ctx: RequestContext, image_id: str, name: str) -> Image:
    """Removes a tag. Raises TagNotFound, and as ``tag`` does."""
    image = find(services, ctx, image_id, strict=True)
    authorize_change(services, ctx, "modify_image", image)
    check_may_change(ctx, image, "update")
    return protections.shown(services, ctx, _save(services, ctx, image_id, ImageChanges(untag=name)))


def _allowed_by_policy(services: Services, ctx: RequestContext, query: ImageQuery) -> Iterator[Image]:
    """The images of a list, beyond its page too, that the operator's own ``get_image`` lets the caller see. Raises as ``list_page`` does."""
    looked_at = 0
    while looked_at < MOST_LOOKED_AT:
        found = services.registry.images.list(ctx, query)
        for image in found:
            if services.policy.allows("get_image", ctx, target(ctx, image)):
                yield image
        if query.limit is None or len(found) < query.limit:
            return
        looked_at += len(found)
        query = replace(query, marker=found[-1].id, limit=max(query.limit, min(2 * query.limit, _AT_A_TIME)))
    raise errors.LimitExceeded(reason=f"The list is too long to be searched for what you may see: {looked_at} images were not enough. Use filters.")


def _switch(services: Services, ctx: RequestContext, image_id: str, rule: str, old: str, new: str) -> Image:
    image = find(services, ctx, image_id, strict=True)
    authorize_change(services, ctx, rule, image)
    if image.status == new:
        return protections.shown(services, ctx, image)
    if image.status != old:
        raise errors.StatusForbidden(action=rule, status=image.status)
    try:
        image = _save(services, ctx, image_id, ImageChanges({"status": new}), frozenset({old}))
    except errors.StatusConflict:
        image = find(services, ctx, image_id, strict=True)
        if image.status != new:
            raise
    return protections.shown(services, ctx, image)


def _save(services: Services, ctx: RequestContext, image_id: str, changes: ImageChanges, from_status: frozenset[str] | None = None) -> Image:
    image = services.registry.images.update(ctx, image_id, changes, from_status)
    services.notifier.emit(ctx, ImageUpdated(image))
    if "visibility" in changes.values:
        readers.tell(services, ctx, image_id)
    return image


def _authorize_visibility(services: Services, ctx: RequestContext, wanted: str, image: Image) -> None:
    if wanted in PUBLISHING:
        authorize_change(services, ctx, PUBLISHING[wanted], image)


def _check_fixed(ctx: RequestContext, image: Image, changes: ImageChanges) -> None:
    fixed = set() if image.status == QUEUED else FORMATS
    if not ctx.is_admin:
        fixed = fixed | {"owner"}
    for attribute in sorted(fixed & set(changes.values)):
        if changes.values[attribute] != getattr(image, attribute):
            raise errors.AttributeForbidden(attribute=attribute)


def _check_tags(services: Services, tags: Collection[str]) -> None:
    if 0 <= services.limits.tags < len(tags):
        raise errors.TagQuotaExceeded(attempted=len(tags), maximum=services.limits.tags)
    model_tags.check(tags)


def _completed(services: Services, draft: Image) -> Image:
    disk, container = services.formats.complete(draft.disk_format, draft.container_format)
    return replace(draft, disk_format=disk, container_format=container)


def _check_properties(services: Services, named: Mapping[str, str | None], before: int = 0) -> None:
    """``before``: how many the image has, and may keep whatever the quota is (spec-v2 4.7)."""
    maximum = services.limits.properties
    if maximum >= 0 and max(maximum, before) < len(named):
        raise errors.PropertyQuotaExceeded(attempted=len(named), maximum=maximum)
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
        if image.status in MEASURED and attribute in values:
            _check_unchanged(image, {attribute: values.pop(attribute)})
    if not FORMATS.isdisjoint(values):
        completed = _completed(services, image.changed({name: values[name] for name in FORMATS if name in values}))
        values |= {"disk_format": completed.disk_format, "container_format": completed.container_format}
        if image.status in MEASURED and image.container_format != BARE == completed.container_format:
            # Only bare data are inspected, and only while they are stored.
            raise errors.AttributeForbidden(attribute="container_format")
    kept = {} if changes.purge else {name: value for name, value in image.properties.items() if name not in changes.dropped}
    _check_properties(services, {**kept, **changes.properties}, before=len(image.properties))
    _check_tags(services, changes.tags or ())
    return replace(changes, values=values)
