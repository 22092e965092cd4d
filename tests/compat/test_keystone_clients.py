"""python-openstackclient, python-glanceclient, openstacksdk and nova with keystone: they know its address, and find the service in its catalogue."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from tests.compat.real_clients import properties
from tests.compat.test_callers_clients import Terminal
from tests.keystone_server import PASSWORD, KeystoneServer, User, variables

DATA = os.urandom(300_000)
RAW = ("--disk-format", "raw", "--container-format", "bare")
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def alice(keystone_server: KeystoneServer) -> User:
    return keystone_server.user("member")


@pytest.fixture(scope="module")
def bob(keystone_server: KeystoneServer) -> User:
    return keystone_server.user("member")


@pytest.fixture
def terminals(keystone_glance: Glance, keystone_server: KeystoneServer, alice: User, bob: User, tmp_path: Path) -> tuple[Terminal, Terminal]:
    """Alice's and Bob's."""
    (tmp_path / "data").write_bytes(DATA)
    homes = tmp_path / "alice", tmp_path / "bob"
    for home in homes:
        home.mkdir()
    ours, theirs = (
        Terminal(home, variables(keystone_server.url, user.name, user.project_name)) for home, user in zip(homes, (alice, bob), strict=True)
    )
    return ours, theirs


def test_openstack_then_images_are_made_shared_accepted_and_read(terminals: tuple[Terminal, Terminal], bob: User, tmp_path: Path) -> None:
    ours, theirs = terminals
    image_id = ours.output(
        "openstack", "image", "create", *RAW, "--shared", "--file", str(tmp_path / "data"), "by-openstack", "-f", "value", "-c", "id"
    ).strip()
    assert image_id not in theirs.output("openstack", "image", "list")

    ours.output("openstack", "image", "add", "project", image_id, bob.project)
    theirs.output("openstack", "image", "set", "--accept", image_id)

    assert "by-openstack" in theirs.output("openstack", "image", "list", "--shared", "-f", "value", "-c", "Name")
    theirs.output("openstack", "image", "save", "--file", str(tmp_path / "copy"), image_id)
    assert (tmp_path / "copy").read_bytes() == DATA
    assert "403" in theirs.refusal("openstack", "image", "delete", image_id)


def test_glance_then_images_are_made_shared_accepted_and_read(terminals: tuple[Terminal, Terminal], bob: User, tmp_path: Path) -> None:
    ours, theirs = terminals
    image_id = properties(ours.output("glance", "image-create", *RAW, "--name", "by-glance", "--file", str(tmp_path / "data")))["id"]

    ours.output("glance", "member-create", image_id, bob.project)
    theirs.output("glance", "member-update", image_id, bob.project, "accepted")

    assert "by-glance" in theirs.output("glance", "image-list")
    theirs.output("glance", "image-download", image_id, "--file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == DATA


def test_glance_when_the_password_is_wrong_then_says_so(terminals: tuple[Terminal, Terminal]) -> None:
    wrong = Terminal(terminals[0].home, {**terminals[0].variables, "OS_PASSWORD": "wrong"})

    assert "The request you have made requires authentication" in wrong.refusal("glance", "image-list")


@pytest.mark.parametrize("version", ["1", "2"])
def test_clients_when_a_token_of_keystone_is_given_then_work_as_its_user(
    keystone_glance: Glance, keystone_server: KeystoneServer, alice: User, tmp_path: Path, version: str
) -> None:
    token = keystone_server.token(alice)
    terminal = Terminal(tmp_path, {"OS_IMAGE_URL": keystone_glance.url, "OS_AUTH_TOKEN": token, "OS_IMAGE_API_VERSION": version})

    made = properties(terminal.output("glance", "image-create", *RAW, "--name", "by-token"))

    assert made["owner"] == alice.project
    openstack = Terminal(tmp_path, {"OS_AUTH_TYPE": "v3token", "OS_AUTH_URL": keystone_server.url, "OS_TOKEN": token, "OS_PROJECT_ID": alice.project})
    assert made["id"] in openstack.output("openstack", "image", "list", "-f", "value", "-c", "ID")


def test_clients_with_an_application_credential_then_work_as_its_user(
    keystone_server: KeystoneServer, keystone_glance: Glance, alice: User, tmp_path: Path
) -> None:
    key, secret = keystone_server.application_credential(alice)
    credential = {"OS_APPLICATION_CREDENTIAL_ID": key, "OS_APPLICATION_CREDENTIAL_SECRET": secret}
    openstack = Terminal(tmp_path, {"OS_AUTH_TYPE": "v3applicationcredential", "OS_AUTH_URL": keystone_server.url, **credential})
    # This one knows no such credentials, only their tokens.
    glance = Terminal(tmp_path, {"OS_IMAGE_URL": keystone_glance.url, "OS_AUTH_TOKEN": keystone_server.token_of_credential((key, secret))})

    assert openstack.output("openstack", "image", "create", *RAW, "by-credential", "-f", "value", "-c", "owner").strip() == alice.project
    assert properties(glance.output("glance", "image-create", *RAW, "--name", "by-credential"))["owner"] == alice.project


def test_openstacksdk_with_clouds_yaml_then_images_are_made_shared_accepted_and_read(
    terminals: tuple[Terminal, Terminal], keystone_server: KeystoneServer, alice: User, bob: User, tmp_path: Path
) -> None:
    clouds = {}
    for name, user in (("alice", alice), ("bob", bob)):
        key, secret = keystone_server.application_credential(user)
        auth = {"auth_url": keystone_server.url, "application_credential_id": key, "application_credential_secret": secret}
        clouds[name] = {"auth_type": "v3applicationcredential", "auth": auth, "region_name": "RegionOne"}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))  # JSON is YAML
    terminal = Terminal(tmp_path, {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml")})

    printed = terminal.output("python", str(HERE / "keystone_script.py"), str(tmp_path / "data"), str(tmp_path / "copy"), bob.project)

    assert json.loads(printed) == {
        "created": ["active", True, True],
        "before": 404,
        "listed before": [],
        "listed after": True,
        "delete": 403,
    }
    assert (tmp_path / "copy").read_bytes() == DATA


@pytest.mark.parametrize(("ended", "alone"), [(False, "found"), (True, "ImageNotAuthorized")])
def test_nova_with_its_service_token_then_works_on_when_the_users_token_has_ended(
    keystone_glance: Glance, keystone_server: KeystoneServer, tmp_path: Path, ended: bool, alone: str
) -> None:
    user, service = keystone_server.user("member"), keystone_server.user("service")
    token = keystone_server.expired_token(user) if ended else keystone_server.token(user)
    account = {
        "auth_type": "password",
        "auth_url": keystone_server.url,
        "username": service.name,
        "password": PASSWORD.replace("$", "$$"),
        "project_name": service.project_name,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    lines = [f"{name} = {value}" for name, value in account.items()]
    (tmp_path / "nova.conf").write_text("\n".join([f"[glance]\nendpoint_override = {keystone_glance.url}\nnum_retries = 0\n[service_user]", *lines]))
    (tmp_path / "data").write_bytes(DATA)
    arguments = [str(tmp_path), token, user.id, user.project]

    saw = json.loads(Terminal(tmp_path, {}).output("python", str(HERE / "nova_keystone_script.py"), *arguments))

    assert saw == {"created": ["active", True], "listed": True, "alone": alone}
    assert (tmp_path / "copy").read_bytes() == DATA
