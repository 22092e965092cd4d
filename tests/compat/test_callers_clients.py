"""python-glanceclient, python-openstackclient and the client class of 2011 as users without an identity service: with tokens, and with passwords."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from glance.client import Client
from glance.common import exception
from glance.testing.servers import Glance
from tests.compat.real_clients import PROGRAMS, properties, run

DATA = b"data of an image"
PASSWORD = "pä:ss"
RAW = ("--disk-format", "raw", "--container-format", "bare")
SERVICE = {"DEFAULT": {"registry_mode": "embedded", "workers": "0"}}


@dataclass(frozen=True)
class Terminal:
    """Where a user types; ``variables`` are those of the environment that say who it is."""

    home: Path
    variables: Mapping[str, str]

    def output(self, program: str, *words: str) -> str:
        done = run(self.home, [str(PROGRAMS / program), *words], self.variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refusal(self, program: str, *words: str) -> str:
        done = run(self.home, [str(PROGRAMS / program), *words], self.variables)
        assert done.returncode != 0, done.stdout
        return done.stderr


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Glance]]:
    made: list[Glance] = []

    def start(flavor: str) -> Glance:
        made.append(Glance(tmp_path_factory.mktemp(flavor), flavor=flavor, services=("api",), api_options=SERVICE))
        made[-1].start()
        return made[-1]

    yield start
    for glance in made:
        glance.kill()


@pytest.fixture(scope="module")
def with_tokens(start: Callable[[str], Glance]) -> Glance:
    return start("tokens")


@pytest.fixture(scope="module")
def with_passwords(start: Callable[[str], Glance]) -> Glance:
    glance = start("http_basic")
    command = ["htpasswd", "-i", "-c", "-B", "-C", "4", str(glance.directory / "htpasswd"), "alice"]
    subprocess.run(command, input=PASSWORD, text=True, capture_output=True, timeout=60, check=True, umask=0o027)
    users = glance.directory / "users"
    users.touch(0o640)
    users.write_text("alice:web:member\n")
    return glance


@pytest.fixture(scope="module")
def token(with_tokens: Glance) -> str:
    return with_tokens.manage("token", "create", "--user", "alice", "--project", "web").strip()


def openstack_with(auth_type: str, url: str, **variables: str) -> dict[str, str]:
    return {"OS_AUTH_TYPE": auth_type, "OS_ENDPOINT": f"{url}/v2", **variables}


def check_openstack(terminal: Terminal) -> None:
    """Makes an image of data, and reads it again, as a member of project web."""
    source, copy = terminal.home / "source", terminal.home / "copy"
    source.write_bytes(DATA)
    image_id = terminal.output("openstack", "image", "create", *RAW, "--file", str(source), "one", "-f", "value", "-c", "id").strip()

    terminal.output("openstack", "image", "save", "--file", str(copy), image_id)
    shown = terminal.output("openstack", "image", "show", image_id, "-f", "value", "-c", "owner", "-c", "status")

    assert copy.read_bytes() == DATA
    assert shown.split() == ["web", "active"]
    assert "403" in terminal.refusal("openstack", "image", "set", "--public", image_id)


def check_glance(terminal: Terminal) -> None:
    source, copy = terminal.home / "source", terminal.home / "copy"
    source.write_bytes(DATA)
    shown = properties(terminal.output("glance", "image-create", *RAW, "--name", "two", "--file", str(source)))

    terminal.output("glance", "image-download", shown["id"], "--file", str(copy))

    assert copy.read_bytes() == DATA
    assert (shown["owner"], shown["status"]) == ("web", "active")
    assert "403" in terminal.refusal("glance", "image-update", shown["id"], "--visibility", "public")


def test_openstack_when_a_token_is_given_then_works_as_its_user(with_tokens: Glance, token: str, tmp_path: Path) -> None:
    check_openstack(Terminal(tmp_path, openstack_with("admin_token", with_tokens.url, OS_TOKEN=token)))


def test_glance_when_a_token_is_given_then_works_as_its_user(with_tokens: Glance, token: str, tmp_path: Path) -> None:
    check_glance(Terminal(tmp_path, {"OS_IMAGE_URL": with_tokens.url, "OS_AUTH_TOKEN": token}))


def test_glance_version_1_when_a_token_is_given_then_works_as_its_user(with_tokens: Glance, token: str, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, {"OS_IMAGE_URL": with_tokens.url, "OS_AUTH_TOKEN": token, "OS_IMAGE_API_VERSION": "1"})

    assert properties(terminal.output("glance", "image-create", *RAW, "--name", "three"))["owner"] == "web"


def test_clients_when_the_token_is_wrong_then_refused(with_tokens: Glance, tmp_path: Path) -> None:
    openstack = Terminal(tmp_path, openstack_with("admin_token", with_tokens.url, OS_TOKEN="wrong"))
    glance = Terminal(tmp_path, {"OS_IMAGE_URL": with_tokens.url, "OS_AUTH_TOKEN": "wrong"})

    assert "401" in openstack.refusal("openstack", "image", "list")
    assert "Invalid OpenStack Identity credentials" in glance.refusal("glance", "image-list")


def test_openstack_when_a_password_is_given_then_works_as_its_user(with_passwords: Glance, tmp_path: Path) -> None:
    check_openstack(Terminal(tmp_path, openstack_with("http_basic", with_passwords.url, OS_USERNAME="alice", OS_PASSWORD=PASSWORD)))


def test_openstack_when_clouds_yaml_has_the_password_then_works_as_its_user(with_passwords: Glance, tmp_path: Path) -> None:
    place = tmp_path / ".config" / "openstack" / "clouds.yaml"
    place.parent.mkdir(parents=True)
    auth = f"{{endpoint: '{with_passwords.url}/v2', username: alice, password: '{PASSWORD}'}}"
    place.write_text(f"clouds: {{images: {{auth_type: http_basic, auth: {auth}}}}}\n")

    check_openstack(Terminal(tmp_path, {"OS_CLOUD": "images"}))


def test_glance_when_netrc_has_the_password_then_works_as_its_user(with_passwords: Glance, tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.touch(0o600)
    netrc.write_text(f"machine 127.0.0.1 login alice password {PASSWORD}\n")

    check_glance(Terminal(tmp_path, {"OS_IMAGE_URL": with_passwords.url, "OS_AUTH_TOKEN": "none"}))


def test_clients_when_the_password_is_wrong_then_refused(with_passwords: Glance, tmp_path: Path) -> None:
    openstack = Terminal(tmp_path, openstack_with("http_basic", with_passwords.url, OS_USERNAME="alice", OS_PASSWORD="wrong"))
    glance = Terminal(tmp_path, {"OS_IMAGE_URL": with_passwords.url, "OS_AUTH_TOKEN": "none"})

    assert "401" in openstack.refusal("openstack", "image", "list")
    assert "Invalid OpenStack Identity credentials" in glance.refusal("glance", "image-list")


def test_client_of_2011_when_a_token_is_given_then_works_as_its_user(with_tokens: Glance, token: str) -> None:
    client = Client("127.0.0.1", with_tokens.api_port, auth_tok=token)

    image = client.add_image({"name": "four", "disk_format": "raw", "container_format": "bare"}, DATA)

    assert image["owner"] == "web"
    with pytest.raises(exception.NotAuthenticated):
        Client("127.0.0.1", with_tokens.api_port, auth_tok="wrong").get_images()
