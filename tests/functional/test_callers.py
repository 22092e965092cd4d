"""Callers that the service knows by itself, against real processes: what counts while they run, attacks, and who reaches a service that asks
nobody."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glance.testing.servers import Glance, program, wait_until
from glance.testing.wire import request_bytes

EMBEDDED = {"DEFAULT": {"registry_mode": "embedded", "workers": "0"}}
SECRET = "correct horse"


def new_token(glance: Glance, user: str, project: str, *options: str) -> str:
    return glance.manage("token", "create", "--user", user, "--project", project, *options).strip()


def token_ids(glance: Glance) -> dict[str, str]:
    """Ids by user, as the list shows them."""
    return {user: token_id for token_id, user, *_ in map(str.split, glance.manage("token", "list").splitlines()[1:])}


def status(glance: Glance, token: str | None, path: str = "/v2/images") -> int:
    return glance.request("GET", path, {"X-Auth-Token": token} if token else {}).status


def write_users(glance: Glance, password: str = SECRET, users: str = "alice:web:member\n") -> None:
    """The files of http_basic, written by htpasswd itself."""
    htpasswd = ["htpasswd", "-i", "-c", "-B", "-C", "4", str(glance.directory / "htpasswd"), "alice"]
    subprocess.run(htpasswd, input=password, text=True, capture_output=True, timeout=60, check=True, umask=0o027)
    path = glance.directory / "users"
    path.touch(0o640)
    path.write_text(users)


@pytest.fixture(scope="module")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    """A service of several worker processes with the flavor tokens, under glance-control, and a registry of its own."""
    with Glance(tmp_path_factory.mktemp("tokens"), flavor="tokens", control=True, api_options={"DEFAULT": {"workers": "2"}}) as running:
        yield running


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Glance]]:
    """Starts an API of one process; ``prepare`` gets it before."""
    made: list[Glance] = []

    def start(flavor: str, prepare: Callable[[Glance], object] = lambda glance: None) -> Glance:
        glance = Glance(tmp_path / f"{flavor or 'none'}-{len(made)}", flavor=flavor, services=("api",), api_options=EMBEDDED)
        made.append(glance)
        prepare(glance)
        glance.start()
        return glance

    yield start
    for glance in made:
        glance.kill()


def test_token_when_created_and_revoked_meanwhile_then_counts_at_once_in_every_process(glance: Glance) -> None:
    alice, bob = new_token(glance, "alice", "web"), new_token(glance, "bob", "db", "--role", "reader")
    assert [status(glance, token) for token in (alice, bob) * 8] == [200] * 16

    glance.manage("token", "revoke", token_ids(glance)["alice"])

    assert [status(glance, token) for token in (alice, bob) * 8] == [401, 200] * 8
    assert status(glance, None) == 401


def test_token_when_a_member_uses_it_then_the_registry_knows_whose_image_it_is(glance: Glance) -> None:
    member, other, admin = (new_token(glance, *names) for names in (("m", "web"), ("o", "db"), ("a", "ops", "--role", "admin")))
    created = glance.request("POST", "/v2/images", {"X-Auth-Token": member, "Content-Type": "application/json"}, b"{}")
    path = f"/v2/images/{created.json['id']}"

    assert (created.status, created.json["owner"]) == (201, "web")
    assert [status(glance, token, path) for token in (member, other, admin)] == [200, 404, 200]


def test_token_when_its_file_is_replaced_by_a_broken_one_then_the_tokens_before_stay_good(start: Callable[..., Glance]) -> None:
    glance = start("tokens")
    token = new_token(glance, "u", "p")
    path = glance.directory / "tokens.json"
    assert status(glance, token) == 200

    path.write_text("{")
    assert status(glance, token) == 200
    assert "tokens.json cannot be used" in (glance.directory / "log" / "api.log").read_text()
    path.unlink()
    assert status(glance, token) == 401


def test_tokens_then_are_in_no_log_and_no_file(glance: Glance) -> None:
    token = new_token(glance, "secretive", "web")
    assert status(glance, token) == 200
    assert status(glance, f"{token}x") == 401

    files = [path for path in glance.directory.rglob("*") if path.is_file()]
    assert [path.name for path in files if token.encode() in path.read_bytes()] == []


@pytest.fixture(scope="module")
def root_token(glance: Glance) -> str:
    return new_token(glance, "root", "ops", "--role", "admin")


ATTACKS = {
    "two lines": (["X-Auth-Token: {}", "X-Auth-Token: {}"], 401),
    "a wrong one and the right one": (["X-Auth-Token: wrong", "X-Auth-Token: {}"], 401),
    "two Authorization lines": (["Authorization: Bearer {}", "Authorization: Bearer {}"], 401),
    "underscores": (["X_Auth_Token: {}"], 401),
    "space before the colon": (["X-Auth-Token : {}"], 400),
    "folded": (["X-Auth-Token: {}\r\n x"], 400),
    "null byte": (["X-Auth-Token: {}\0"], 400),
    "raw bytes": ([b"X-Auth-Token: \xff\xfe\x80"], 401),
    "too long": (["X-Auth-Token: " + "a" * 10_000], 431),
    "empty": (["X-Auth-Token:"], 401),
    "in the query": ([], 401),
    "forged identity": (["X-Identity-Status: Confirmed", "X-Roles: admin", "X-Tenant-Id: ops", "X-User-Id: root"], 401),
    "forged identity of 2011": (["X-Authorization: Proxy root", "X-Role: Admin", "X-User: root", "X-Tenant: ops"], 401),
    "forged with underscores": (["X_IDENTITY_STATUS: Confirmed", "X_ROLES: admin"], 401),
    "forged with a space": (["X-Identity-Status: Confirmed", "X-Roles : admin"], 400),
}


@pytest.mark.parametrize(("lines", "expected"), ATTACKS.values(), ids=ATTACKS)
def test_attack_on_tokens_then_refused_and_alive(glance: Glance, root_token: str, lines: list[str | bytes], expected: int) -> None:
    headers = [line if isinstance(line, bytes) else line.format(root_token) for line in lines]

    [answer] = glance.raw_answers(request_bytes(f"GET /v2/images?token={root_token} HTTP/1.1", *headers), timeout=30)

    assert answer.status == expected, answer.text
    assert (answer.header("WWW-Authenticate") == 'Bearer realm="glance"') == (expected == 401)
    assert root_token not in answer.text
    assert status(glance, root_token) == 200


def test_passwords_when_they_change_while_the_service_runs_then_count_at_once(start: Callable[..., Glance]) -> None:
    glance = start("http_basic", write_users)

    def asked(password: str) -> int:
        credentials = b64encode(f"alice:{password}".encode()).decode()
        return glance.request("GET", "/v1/images", {"Authorization": f"Basic {credentials}"}).status

    assert [asked(password) for password in (SECRET, "wrong", SECRET)] == [200, 401, 200]
    write_users(glance, "battery staple")
    assert [asked(password) for password in (SECRET, "battery staple")] == [401, 200]
    write_users(glance, "battery staple", "bob:web:admin\n")
    assert asked("battery staple") == 401
    assert SECRET not in "".join(path.read_text() for path in (glance.directory / "log").iterdir())


def test_api_when_others_can_write_who_may_call_then_it_does_not_start(tmp_path: Path) -> None:
    glance = Glance(tmp_path / "site", flavor="http_basic", services=("api",), api_options=EMBEDDED)
    path = glance.directory / "users"
    path.touch()
    path.chmod(0o666)

    done = subprocess.run([program("glance-api"), glance.conf("api")], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == os.EX_CONFIG
    assert f"{path} says who may call, and others may read or write it; run: chmod 640 {path}" in done.stderr


# Who reaches it


def without_address(glance: Glance) -> None:
    """Takes bind_host out of the configuration that setup has written."""
    conf = glance.conf("api")
    conf.write_text(re.sub(r"^bind_host = .*\n", "", conf.read_text(), flags=re.MULTILINE))


def answers_at(glance: Glance, host: str) -> bool:
    try:
        socket.create_connection((host, glance.api_port), timeout=30).close()
    except ConnectionRefusedError:
        return False
    return True


def test_api_when_it_asks_nobody_and_has_no_address_then_only_this_machine_reaches_it(start: Callable[..., Glance]) -> None:
    glance = start("", without_address)

    assert (status(glance, None), answers_at(glance, "127.0.0.2")) == (200, False)
    assert "bind_host is not set: only this machine reaches port" in (glance.directory / "log" / "api.log").read_text()


def test_api_when_it_asks_nobody_and_an_address_is_given_then_warns_and_serves_there(start: Callable[..., Glance]) -> None:
    glance = start("", lambda glance: glance.add_options("api", {"DEFAULT": {"bind_host": "0.0.0.0"}}))

    assert answers_at(glance, "127.0.0.2")
    assert "of 0.0.0.0 is the administrator." in (glance.directory / "log" / "api.log").read_text()


def test_api_when_it_believes_headers_and_others_reach_it_then_warns(start: Callable[..., Glance]) -> None:
    glance = start("trusted-auth", lambda glance: glance.add_options("api", {"DEFAULT": {"bind_host": "0.0.0.0"}}))

    assert "of 0.0.0.0 is whom the headers say: see that only the proxy does." in (glance.directory / "log" / "api.log").read_text()


def test_api_when_it_asks_who_calls_and_has_no_address_then_everybody_reaches_it_and_no_reload_lets_them_in(start: Callable[..., Glance]) -> None:
    glance = start("tokens", without_address)
    log = glance.directory / "log" / "api.log"
    assert (status(glance, None), answers_at(glance, "127.0.0.2")) == (401, True)

    glance.add_options("api", {"paste_deploy": {"flavor": ""}})
    os.kill(glance.pid("api"), signal.SIGHUP)

    wait_until(lambda: "The configuration was not reloaded: Another address" in log.read_text(), "the refusal to be logged")
    assert status(glance, None) == 401
