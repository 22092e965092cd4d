"""The acceptance examples with identity headers of a trusted proxy (66-73), in order: who sees, changes and shares what."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from glance.testing.servers import Glance
from glance.testing.wire import Answer


def member(project: str, roles: str = "member") -> dict[str, str]:
    return {"X-Identity-Status": "Confirmed", "X-User-Id": f"user-of-{project}", "X-Tenant-Id": project, "X-Roles": roles}


T1, T2, ADMIN = member("t1"), member("t2"), member("operators", "admin")


class Scene:
    """Project t1's private image, which the examples share and publish step by step."""

    def __init__(self, glance: Glance) -> None:
        self.glance = glance
        headers = {**T1, "x-image-meta-name": "X", "x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare"}
        answer = glance.request("POST", "/v1/images", {**headers, "Content-Type": "application/octet-stream"}, b"abc")
        assert (answer.status, answer.json["image"]["owner"]) == (201, "t1")
        self.id = answer.json["image"]["id"]

    def ask(self, who: Mapping[str, str], method: str, path: str = "", **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.glance.request(method, f"/v1/images/{self.id}{path}", {**who, **named})

    def listed(self, who: Mapping[str, str], query: str = "") -> list[str]:
        return [one["id"] for one in self.glance.request("GET", f"/v1/images{query}", who).json["images"]]


@pytest.fixture
def scene(trusted_glance: Glance) -> Scene:
    return Scene(trusted_glance)


@pytest.fixture
def shared(scene: Scene) -> Scene:
    assert scene.ask(T1, "PUT", "/members/t2").status == 204
    return scene


def test_66_request_without_identity_then_401(trusted_glance: Glance) -> None:
    assert trusted_glance.request("GET", "/v1/images").status == 401


@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT", "DELETE"])
def test_67_68_private_image_asked_for_by_another_project_then_404(scene: Scene, method: str) -> None:
    assert scene.ask(T2, method).status == 404


def test_69_shared_image_asked_for_by_the_member_then_shown_and_listed(shared: Scene) -> None:
    assert shared.ask(T2, "GET").body == b"abc"
    assert shared.id in shared.listed(T2)


def test_70_shared_image_changed_by_the_member_then_404(shared: Scene) -> None:
    assert shared.ask(T2, "DELETE").status == 404
    assert shared.ask(T2, "PUT", x_image_meta_name="mine").status == 404
    assert shared.ask(T2, "PUT", "/members/t3").status == 404


def test_71_image_published_by_the_administrator_then_others_read_it_and_are_refused_changes(scene: Scene) -> None:
    assert scene.ask(ADMIN, "PUT", x_image_meta_is_public="true").status == 200
    assert scene.ask(T2, "GET").status == 200
    assert scene.ask(T2, "PUT", x_image_meta_name="mine").status == 403
    assert scene.ask(T2, "DELETE").status == 403


def test_72_image_created_for_another_owner_by_a_member_then_belongs_to_the_member(trusted_glance: Glance) -> None:
    answer = trusted_glance.request("POST", "/v1/images", {**T2, "x-image-meta-owner": "t1"})

    assert (answer.status, answer.json["image"]["owner"]) == (201, "t2")


def test_73_all_images_asked_for_by_a_member_then_only_what_it_may_see(scene: Scene) -> None:
    assert scene.id not in scene.listed(T2, "?is_public=None&limit=1000")
    assert scene.id in scene.listed(T1, "?is_public=None&limit=1000")
