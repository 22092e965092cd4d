"""The handler of one store's data of an image (spec-v2 4.5)."""

from __future__ import annotations

import webob

from glance.api.request import Request, no_content
from glance.service import stores


def delete(request: Request, store: str, image_id: str) -> webob.Response:
    """DELETE /stores/{store}/{id}: takes an image's data out of one of the stores that hold them."""
    stores.delete_from(request.services, request.ctx, store, image_id)
    return no_content()
