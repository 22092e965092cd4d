"""The flavor keystone when keystone, the way to it or the cache of tokens fails: clients are told to come back, operators why, nobody a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from glance.testing.wire import Answer
from tests.functional.memcached import Memcached
from tests.keystone_server import PASSWORD, KeystoneServer

Options = Mapping[str, Mapping[str, object]]
Fresh = Callable[..., Glance]
ALONE = {"registry_mode": "embedded", "workers": 1, "debug": True}
SENTENCE = "The identity service cannot be asked whose token this is; try again later."


@pytest.fixture(scope="module")
def token(keystone_server: KeystoneServer) -> str:
    return keystone_server.token(keystone_server.user("member"))


def start(fresh_glance: Fresh, options: Options, **more: object) -> Glance:
    return fresh_glance(flavor="keystone", services=("api",), api_options={"DEFAULT": {**ALONE, **more}, **options})


def ask(glance: Glance, token: str) -> Answer:
    return glance.request("GET", "/v2/images", {"X-Auth-Token": token, "Accept": "application/json"})


def check_unavailable(answer: Answer, log: str, cause: str, *secrets: str) -> None:
    """The client may come back, the log tells the cause, and neither holds a secret."""
    assert (answer.status, answer.header("Retry-After"), answer.json["message"].strip().endswith(SENTENCE)) == (503, "5", True), answer.text
    assert cause in log
    assert "Traceback" not in log
    for secret in (PASSWORD, *secrets):
        assert secret not in log + answer.text


def check_glance(glance: Glance, answer: Answer, cause: str, token: str) -> None:
    """The same for a service, with all that others on the machine may see of it; and it lives."""
    log = (glance.directory / "log/api.log").read_text()
    processes = "".join(Path(f"/proc/{pid}/{name}").read_text() for pid in glance.pids() for name in ("cmdline", "environ"))
    check_unavailable(answer, log + processes, cause, token, glance.registry_secret)
    assert glance.request("GET", "/healthcheck").status == 200


def test_keystone_when_it_is_down_then_503_until_it_is_back(fresh_glance: Fresh, keystone_server: KeystoneServer, token: str) -> None:
    glance = start(fresh_glance, keystone_server.options(http_request_max_retries=0))
    assert ask(glance, token).status == 200

    keystone_server.stop()
    try:
        check_glance(glance, ask(glance, token), "Unable to establish connection", token)
        nothing_to_ask = [{}, {"X-Auth-Token": ""}, {"X-Auth-Token": "a b"}, {"X-Auth-Token": "\u00e9"}, {"X-Auth-Token": "x" * 2049}]
        assert [glance.request("GET", "/v2/images", headers).status for headers in nothing_to_ask] == [401] * 5
    finally:
        keystone_server.start()

    assert ask(glance, token).status == 200


def test_keystone_when_it_is_down_then_nobody_becomes_anonymous(fresh_glance: Fresh, keystone_server: KeystoneServer, token: str) -> None:
    options = keystone_server.options(http_request_max_retries=0, delay_auth_decision=True)
    glance = start(fresh_glance, options, allow_anonymous_access=True)

    def create(**headers: str) -> int:
        return glance.request("POST", "/v2/images", {"Content-Type": "application/json", **headers}, b"{}").status

    assert (ask(glance, token).status, glance.request("GET", "/v2/images").status, ask(glance, "none").status) == (200, 200, 200)
    assert (create(), create(**{"X-Auth-Token": token})) == (403, 201)

    keystone_server.stop()
    try:
        check_glance(glance, ask(glance, token), "Unable to establish connection", token)
    finally:
        keystone_server.start()


@pytest.mark.parametrize("protection", ["None", "ENCRYPT"])
def test_cache_then_a_token_is_checked_once_until_it_is_forgotten(fresh_glance: Fresh, keystone_server: KeystoneServer, protection: str) -> None:
    token = keystone_server.token(keystone_server.user("member"))
    with Memcached() as memcached:
        cached = {"memcached_servers": memcached.address, "token_cache_time": 3600, "memcache_security_strategy": protection}
        glance = start(fresh_glance, keystone_server.options(**cached, memcache_secret_key="memcache-secret"), workers=2)
        assert ask(glance, token).status == 200
        assert memcached.count() == 1

        keystone_server.revoke(token)
        assert {ask(glance, token).status for _ in range(10)} == {200}  # by either worker process
        memcached.ask("flush_all")

        assert ask(glance, token).status == 401
    assert ask(glance, token).status == 401  # the cache is gone
    assert ask(glance, keystone_server.token(keystone_server.user("member"))).status == 200  # and nobody needs it
    assert "memcache-secret" not in (glance.directory / "log/api.log").read_text()
