"""The unified limits of an image service in a real keystone, as its administrator sets them."""

from __future__ import annotations

import uuid

from tests.keystone_server import PASSWORD, KeystoneServer

REGION = "RegionOne"


class Limits:
    """Those of a service of its own, so that tests do not meet."""

    def __init__(self, keystone: KeystoneServer) -> None:
        self.keystone = keystone
        name = f"image-{uuid.uuid4().hex[:8]}"
        service = keystone.administer("POST", "/services", {"service": {"type": name, "name": name}})["service"]
        self.service: str = service["id"]
        endpoint = {"service_id": self.service, "interface": "public", "url": "http://image.example", "region_id": REGION}
        self.endpoint: str = keystone.administer("POST", "/endpoints", {"endpoint": endpoint})["endpoint"]["id"]
        self.user = keystone.user()
        keystone.grant(f"/system/users/{self.user.id}", "reader")

    def options(self, **changes: object) -> dict[str, dict[str, object]]:
        """What a service needs to keep these limits."""
        account = {
            "endpoint_id": self.endpoint,
            "auth_url": self.keystone.url,
            "username": self.user.name,
            "password": PASSWORD,
            "user_domain_id": "default",
            "system_scope": "all",
        }
        return {"DEFAULT": {"use_keystone_limits": True}, "oslo_limit": {**account, **changes}}

    def register(self, *, region: str | None = REGION, **limits: int) -> None:
        """Limits of projects that have none of their own; ``region`` None for all regions."""
        for name, limit in limits.items():
            self._make("registered_limits", resource_name=name, default_limit=limit, region_id=region)

    def allow(self, project: str, **limits: int) -> None:
        """Limits of one project, for the first time."""
        for name, limit in limits.items():
            self._make("limits", resource_name=name, resource_limit=limit, project_id=project, region_id=REGION)

    def change(self, project: str, **limits: int) -> None:
        """Other values for limits that the project has."""
        there = self.keystone.administer("GET", f"/limits?service_id={self.service}&project_id={project}")["limits"]
        for one in there:
            if one["resource_name"] in limits:
                self.keystone.administer("PATCH", f"/limits/{one['id']}", {"limit": {"resource_limit": limits[one["resource_name"]]}})

    def _make(self, collection: str, **limit: object) -> None:
        self.keystone.administer("POST", f"/{collection}", {collection: [{"service_id": self.service, **limit}]})
