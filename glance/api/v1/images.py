"""Handlers of images."""

from __future__ import annotations

import webob

from glance import errors
from glance.api import data, ranges
from glance.api.data import DATA_TYPE
from glance.api.request import JsonAnswer, Request, json_response
from glance.api.v1 import headers
from glance.model import query
from glance.model.image import Image, ImageChanges, ImageQuery
from glance.service import image_data, images
from glance.service.data_sources import Body, Copied, DataSource, External, NoBytes


def index(request: Request) -> JsonAnswer:
    """GET /images: a page of images, a few fields each."""
    found = images.list_page(request.services, request.ctx, _query(request))
    return JsonAnswer({"images": [headers.brief(request, image) for image in found]})


def detail(request: Request) -> JsonAnswer:
    """GET /images/detail: a page of images with all fields."""
    found = images.list_page(request.services, request.ctx, _query(request))
    return JsonAnswer({"images": [headers.full(request, image) for image in found]})


def show(request: Request, image_id: str) -> webob.Response:
    """HEAD /images/{id}: the metadata as headers. The Content-Length is 0: clients wait for a body of that length."""
    image = images.get(request.services, request.ctx, image_id)
    response = webob.Response(content_type="text/html", charset="UTF-8")
    response.headers.extend(headers.headers(request, image))
    response.content_length = 0
    return response


def download(request: Request, image_id: str) -> webob.Response:
    """GET /images/{id}: the metadata as headers, the data (or a range of it) as body."""
    image = image_data.get_readable(request.services, request.ctx, image_id)
    response = data.respond(request, image, _range(request, image))
    response.headers.extend(headers.headers(request, image))
    return response


def create(request: Request) -> webob.Response:
    """POST /images: reserves an image, with data in the body, at a location, from a source to copy, or without."""
    metadata = headers.parse(request)
    metadata.values.pop("status", None)  # clients of 2011 send one; it is always overridden
    source = _source(request, metadata)
    if source is None and metadata.values.get("size") == 0:
        source = None if request.versionless else NoBytes()
        del metadata.values["size"]
    draft = Image(**{"id": "", "owner": request.ctx.owner, **metadata.values}, properties=metadata.properties)
    image = images.create(request.services, request.ctx, draft, source, store=metadata.store)
    response = json_response({"image": headers.full(request, image)}, 201)
    response.headers.extend(headers.etag(image))
    response.location = f"{request.prefix}/images/{image.id}"
    return response


def update(request: Request, image_id: str) -> webob.Response:
    """PUT /images/{id}: changes the metadata that is sent, drops properties that are not, and may bring the data of a queued image."""
    metadata = headers.parse(request)
    source = _source(request, metadata)
    stated: dict[str, object] = {name: metadata.values.pop(name) for name in ("id", "status") if name in metadata.values}
    if request.versionless or request.has_data:
        # Clients of 2011 send a status with everything; it never changes anything.
        stated.pop("status", None)
    purge = headers.is_true(request.headers.get("X-Glance-Registry-Purge-Props", "true")) and not request.has_data
    changes = ImageChanges(metadata.values, metadata.properties, purge=purge)
    image = images.update(request.services, request.ctx, image_id, changes, source, unchanged=stated)
    response = json_response({"image": headers.full(request, image)})
    response.headers.extend(headers.headers(request, image) if request.versionless else headers.etag(image))
    return response


def delete(request: Request, image_id: str) -> webob.Response:
    """DELETE /images/{id}: 200 and no body."""
    images.delete(request.services, request.ctx, image_id)
    return webob.Response(content_type="text/html", charset="UTF-8")


def missing(request: Request) -> webob.Response:  # noqa: ARG001
    """Whatever asks for the image without id."""
    raise errors.ImageNotFound(image_id="")


def _query(request: Request) -> ImageQuery:
    settings = request.settings
    params = {name: value for name, value in request.query.items() if name != "deleted"}
    # Clients of 2010 knew no pages: they get as many images as there may be.
    default = settings.max_limit if request.versionless else settings.default_limit
    id_format: query.IdFormat = "integer" if settings.integer_ids else "uuid"
    return query.parse(params, is_admin=request.ctx.is_admin, default_limit=default, max_limit=settings.max_limit, id_format=id_format)


def _source(request: Request, metadata: headers.Metadata) -> DataSource | None:
    """Where the image's data comes from. Raises SourcesConflict, ContentTypeUnsupported, Invalid."""
    copy_from = request.header_text("X-Glance-Api-Copy-From")
    if copy_from is None and "X-Glance-Api-Copy-From" in request.headers:
        raise errors.Invalid(reason="External source should not be empty")
    sources: list[DataSource] = []
    strict = not request.versionless
    if request.has_data:
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise errors.ContentEncodingUnsupported
        if request.content_type != DATA_TYPE:
            raise errors.ContentTypeUnsupported(accepted=DATA_TYPE)
        sources.append(Body(request.environ["wsgi.input"], request.data_length, metadata.store, require_formats=strict))
    if metadata.location is not None:
        sources.append(External(metadata.location, require_formats=strict))
    if copy_from is not None:
        sources.append(Copied(headers.decoded(request, copy_from), metadata.store, require_formats=strict))
    if len(sources) > 1:
        raise errors.SourcesConflict
    return sources[0] if sources else None


def _range(request: Request, image: Image) -> tuple[int, int] | None:
    """First byte and the one after the last of the part that is asked for, None for the whole. Raises RangeNotSatisfiable."""
    asked = request.headers.get("Range")
    if asked is None or image.size is None or request.headers.get("If-Range", image.checksum) != image.checksum:
        return None
    return ranges.parse(asked, image.size)
