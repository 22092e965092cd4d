"""One way to speak to both versions, so that a scenario can be told once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Self

from glance.testing.wire import Answer
from tests.api.conftest import DATA, Api

Version = Literal["v1", "v2"]

RAW_FORMATS = {"disk_format": "raw", "container_format": "bare"}


class Refused(Exception):
    """The service answered with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.text}")
        self.status = answer.status


@dataclass(frozen=True)
class Shown:
    """An image in the words that both versions have. ``size`` is 0 where there is no data."""

    id: str
    name: str | None
    status: str
    public: bool
    owner: str | None
    disk_format: str | None
    container_format: str | None
    size: int
    checksum: str | None
    min_ram: int
    protected: bool
    properties: Mapping[str, str] = field(default_factory=dict)


class Client(Protocol):
    """What a caller of either version can do. Every method raises Refused where the service does."""

    @property
    def version(self) -> Version: ...
    @property
    def api(self) -> Api: ...
    def as_caller(self, project: str, roles: str = "member") -> Self: ...
    def create(self, name: str, **attributes: object) -> str: ...
    def upload(self, image_id: str, body: bytes, headers: Mapping[str, str] = DATA) -> None: ...
    def point_to(self, image_id: str, url: str) -> None: ...
    def show(self, image_id: str) -> Shown: ...
    def names(self) -> list[str]: ...
    def update(self, image_id: str, **attributes: object) -> None: ...
    def set_property(self, image_id: str, name: str, value: str) -> None: ...
    def publish(self, image_id: str) -> None: ...
    def share(self, image_id: str, project: str) -> None: ...
    def unshare(self, image_id: str, project: str) -> None: ...
    def members(self, image_id: str) -> list[str]: ...
    def download(self, image_id: str, asked: str | None = None) -> bytes: ...
    def delete(self, image_id: str) -> None: ...


@dataclass(frozen=True)
class _Caller:
    """What the two clients have in common: a caller of one service."""

    api: Api

    def as_caller(self, project: str, roles: str = "member") -> Self:
        """The same client in the hands of somebody else."""
        return replace(self, api=self.api.as_caller(project, roles))

    def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        return _accepted(self.api.request(method, path, headers, body))

    def send_json(self, method: str, path: str, document: object) -> Answer:
        return _accepted(self.api.send_json(method, path, document))


class V1Client(_Caller):
    """Speaks in headers. Its updates keep the properties that they do not name, as those of the other version do."""

    version: Version = "v1"

    def create(self, name: str, **attributes: object) -> str:
        answer = self.send("POST", "/v1/images", _headers({**RAW_FORMATS, "name": name, **attributes}))
        return str(answer.json["image"]["id"])

    def upload(self, image_id: str, body: bytes, headers: Mapping[str, str] = DATA) -> None:
        self.send("PUT", f"/v1/images/{image_id}", headers, body)

    def point_to(self, image_id: str, url: str) -> None:
        self.send("PUT", f"/v1/images/{image_id}", _headers({"location": url}))

    def show(self, image_id: str) -> Shown:
        lines = self.send("HEAD", f"/v1/images/{image_id}").headers
        named = {name.lower().removeprefix("x-image-meta-"): value for name, value in lines}
        return Shown(
            id=named["id"],
            name=named.get("name"),
            status=named["status"],
            public=named["is_public"] == "True",
            owner=named.get("owner"),
            disk_format=named.get("disk_format"),
            container_format=named.get("container_format"),
            size=int(named["size"]),
            checksum=named.get("checksum"),
            min_ram=int(named["min_ram"]),
            protected=named["protected"] == "True",
            properties={name.removeprefix("property-"): value for name, value in named.items() if name.startswith("property-")},
        )

    def names(self) -> list[str]:
        return [image["name"] for image in self.send("GET", "/v1/images").json["images"]]

    def update(self, image_id: str, **attributes: object) -> None:
        self.send("PUT", f"/v1/images/{image_id}", {**_headers(attributes), "x-glance-registry-purge-props": "false"})

    def set_property(self, image_id: str, name: str, value: str) -> None:
        self.update(image_id, **{f"property-{name}": value})

    def publish(self, image_id: str) -> None:
        self.update(image_id, is_public=True)

    def share(self, image_id: str, project: str) -> None:
        self.send("PUT", f"/v1/images/{image_id}/members/{project}")

    def unshare(self, image_id: str, project: str) -> None:
        self.send("DELETE", f"/v1/images/{image_id}/members/{project}")

    def members(self, image_id: str) -> list[str]:
        return [one["member_id"] for one in self.send("GET", f"/v1/images/{image_id}/members").json["members"]]

    def download(self, image_id: str, asked: str | None = None) -> bytes:
        return self.send("GET", f"/v1/images/{image_id}", {"Range": asked} if asked else {}).body

    def delete(self, image_id: str) -> None:
        self.send("DELETE", f"/v1/images/{image_id}")


