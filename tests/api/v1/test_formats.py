"""Unsafe data are refused in v1 as well; data of another format than declared never were."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.api.conftest import DATA, RAW, Api, served
from tests.disk_images import BACKED, SIZE, descriptor, qcow2

BARE_QCOW2 = {**RAW, "x-image-meta-disk_format": "qcow2"}
ID = "11111111-2222-4333-8444-555555555555"


def test_data_when_of_another_format_then_stored(api: Api) -> None:
    headers = api.show(api.create(BARE_QCOW2, b"0123456789"))
    assert (headers["x-image-meta-status"], "x-image-meta-virtual_size" in headers) == ("active", False)


def test_data_when_of_the_format_declared_then_the_virtual_size_is_known(api: Api) -> None:
    assert api.show(api.create(BARE_QCOW2, qcow2()))["x-image-meta-virtual_size"] == str(SIZE)
    assert api.show(api.create(body=b"0123456789"))["x-image-meta-virtual_size"] == "10"


@pytest.mark.parametrize("path", ["/v1/images", "/images"])
@pytest.mark.parametrize("declared", ["qcow2", "raw", "vmdk"])
@pytest.mark.parametrize("data", [qcow2(*BACKED), descriptor()], ids=["backing file", "descriptor"])
def test_data_when_unsafe_then_400_and_killed(api: Api, path: str, declared: str, data: bytes) -> None:
    headers = {**RAW, **DATA, "x-image-meta-disk_format": declared, "x-image-meta-id": ID}
    refused = api.request("POST", path, headers, data)
    assert (refused.status, "Image failed safety checks" in refused.text, "passwd" in refused.text) == (400, True, False)
    assert (api.show(ID)["x-image-meta-status"], list(api.images.iterdir())) == ("killed", [])


@pytest.mark.parametrize(("data", "status"), [(qcow2(), "active"), (qcow2(*BACKED), "killed"), (b"0123456789", "active")])
def test_copy_when_its_data_are_unsafe_then_killed(api: Api, data: bytes, status: str) -> None:
    def source(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(len(data)))])
        return [data]

    with served(source) as port:
        api.request("POST", "/v1/images", {**BARE_QCOW2, "x-image-meta-id": ID, "x-glance-api-copy-from": f"http://127.0.0.1:{port}/one"})
    assert (api.show(ID)["x-image-meta-status"], len(list(api.images.iterdir()))) == (status, int(status == "active"))


def test_container_when_its_data_were_not_inspected_then_never_bare(api: Api) -> None:
    image_id = api.create({**BARE_QCOW2, "x-image-meta-container_format": "ova"}, qcow2(*BACKED))
    refused = api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-container_format": "bare"})
    assert (refused.status, "container_format" in refused.text) == (403, True)
    assert api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-container_format": "ovf"}).status == 200
