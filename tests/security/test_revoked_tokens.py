"""Until when a token counts, and for whom: S21."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from keystoneauth1.exceptions import Unauthorized

from glance.identity import issuing
from glance.testing.servers import wait_until
from glance.testing.wire import Answer
from tests.functional.memcached import Memcached
from tests.keystone_server import KeystoneServer
from tests.security.matrix import ANON, Case

#: Where tokens of keystone are remembered, and for how many seconds at most: where a test waits for the end of that, and elsewhere.
CACHES = ("the process", "memcached")
BRIEFLY, LONG = 2, 300


class TokenFile:
    """Tokens for members of A's project in the file of the flavor tokens, which operators may also write themselves."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._path = case.glance.directory / "tokens.json"
        self._ids: dict[str, str] = {}

    def new(self) -> str:
        return self.add(secrets.token_hex(32))

    def ending(self, end: datetime) -> str:
        """A token that counts until then."""
        return self.add(secrets.token_hex(32), expires_at=end.isoformat())

    def revoke(self, token: str) -> None:
        issuing.revoke(self._path, [self._ids[token]])

    def add(self, token: str, who: str = "A", **more: str) -> str:
        self._ids[token] = secrets.token_hex(4)
        entry = {"id": self._ids[token], "sha256": hashlib.sha256(token.encode()).hexdigest(), "user": "somebody", "project": self._case.project(who)}
        document = json.loads(self._path.read_text())
        document["tokens"].append({**entry, "roles": ["member"], "created_at": datetime.now(UTC).isoformat(), **more})
        written = self._path.with_suffix(".new")
        written.touch(0o640)
        written.write_text(json.dumps(document))
        os.replace(written, self._path)
        return token


class Keystone:
    """Tokens for members of a project in keystone."""

    def __init__(self, server: KeystoneServer) -> None:
        self.server = server
        self.user = server.user("member")

    def new(self) -> str:
        return self.server.token(self.user)

    def ending(self, end: datetime) -> str:
        """A token that counts until then, or one that never did where keystone needs longer to make it."""
        credential = self.server.application_credential(self.user, expires_at=end.strftime("%Y-%m-%dT%H:%M:%S.%f"))
        try:
            return self.server.token_of_credential(credential)
        except Unauthorized:
            return "too-late"

    def revoke(self, token: str) -> None:
        self.server.revoke(token)


@pytest.fixture
def issuer(case: Case, request: pytest.FixtureRequest) -> TokenFile | Keystone | None:
    """Whoever issues the tokens of a place; None where they mean nothing."""
    if case.flavor == "tokens":
        return TokenFile(case)
    return Keystone(request.getfixturevalue("keystone_server")) if case.flavor == "keystone" else None


@contextmanager
def remembered(case: Case, where: str, seconds: int) -> Iterator[None]:
    """While it lasts, what keystone says of a token is remembered there."""
    with ExitStack() as ended:
        options: dict[str, object] = {"token_cache_time": seconds}
        if where == "memcached":
            options["memcached_servers"] = ended.enter_context(Memcached()).address
        ended.enter_context(case.with_options({"keystone_authtoken": options}))
        yield


def ask(case: Case, token: str) -> Answer:
    return case.ask(ANON, "GET", "/v2/images?limit=1", {"X-Auth-Token": token})


def status(case: Case, token: str) -> int:
    return ask(case, token).status


def check_without_meaning(case: Case) -> None:
    """Any token, and none, is answered alike: nothing could be revoked, or end, or be taken for another."""
    tokens = ({}, {"X-Auth-Token": "revoked"}, {"X-Auth-Token": "x" * 32}, {"Authorization": "Bearer revoked"}, {"X-Service-Token": "revoked"})
    for who, expected in (("A", 200), (ANON, 200 if case.everybody_is_admin else 401)):
        identity = {name: value for name, value in case.headers(who).items() if name != "X-Auth-Token"}
        assert [case.ask(ANON, "GET", "/v2/images", {**identity, **token}).status for token in tokens] == [expected] * len(tokens)
    case.saw(f"does not apply: with 4 tokens or none A is answered 200, ANON {200 if case.everybody_is_admin else 401}")


