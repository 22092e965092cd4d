"""Image data as the body of an answer, in every version alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import webob

from glance.api.request import Request
from glance.interfaces import Blob
from glance.model.image import Image
from glance.service import image_data
from glance.stream import CHUNK

DATA_TYPE = "application/octet-stream"
#: Bytes up to which reading and sending takes no longer than what the kernel does by itself.
_LITTLE = 64 * 1024


def respond(request: Request, image: Image, part: tuple[int, int] | None, prefer: Sequence[str] = ()) -> webob.Response:
    """200 with the data of ``image``, or 206 with a ``part`` of it: its first byte and the one after the last.

    The image is one that ``image_data.get_readable`` returned; ``prefer`` is what ``image_data.open_data`` takes. Raises what that raises.
    """
    start, stop = part or (0, None)
    blob = image_data.open_data(request.services, request.ctx, image, start, None if stop is None else stop - start, prefer)
    response = webob.Response(status=206 if part else 200, content_type=DATA_TYPE)
    response.headers["Accept-Ranges"] = "bytes"
    if part:
        response.headers["Content-Range"] = f"bytes {start}-{part[1] - 1}/{image.size}"
    if blob is not None:
        response.app_iter = _body(request, blob)
        response.content_length = blob.length
    return response


def _body(request: Request, blob: Blob) -> Iterable[bytes]:
    """The blob as WSGI sends it: by the server's own means where it is much of a real file (PEP 3333, wsgi.file_wrapper, ends with the
    Content-Length). Little is read here, since another copy takes the place of one that fails meanwhile."""
    wrapper: Any = request.environ.get("wsgi.file_wrapper")
    if wrapper is not None and blob.file is not None and blob.length > _LITTLE:
        return wrapper(blob.file, CHUNK)
    return _Begun(blob)


class _Begun:
    """A blob whose first piece has been read: what is wrong with it from the beginning is still an error with a status of its own."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._chunks = iter(blob)
        try:
            self._first = next(self._chunks, b"")
        except BaseException:
            blob.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        first, self._first = self._first, b""
        yield first
        del first  # while the client takes its time, nobody holds it
        yield from self._chunks

    def close(self) -> None:
        self._blob.close()
