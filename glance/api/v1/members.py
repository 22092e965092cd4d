"""Handlers of memberships (spec-v1 2.11)."""

from __future__ import annotations

from typing import Any

import webob

from glance import errors
from glance.api.request import Request, json_response, no_content
from glance.api.v1.headers import is_true
from glance.model.image import Membership
from glance.service import members

MEMBER_LIMIT = 255


def index(request: Request, image_id: str) -> webob.Response:
    """GET /images/{id}/members: who the image is shared with."""
    found = members.list_members(request.services, request.ctx, image_id)
    return json_response({"members": [{"member_id": one.member, "can_share": one.can_share} for one in found]})


def replace(request: Request, image_id: str) -> webob.Response:
    """PUT /images/{id}/members: exactly these members. The list stands under "memberships", or bare as clients of 2011 send it."""
    document = request.json_document()
    if isinstance(document, dict) and "memberships" in document:
        document = document["memberships"]
    entries = document if isinstance(document, list) else [document]
    members.share(request.services, request.ctx, image_id, [_membership(entry) for entry in entries], replace=True)
    return no_content()


def add(request: Request, image_id: str, member: str) -> webob.Response:
    """PUT /images/{id}/members/{member}: shares the image with one more project, or changes whether that may share it on."""
    document = request.json_document()
    can_share = None
    if document is not None:
        if not isinstance(document, dict) or not isinstance(document.get("member"), dict):
            raise errors.InvalidMember(reason='the body must be {"member": {"can_share": true or false}}')
        can_share = _can_share(document["member"])
    members.share(request.services, request.ctx, image_id, [_named(member, can_share)])
    return no_content()


def remove(request: Request, image_id: str, member: str) -> webob.Response:
    """DELETE /images/{id}/members/{member}."""
    members.unshare(request.services, request.ctx, image_id, member)
    return no_content()


def shared(request: Request, member: str) -> webob.Response:
    """GET /shared-images/{member}: the images that are shared with a project."""
    found = members.list_shared(request.services, request.ctx, member)
    return json_response({"shared_images": [{"image_id": one.image_id, "can_share": one.can_share} for one in found]})


def _membership(entry: Any) -> Membership:
    if not isinstance(entry, dict) or "member_id" not in entry:
        raise errors.InvalidMember(reason='each membership must be {"member_id": "...", "can_share": true or false}')
    return _named(entry["member_id"], _can_share(entry))


def _named(member: Any, can_share: bool | None) -> Membership:
    if not isinstance(member, str) or not 1 <= len(member) <= MEMBER_LIMIT or not member.isprintable():
        raise errors.InvalidMember(reason=f"a member is named by 1 to {MEMBER_LIMIT} printable characters")
    return Membership(member, can_share)


def _can_share(entry: dict[str, Any]) -> bool | None:
    value = entry.get("can_share")
    if isinstance(value, str):
        return is_true(value)
    if value is None or isinstance(value, bool):
        return value
    raise errors.InvalidMember(reason="can_share must be true or false")
