"""The URL space of version 2, below its prefix. The order of methods is that of the Allow header."""

from __future__ import annotations

import webob

from glance.api.request import Request, json_response
from glance.api.routing import Table
from glance.api.v2 import image_data, images, info, locations, members, openapi, schemas, stores


def describe(request: Request) -> webob.Response:
    """GET /openapi.json: this version of the API as an OpenAPI document."""
    return json_response(openapi.document(TABLE, request))


TABLE: Table = {
    "/images": {"GET": images.index, "POST": images.create},
    "/images/{image_id}": {"GET": images.show, "PATCH": images.update, "DELETE": images.delete},
    "/images/{image_id}/file": {"GET": image_data.download, "PUT": image_data.upload},
    "/images/{image_id}/stage": {"PUT": image_data.stage},
    "/images/{image_id}/actions/deactivate": {"POST": images.deactivate},
    "/images/{image_id}/actions/reactivate": {"POST": images.reactivate},
    "/images/{image_id}/locations": {"GET": locations.index, "POST": locations.register},
    "/images/{image_id}/tags/{name}": {"PUT": images.tag, "DELETE": images.untag},
    "/images/{image_id}/members": {"GET": members.index, "POST": members.add},
    "/images/{image_id}/members/{member}": {"GET": members.show, "PUT": members.answer, "DELETE": members.remove},
    "/schemas/{name}": {"GET": schemas.show},
    "/info/import": {"GET": info.import_methods},
    "/info/stores": {"GET": info.stores},
    "/info/stores/detail": {"GET": info.stores_in_detail},
    "/info/usage": {"GET": info.usage},
    "/stores/{store}/{image_id}": {"DELETE": stores.delete},
    "/openapi.json": {"GET": describe},
}
