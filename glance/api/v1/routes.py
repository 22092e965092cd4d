"""The URL space of version 1, below its prefix. The order of methods is that of the Allow header."""

from __future__ import annotations

from glance.api.routing import Table
from glance.api.v1 import images, members

COLLECTION = {"GET": images.index, "HEAD": images.index, "POST": images.create}

TABLE: Table = {
    "/": {"GET": images.index, "HEAD": images.index},
    "/images": {"GET": images.index, "POST": images.create},
    # The documents of 2010 write the collection with a slash; every other method means an image without id.
    "/images/": {**COLLECTION, "PUT": images.missing, "DELETE": images.missing, "PATCH": images.missing},
    "/images/detail": {"GET": images.detail},
    "/images/{image_id}": {"GET": images.download, "HEAD": images.show, "PUT": images.update, "DELETE": images.delete},
    "/images/{image_id}/members": {"GET": members.index, "PUT": members.replace},
    "/images/{image_id}/members/{member}": {"PUT": members.add, "DELETE": members.remove},
    "/shared-images/{member}": {"GET": members.shared},
}
