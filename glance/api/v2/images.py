"""Handlers of images' metadata (spec-v2 2.3 to 2.7, 3.5, 4.2)."""

from __future__ import annotations

from typing import Any

import webob

from glance import errors
from glance.api.request import JsonAnswer, Request, json_response, no_content
from glance.api.v2 import locations, patch, query, schemas, views
from glance.model.image import Image
from glance.service import images
from glance.service.locations import stores_of, visible
from glance.service.reasons import last_failure


def index(request: Request) -> JsonAnswer:
    """GET /images: a page of images, and the path of the next one where this one is full."""
    pairs = request.query_pairs
    wanted = query.parse(pairs, request.settings)
    found = images.list_page(request.services, request.ctx, wanted)
    document = {
        "images": [_view(request, image) for image in found],
        "first": query.link(pairs),
        "schema": "/v2/schemas/images",
    }
    if found and len(found) == wanted.limit:
        document["next"] = query.link(pairs, marker=found[-1].id)
    return JsonAnswer(document)


def create(request: Request) -> webob.Response:
    """POST /images: reserves an image of the attributes that are sent."""
    image = images.create(request.services, request.ctx, _draft(request), strict=True)
    response = json_response(_view(request, image), 201)
    response.location = f"{request.root_url}/v2/images/{image.id}"
    if request.services.stores.several:
        response.headers["OpenStack-image-store-ids"] = ",".join(request.services.stores.names)
    return response


def show(request: Request, image_id: str) -> JsonAnswer:
    """GET /images/{id}: the metadata of one image, and for its owner why it has no data."""
    image = images.get(request.services, request.ctx, image_id, strict=True)
    failure = last_failure(request.services.registry, request.ctx, image)
    view = _view(request, image)
    return JsonAnswer(view if failure is None else view | views.failure(failure))


def update(request: Request, image_id: str) -> webob.Response:
    """PATCH /images/{id}: all changes in their order, or none."""
    operations = patch.parse(request)
    image = images.get(request.services, request.ctx, image_id, strict=True)
    if any(operation.attribute == "locations" for operation in operations):
        return json_response(_view(request, locations.apply(request, image_id, operations)))
    changes = patch.apply(image, operations, request.image_schema)
    return json_response(_view(request, images.update(request.services, request.ctx, image_id, changes, strict=True)))


def delete(request: Request, image_id: str) -> webob.Response:
    """DELETE /images/{id}: ends an image, and erases its data."""
    images.delete(request.services, request.ctx, image_id, strict=True)
    return no_content()


def deactivate(request: Request, image_id: str) -> webob.Response:
    """POST /images/{id}/actions/deactivate: closes the data of an active image to all but administrators."""
    request.refuse_body()
    images.deactivate(request.services, request.ctx, image_id)
    return no_content()


def reactivate(request: Request, image_id: str) -> webob.Response:
    """POST /images/{id}/actions/reactivate: opens the data of a deactivated image again."""
    request.refuse_body()
    images.reactivate(request.services, request.ctx, image_id)
    return no_content()


def tag(request: Request, image_id: str, name: str) -> webob.Response:
    """PUT /images/{id}/tags/{name}: adds a tag; fine where it is there."""
    request.refuse_body()
    schemas.check("tags", [name], schemas.TAGS)
    images.tag(request.services, request.ctx, image_id, name)
    return no_content()


def untag(request: Request, image_id: str, name: str) -> webob.Response:
    """DELETE /images/{id}/tags/{name}: removes a tag."""
    images.untag(request.services, request.ctx, image_id, name)
    return no_content()


def _view(request: Request, image: Image) -> dict[str, Any]:
    settings = request.settings
    services = request.services
    shows = settings.show_locations or settings.show_direct_url
    places = visible(services, request.ctx, image) if shows else ()
    return views.image(image, settings, places, stores_of(services, image))


def _draft(request: Request) -> Image:
    """The image that a body describes. Raises BodyMalformed, Forbidden, InvalidValue."""
    sent = request.json_object()
    schema = request.image_schema
    for name, value in sent.items():
        schemas.refuse_unwritable(name)
        schemas.check(name, value, schema["properties"].get(name, schemas.CUSTOM))
    for name in schema.get("required", ()):
        if name not in sent:
            raise errors.Invalid(reason=f"Every image of this site has the attribute '{name}': give it a value.")
    tags = tuple(sorted(set(sent.pop("tags", ()))))
    properties = {name: value for name, value in sent.items() if name not in schemas.CORE}
    values: dict[str, Any] = {name: value for name, value in sent.items() if name in schemas.CORE}
    return Image(**{"id": "", "owner": request.ctx.owner, **values}, properties=properties, tags=tags)
