"""Handlers of memberships (spec-v2 4.1)."""

from __future__ import annotations

from typing import Any

import webob

from glance import errors
from glance.api.request import Request, json_response, no_content
from glance.api.v2 import schemas, views
from glance.service import members

MEMBER: schemas.Schema = {"type": "string", "maxLength": 255}
STATUS: schemas.Schema = {"type": "string", "enum": list(schemas.MEMBER_STATUSES)}


def index(request: Request, image_id: str) -> webob.Response:
    """GET /images/{id}/members: the projects that a shared image is shared with."""
    found = members.list_members(request.services, request.ctx, image_id, strict=True)
    return json_response({"members": [views.member(one) for one in found], "schema": "/v2/schemas/members"})


def show(request: Request, image_id: str, member: str) -> webob.Response:
    """GET /images/{id}/members/{member}: one of these projects."""
    return json_response(views.member(members.get_member(request.services, request.ctx, image_id, member)))


def add(request: Request, image_id: str) -> webob.Response:
    """POST /images/{id}/members: shares the image with one more project."""
    member = _only(request, "member", "Member to be added not specified")
    if member == "":
        raise errors.Invalid(reason="Member can't be empty")
    schemas.check("member", member, MEMBER)
    return json_response(views.member(members.add(request.services, request.ctx, image_id, member)))


def answer(request: Request, image_id: str, member: str) -> webob.Response:
    """PUT /images/{id}/members/{member}: accepts or rejects."""
    status = _only(request, "status", "Status not specified")
    schemas.check("status", status, STATUS)
    return json_response(views.member(members.answer(request.services, request.ctx, image_id, member, status)))


def remove(request: Request, image_id: str, member: str) -> webob.Response:
    """DELETE /images/{id}/members/{member}: ends the sharing with one project."""
    members.unshare(request.services, request.ctx, image_id, member, strict=True)
    return no_content()


def _only(request: Request, name: str, missing: str) -> Any:
    document = request.json_object()
    if name not in document:
        raise errors.Invalid(reason=missing)
    return document[name]
