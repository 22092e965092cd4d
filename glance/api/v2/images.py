"""Handlers of images' metadata (spec-v2 2.3 to 2.7, 3.5, 4.2)."""

from __future__ import annotations

from typing import Any

import webob

from glance.api.request import Request, json_response, no_content
from glance.api.v2 import patch, query, schemas, views
from glance.model.image import Image
from glance.service import images


def index(request: Request) -> webob.Response:
    """GET /images: a page of images, and the path of the next one where this one is full."""
    pairs = request.query_pairs
    wanted = query.parse(pairs, request.settings)
    page = images.list_page(request.services, request.ctx, wanted)
    document = {
        "images": [views.image(image) for image in page],
        "first": query.link(pairs),
        "schema": "/v2/schemas/images",
    }
    if page and len(page) == wanted.limit:
        document["next"] = query.link(pairs, marker=page[-1].id)
    return json_response(document)


def create(request: Request) -> webob.Response:
    """POST /images: reserves an image of the attributes that are sent."""
    image = images.create(request.services, request.ctx, _draft(request), strict=True)
    response = json_response(views.image(image), 201)
    response.location = f"{request.root_url}/v2/images/{image.id}"
    return response


def show(request: Request, image_id: str) -> webob.Response:
    """GET /images/{id}."""
    return json_response(views.image(images.get(request.services, request.ctx, image_id, strict=True)))


def update(request: Request, image_id: str) -> webob.Response:
    """PATCH /images/{id}: all changes in their order, or none."""
    operations = patch.parse(request)
    image = images.get(request.services, request.ctx, image_id, strict=True)
    changes = patch.apply(image, operations, schemas.image(request.services.formats))
    return json_response(views.image(images.update(request.services, request.ctx, image_id, changes, strict=True)))


def delete(request: Request, image_id: str) -> webob.Response:
    """DELETE /images/{id}."""
    images.delete(request.services, request.ctx, image_id, strict=True)
    return no_content()


def deactivate(request: Request, image_id: str) -> webob.Response:
    """POST /images/{id}/actions/deactivate."""
    request.refuse_body()
    images.deactivate(request.services, request.ctx, image_id)
    return no_content()


def reactivate(request: Request, image_id: str) -> webob.Response:
    """POST /images/{id}/actions/reactivate."""
    request.refuse_body()
    images.reactivate(request.services, request.ctx, image_id)
    return no_content()


def tag(request: Request, image_id: str, name: str) -> webob.Response:
    """PUT /images/{id}/tags/{name}."""
    request.refuse_body()
    schemas.check("tags", [name], schemas.TAGS)
    images.tag(request.services, request.ctx, image_id, name)
    return no_content()


def untag(request: Request, image_id: str, name: str) -> webob.Response:
    """DELETE /images/{id}/tags/{name}."""
    images.untag(request.services, request.ctx, image_id, name)
    return no_content()


def _draft(request: Request) -> Image:
    """The image that a body describes. Raises BodyMalformed, Forbidden, InvalidValue."""
    sent = request.json_object()
    known = schemas.image(request.services.formats)["properties"]
    for name, value in sent.items():
        schemas.refuse_unwritable(name)
        schemas.check(name, value, known.get(name, schemas.CUSTOM))
    tags = tuple(sorted(set(sent.pop("tags", ()))))
    properties = {name: value for name, value in sent.items() if name not in known}
    values: dict[str, Any] = {name: value for name, value in sent.items() if name in known}
    return Image(**{"id": "", "owner": request.ctx.owner, **values}, properties=properties, tags=tags)
