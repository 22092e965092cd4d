"""The operator's policy in real processes: files of every age, changes while they run, and what ``glance-manage policy check`` says of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping

import pytest

from glance.cmd import manage
from glance.testing.servers import Glance, wait_until

OWNER = "web"
JSON = {"Content-Type": "application/json"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
#: As operators wrote it in 2012: lists, the outer one of alternatives.
OF_2012 = {"default": [], "modify_image": [["role:editor"], ["is_admin:True"]], "delete_image": "role:cleaner or is_admin:True"}


def who(roles: str, project: str = OWNER) -> dict[str, str]:
    return {"X-Identity-Status": "Confirmed", "X-User-Id": "u", "X-Tenant-Id": project, "X-Roles": roles}


def create(glance: Glance, **attributes: str) -> str:
    document = {"disk_format": "raw", "container_format": "bare", **attributes}
    answer = glance.request("POST", "/v2/images", {**who("member"), **JSON}, json.dumps(document).encode())
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def change(glance: Glance, image_id: str, headers: Mapping[str, str], name: str, value: str) -> int:
    body = json.dumps([{"op": "replace", "path": f"/{name}", "value": value}]).encode()
    return glance.request("PATCH", f"/v2/images/{image_id}", {**headers, **PATCH}, body).status


@pytest.fixture
def glance(fresh_glance: Callable[..., Glance]) -> Glance:
    """A service of two processes."""
    return fresh_glance(flavor="trusted-auth", api_options={"DEFAULT": {"workers": "2"}})


def in_every_process(status: Callable[[], int], expected: int) -> bool:
    """Whether many new connections, which all processes share, get the same answer."""
    return {status() for _ in range(12)} == {expected}


def test_policy_when_its_file_is_of_2012_then_its_lists_and_texts_decide(glance: Glance) -> None:
    (glance.directory / "policy.json").write_text(json.dumps(OF_2012))
    glance.restart()
    image_id = create(glance)

    assert [change(glance, image_id, who(roles), "name", "x") for roles in ("member", "member,editor")] == [403, 200]
    assert [glance.request("DELETE", f"/v1/images/{image_id}", who(roles)).status for roles in ("member", "member,cleaner")] == [403, 200]


def test_policy_when_its_file_comes_changes_breaks_and_goes_then_every_process_follows(glance: Glance) -> None:
    path = glance.directory / "policy.d" / "images.yaml"
    image_id = create(glance)

    def status() -> int:
        return change(glance, image_id, who("member"), "name", "x")

    assert in_every_process(status, 200)
    path.parent.mkdir()
    path.write_text('"modify_image": "role:editor"\n')
    wait_until(lambda: in_every_process(status, 403), "the new file to count")

    path.write_text('"modify_image": "role:editor or role:member"\n')
    wait_until(lambda: in_every_process(status, 200), "the change to count")

    path.write_text('"modify_image": "role:editor\n')
    log = glance.directory / "log" / "api.log"
    wait_until(lambda: in_every_process(status, 200) and "images.yaml cannot be used" in log.read_text(), "the broken file to be noticed")
    assert "The rules that were read before stay." in log.read_text()

    path.write_text('"modify_image": "role:editor"\n')
    wait_until(lambda: in_every_process(status, 403), "the repaired file to count")
    path.unlink()
    wait_until(lambda: in_every_process(status, 200), "the default to count again")


#: Rules, and the status of what they are about for somebody who wants it done to an image.
ASKED: Mapping[str, Callable[[Glance, str, Mapping[str, str]], int]] = {
    "get_image": lambda glance, image_id, headers: glance.request("GET", f"/v2/images/{image_id}", headers).status,
    "download_image": lambda glance, image_id, headers: glance.request("GET", f"/v2/images/{image_id}/file", headers).status,
    "modify_image": lambda glance, image_id, headers: change(glance, image_id, headers, "name", "x"),
    "publicize_image": lambda glance, image_id, headers: change(glance, image_id, headers, "visibility", "public"),
    "delete_image": lambda glance, image_id, headers: glance.request("DELETE", f"/v2/images/{image_id}", headers).status,
}
VIEWERS = [(roles, project) for project in (OWNER, "db") for roles in ("manager", "member", "reader", "auditor")]


@pytest.fixture
def umask() -> Iterator[None]:
    """glance-manage, which runs in this process here, changes it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_policy_check_then_says_of_every_role_what_the_service_does(glance: Glance, umask: None, capsys: pytest.CaptureFixture[str]) -> None:
    (glance.directory / "policy.yaml").write_text('"download_image": "role:reader and not \'secret\':%(classification)s"\n')
    glance.restart()
    target = ["--target", f"owner={OWNER}", "--target", "visibility=community", "--target", "classification=open"]
    says, does = {}, {}
    for rule, ask in ASKED.items():
        for roles, project in VIEWERS:
            image_id = create(glance, visibility="community", classification="open")
            words = ["policy", "check", rule, "--config-file", str(glance.conf("api")), "--user", "u", "--project", project, "--roles", roles]
            says[rule, roles, project] = manage.main([*words, *target]) == 0
            does[rule, roles, project] = ask(glance, image_id, who(roles, project)) < 400

    assert does == says
    assert set(says.values()) == {True, False}
    assert f"rule download_image ({glance.directory}/policy.yaml)" in capsys.readouterr().out
