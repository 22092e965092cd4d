"""The intended differences between the versions: each row of the table in docs/reference/v1-v2.md is looked at through both."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from glance.testing.wire import Answer
from tests.api.conftest import DATA, Api
from tests.api.parity import tables
from tests.api.parity.clients import CLIENTS, RAW_FORMATS, V2Client, Version
from tests.copies import several_stores

BYTES = b"0123456789"
TABLE = tables.read("Differences")


@dataclass(frozen=True)
class Look:
    """One version of a service, looked at by the project P1, by P2, and by an administrator of another project."""

    version: Version
    mine: Api
    theirs: Api
    admin: Api

    def choose(self, v1: str, v2: str) -> str:
        return v1 if self.version == "v1" else v2

    def create(self, **attributes: object) -> str:
        return CLIENTS[self.version](self.mine).create("one", **attributes)

    def active(self) -> str:
        image_id = self.create()
        CLIENTS[self.version](self.mine).upload(image_id, BYTES)
        return image_id

    def post(self, **attributes: object) -> Answer:
        """The answer to the creation of an image of these attributes."""
        named = {**RAW_FORMATS, **attributes}
        if self.version == "v1":
            return self.mine.request("POST", "/v1/images", {f"x-image-meta-{name}": str(value) for name, value in named.items()})
        return self.mine.send_json("POST", "/v2/images", named)

    def change(self, image_id: str, **attributes: object) -> Answer:
        """The answer to a change of these attributes."""
        if self.version == "v1":
            return self.mine.request("PUT", f"/v1/images/{image_id}", {f"x-image-meta-{name}": str(value) for name, value in attributes.items()})
        return self.mine.patch(image_id, [{"op": "add", "path": f"/{name}", "value": value} for name, value in attributes.items()])

    def send_data(self, image_id: str, headers: Mapping[str, str] | None = None) -> Answer:
        path = self.choose(f"/v1/images/{image_id}", f"/v2/images/{image_id}/file")
        return self.mine.request("PUT", path, {**DATA, **(headers or {})}, BYTES)

    def read(self, api: Api, image_id: str, **headers: str) -> Answer:
        return api.request("GET", self.choose(f"/v1/images/{image_id}", f"/v2/images/{image_id}/file"), headers)

    def document(self, image_id: str) -> dict[str, Any]:
        """The image as JSON."""
        if self.version == "v2":
            return dict(self.mine.get(f"/v2/images/{image_id}"))
        [image] = self.mine.get("/v1/images/detail")["images"]
        return dict(image)

    def listed(self, api: Api) -> str:
        return "listed" if CLIENTS[self.version](api).names() else "not listed"

    def share(self, image_id: str) -> Answer:
        if self.version == "v1":
            return self.mine.request("PUT", f"/v1/images/{image_id}/members/P2")
        return self.mine.send_json("POST", f"/v2/images/{image_id}/members", {"member": "P2"})


def failed_upload(look: Look) -> str:
    """The id of an image whose data were not what was announced."""
    image_id = look.create()
    announced = look.choose("x-image-meta-size", "x-openstack-image-size")
    assert look.send_data(image_id, {announced: "99"}).status == 400
    return image_id


def _second_try(look: Look) -> object:
    return look.send_data(failed_upload(look)).status


def _deleted(look: Look) -> object:
    image_id = look.active()
    CLIENTS[look.version](look.mine).delete(image_id)
    return look.admin.request(look.choose("HEAD", "GET"), f"/{look.version}/images/{image_id}").status


def _deactivated(look: Look) -> object:
    image_id = look.active()
    assert look.admin.request("POST", f"/v2/images/{image_id}/actions/deactivate").status == 204
    return look.read(look.admin, image_id).status


def _digest_header(look: Look) -> object:
    answer = look.read(look.mine, look.active())
    [found] = [name for name in ("ETag", "Content-MD5") if answer.header(name)]
    return found


def _visibility_field(look: Look) -> object:
    [name] = {"is_public", "visibility"} & set(look.document(look.create()))
    return name


def _community(look: Look) -> object:
    image_id = V2Client(look.mine).create("one", visibility="community")
    return look.document(image_id)[look.choose("is_public", "visibility")]


def _properties_not_named(look: Look) -> object:
    image_id = look.create()
    V2Client(look.mine).set_property(image_id, "colour", "blue")
    look.change(image_id, name="other")
    return "kept" if V2Client(look.mine).show(image_id).properties else "dropped"


def _property_name(look: Look) -> object:
    [found] = V2Client(look.mine).show(look.create(**{look.choose("property-FooBar", "FooBar"): "x"})).properties
    return found


def _shared_twice(look: Look) -> object:
    image_id = look.create()
    return [look.share(image_id).status for _ in range(2)][-1]


def _pending(look: Look) -> object:
    look.share(look.create())
    return look.listed(look.theirs)


def _of_others(look: Look) -> object:
    look.create()
    return look.listed(look.admin)


def _hidden(look: Look) -> object:
    V2Client(look.mine).create("one", os_hidden=True)
    return look.listed(look.mine)


OBSERVATIONS: dict[str, Callable[[Look], object]] = {
    "status after an upload that failed": lambda look: V2Client(look.mine).show(failed_upload(look)).status,
    "sending the data again after that": _second_try,
    "answer to an upload": lambda look: look.send_data(look.create()).status,
    "reading data while there are none": lambda look: look.read(look.mine, look.create()).status,
    "reading data of a deactivated image as administrator": _deactivated,
    "several ranges in one request": lambda look: look.read(look.mine, look.active(), Range="bytes=0-0,2-3").status,
    "range of another unit": lambda look: look.read(look.mine, look.active(), Range="lines=1-2").status,
    "header with the MD5 of the data": _digest_header,
    "`HEAD` of an image": lambda look: look.mine.request("HEAD", f"/{look.version}/images/{look.create()}").status,
    "answer to `DELETE`": lambda look: look.mine.request("DELETE", f"/{look.version}/images/{look.create()}").status,
    "deleted image, asked for by an administrator": _deleted,
    "field that says who may see an image": _visibility_field,
    "its value for a community image": _community,
    "size while there are no data": lambda look: look.document(look.create())["size"],
    "times": lambda look: re.sub("[0-9]", "0", look.document(look.create())["created_at"]),
    "tags are shown": lambda look: "tags" in look.document(look.create()),
    "`os_hash_value` is shown": lambda look: "os_hash_value" in look.document(look.create()),
    "`stores` are shown, where the site has several": lambda look: "stores" in look.document(look.active()),
    "store that is named by a scheme, such as `file`": lambda look: look.send_data(look.create(), {"x-image-meta-store": "file"}).status,
    "custom properties that a change does not name": _properties_not_named,
    "custom property sent as `FooBar`": _property_name,
    "field without prefix that no version knows": lambda look: look.post(colour="blue").status,
    "size stated at creation": lambda look: look.post(size=10).status,
    "`virtual_size` stated at creation": lambda look: look.post(virtual_size=10).status,
    "creation with another project as owner": lambda look: look.post(owner="P2").status,
    "change of the owner by a project": lambda look: look.change(look.create(), owner="P2").status,
    "data of another format than declared": lambda look: look.send_data(look.create(disk_format="qcow2")).status,
    "change of a format once there are data": lambda look: look.change(look.active(), disk_format="qcow2").status,
    "sharing with the same project again": _shared_twice,
    "image shared but not accepted, in the member's list": _pending,
    "image of another project, in an administrator's list": _of_others,
    "hidden image, in its owner's list": _hidden,
    "`changes-since` in a list": lambda look: look.mine.request("GET", f"/{look.version}/images?changes-since=2020-01-01").status,
}


@pytest.fixture(params=CLIENTS)
def look(request: pytest.FixtureRequest, make_api: Callable[..., Api], tmp_path: Path) -> Look:
    api = make_api(trusted=True, stores=several_stores(tmp_path))
    return Look(request.param, api.as_caller("P1"), api.as_caller("P2"), api.as_caller("P0", "admin"))


@pytest.mark.parametrize("name", TABLE)
def test_difference_when_looked_at_then_as_the_page_says(look: Look, name: str) -> None:
    found = OBSERVATIONS[name](look)
    assert (found if isinstance(found, str) else json.dumps(found)) == TABLE[name][look.version]


def test_table_of_differences_then_has_every_observation_and_only_differences() -> None:
    assert list(TABLE) == list(OBSERVATIONS)
    assert [name for name, row in TABLE.items() if row["v1"] == row["v2"]] == []
