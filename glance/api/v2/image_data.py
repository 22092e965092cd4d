"""Handlers of images' data (spec-v2 3.1 to 3.3)."""

from __future__ import annotations

import re
from urllib.parse import unquote

import webob

from glance import errors
from glance.api import data, ranges
from glance.api.data import DATA_TYPE
from glance.api.request import Request, no_content
from glance.interfaces import ByteSource
from glance.model.image import Image
from glance.service import image_data, images, staging, stores
from glance.service.data_sources import Body

SIZE_HEADER = "x-openstack-image-size"
STORE_HEADER = "x-image-meta-store"
_SIZE = re.compile(r"[0-9]{1,19}")
_LEGACY_RANGE = re.compile(r"bytes +([0-9]*-[0-9]*)/.*")


class Declared:
    """A source of bytes that must turn out to be ``size`` of them. Raises Invalid where they do not."""

    def __init__(self, source: ByteSource, size: int) -> None:
        self._source = source
        self._size = size
        self._received = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._source.read(size)
        self._received += len(chunk)
        if self._received > self._size or (not chunk and self._received < self._size):
            raise errors.Invalid(reason=f"Size mismatch: expected {self._size} bytes, got {self._received} bytes")
        return chunk


def upload(request: Request, image_id: str) -> webob.Response:
    """PUT /images/{id}/file: the data of a queued image."""
    source, length = _sent(request)
    body = Body(source, length, _store(request), on_failure="queued", match_format=True)
    images.attach(request.services, request.ctx, image_id, body)
    return no_content()


def stage(request: Request, image_id: str) -> webob.Response:
    """PUT /images/{id}/stage: the data of a queued image, to be imported later."""
    source, length = _sent(request)
    staging.stage(request.services, request.ctx, image_id, source, length)
    return no_content()


def download(request: Request, image_id: str) -> webob.Response:
    """GET /images/{id}/file: the data, or a range of it; 204 while there is none."""
    try:
        image = image_data.get_readable(request.services, request.ctx, image_id, strict=True)
    except errors.ImageNotActive:
        return no_content()
    prefer = [name for name in request.query.get("prefer", "").split(",") if name]
    response = data.respond(request, image, _range(request, image), prefer)
    if image.checksum is not None:
        response.headers["Content-MD5"] = image.checksum
    return response


def _store(request: Request) -> str | None:
    """The store that a client chooses. Raises StoreUnknown for another name, but where the site offers no choice: clients send one there, too."""
    name = unquote(request.headers.get(STORE_HEADER, ""))
    if not name:
        return None
    if request.services.stores.several:
        return stores.chosen(request.services, name)
    return name if name in request.services.stores.names else None


def _sent(request: Request) -> tuple[ByteSource, int | None]:
    """The data that a request brings, and how many bytes they are, None for chunks. Raises ContentTypeUnsupported, ContentEncodingUnsupported,
    Invalid."""
    if request.content_type != DATA_TYPE:
        raise errors.ContentTypeUnsupported(accepted=DATA_TYPE)
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise errors.ContentEncodingUnsupported
    source: ByteSource = request.environ["wsgi.input"]
    length = request.data_length if request.has_data else 0
    declared = request.headers.get(SIZE_HEADER)
    if declared is not None:
        if not _SIZE.fullmatch(declared):
            raise errors.Invalid(reason=f"Invalid or missing image size in request headers: {SIZE_HEADER} must be a number of bytes.")
        if length is None:
            source = Declared(source, int(declared))
        elif length != int(declared):
            raise errors.Invalid(reason=f"Size mismatch: expected {declared} bytes, got {length} bytes")
    return source, length


def _range(request: Request, image: Image) -> tuple[int, int] | None:
    """First byte and the one after the last of the part that is asked for, None for the whole. Raises Invalid, RangeNotSatisfiable."""
    asked = request.headers.get("Range")
    legacy = _LEGACY_RANGE.fullmatch(request.headers.get("Content-Range", ""))
    if asked is None and legacy:
        asked = f"bytes={legacy[1]}"
    if asked is None or image.size is None:
        return None
    return ranges.parse_strictly(asked, image.size)