class V2Client(_Caller):
    """Speaks JSON."""

    version: Version = "v2"

    def create(self, name: str, **attributes: object) -> str:
        return str(self.send_json("POST", "/v2/images", {**RAW_FORMATS, "name": name, **attributes}).json["id"])

    def upload(self, image_id: str, body: bytes, headers: Mapping[str, str] = DATA) -> None:
        self.send("PUT", f"/v2/images/{image_id}/file", headers, body)

    def point_to(self, image_id: str, url: str) -> None:
        self.send_json("POST", f"/v2/images/{image_id}/locations", {"url": url})

    def show(self, image_id: str) -> Shown:
        image: dict[str, Any] = self.send("GET", f"/v2/images/{image_id}").json
        known = set(self.send("GET", "/v2/schemas/image").json["properties"])
        return Shown(
            id=image["id"],
            name=image["name"],
            status=image["status"],
            public=image["visibility"] == "public",
            owner=image["owner"],
            disk_format=image["disk_format"],
            container_format=image["container_format"],
            size=image["size"] or 0,
            checksum=image["checksum"],
            min_ram=image["min_ram"],
            protected=image["protected"],
            properties={name: value for name, value in image.items() if name not in known},
        )

    def names(self) -> list[str]:
        return [image["name"] for image in self.send("GET", "/v2/images").json["images"]]

    def update(self, image_id: str, **attributes: object) -> None:
        operations = [{"op": "add", "path": f"/{name}", "value": value} for name, value in attributes.items()]
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        self.send("PATCH", f"/v2/images/{image_id}", headers, json.dumps(operations).encode())

    def set_property(self, image_id: str, name: str, value: str) -> None:
        self.update(image_id, **{name: value})

    def publish(self, image_id: str) -> None:
        self.update(image_id, visibility="public")

    def share(self, image_id: str, project: str) -> None:
        self.send_json("POST", f"/v2/images/{image_id}/members", {"member": project})

    def accept(self, image_id: str, project: str) -> None:
        """What a member does that version 1 has no word for."""
        self.send_json("PUT", f"/v2/images/{image_id}/members/{project}", {"status": "accepted"})

    def unshare(self, image_id: str, project: str) -> None:
        self.send("DELETE", f"/v2/images/{image_id}/members/{project}")

    def members(self, image_id: str) -> list[str]:
        return [one["member_id"] for one in self.send("GET", f"/v2/images/{image_id}/members").json["members"]]

    def download(self, image_id: str, asked: str | None = None) -> bytes:
        return self.send("GET", f"/v2/images/{image_id}/file", {"Range": asked} if asked else {}).body

    def delete(self, image_id: str) -> None:
        self.send("DELETE", f"/v2/images/{image_id}")


#: A client of each version for a service.
CLIENTS: dict[Version, type[V1Client | V2Client]] = {"v1": V1Client, "v2": V2Client}


def _accepted(answer: Answer) -> Answer:
    if answer.status >= 400:
        raise Refused(answer)
    return answer


def _headers(attributes: Mapping[str, object]) -> dict[str, str]:
    return {f"x-image-meta-{name}": str(value) for name, value in attributes.items()}