def test_token_when_revoked_then_401_once_nobody_remembers_it(case: Case, issuer: TokenFile | Keystone | None) -> None:
    """S21, OSSN-0056 and OSSN-0062: a cache forgets."""
    if issuer is None:
        check_without_meaning(case)
    elif isinstance(issuer, TokenFile):
        token, other = issuer.new(), issuer.new()
        assert [status(case, token), status(case, other)] == [200, 200]
        issuer.revoke(token)
        assert [status(case, token), status(case, other)] == [401, 200]
        case.saw("revoked: 401 at the next request")
    else:
        for where in CACHES:
            with remembered(case, where, BRIEFLY):
                token, other = issuer.new(), issuer.new()
                assert [status(case, token), status(case, other)] == [200, 200]
                issuer.revoke(token)
                wait_until(lambda token=token: status(case, token) == 401, "a revoked token to be forgotten")
                assert [status(case, token), status(case, other)] == [401, 200]
        case.saw(f"revoked, token_cache_time {BRIEFLY} in {' and in '.join(CACHES)}: 401 after that time")


def test_project_when_disabled_then_401_once_nobody_remembers_it(case: Case, issuer: TokenFile | Keystone | None) -> None:
    """S21: who is served no more needs no revoked token."""
    if not isinstance(issuer, Keystone):
        case.saw("does not apply: projects are names here, and nobody can disable one")
        assert case.ask("A", "GET", "/v2/images").status == 200
        return
    with remembered(case, "the process", BRIEFLY):
        token = issuer.new()
        assert status(case, token) == 200
        issuer.server.disable(issuer.user.project)
        wait_until(lambda: status(case, token) == 401, "a disabled project to be forgotten")
    case.saw(f"a project disabled, token_cache_time {BRIEFLY}: 401 after that time")


def test_token_when_its_time_is_over_then_401_to_the_second(case: Case, issuer: TokenFile | Keystone | None) -> None:
    """S21: even where a cache would keep it for longer, and where nobody can be asked."""
    if issuer is None:
        check_without_meaning(case)
    elif isinstance(issuer, TokenFile):
        follow_to_the_end(case, issuer)
        case.saw("200 before the second that a token expires in, 401 from it on")
    else:
        for where in CACHES:
            with remembered(case, where, LONG):
                follow_to_the_end(case, issuer)
        case.saw(f"token_cache_time {LONG} in {' and in '.join(CACHES)}: 200 before a token expires, 401 from that second on, with keystone silent")


def follow_to_the_end(case: Case, issuer: TokenFile | Keystone) -> None:
    """No request that is sent once the time of a token is over is answered, and none before is refused."""
    token, end = token_with_an_end(case, issuer)
    with silent(issuer):
        while True:
            sent = datetime.now(UTC)
            if status(case, token) == 401:
                break
            assert sent < end
        assert datetime.now(UTC) >= end
        assert status(case, token) == 401


def token_with_an_end(case: Case, issuer: TokenFile | Keystone) -> tuple[str, datetime]:
    """A token that counts now, and the time when it no longer does."""
    for seconds in (3, 10, 60):  # a short one may end before it is used
        end = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
        token = issuer.ending(end)
        if status(case, token) == 200:
            return token, end
    raise TimeoutError("nobody makes a token within a minute")


@contextmanager
def silent(issuer: TokenFile | Keystone) -> Iterator[None]:
    """While it lasts, keystone answers nobody."""
    if isinstance(issuer, TokenFile):
        yield
        return
    issuer.server.freeze()
    try:
        yield
    finally:
        issuer.server.thaw()


def test_tokens_when_they_begin_alike_then_are_not_confused(case: Case, issuer: TokenFile | Keystone | None) -> None:
    """S21: a cache that knew no more of a token than its first 32 characters would take one for another."""
    mine = case.image("A")
    if issuer is None:
        check_without_meaning(case)
        return
    token = issuer.new() if isinstance(issuer, TokenFile) else case.place.callers["A"].token
    headers = {"X-Auth-Token": token}
    assert case.ask(ANON, "GET", mine.v2, headers).status == 200
    if isinstance(issuer, TokenFile):
        alike = issuer.add(token[:32] + secrets.token_hex(16), who="B")
        assert (case.ask(ANON, "GET", mine.v2, {"X-Auth-Token": alike}).status, status(case, alike)) == (404, 200)
    other = token[:32] + issuer.new()[32:]
    assert [status(case, one) for one in (other, token[:32], token[:63], f"{token}x", token.swapcase())] == [401] * 5
    assert case.ask(ANON, "GET", mine.v2, headers).status == 200
    case.saw("others with the first 32 characters of a token that counts: 401" + (", or whom they stand for" if case.flavor == "tokens" else ""))
