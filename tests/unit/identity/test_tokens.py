"""The file of tokens: whom it knows, when that changes, and what it must not be."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from glance import errors
from glance.context import Identity
from glance.identity import issuing
from glance.identity.tokens import TokenFile, digest

START = datetime(2030, 1, 1, tzinfo=UTC)
ENTRY = {"id": "one", "sha256": digest("secret"), "user": "u", "project": "p", "roles": ["member"], "created_at": "2030-01-01T00:00:00Z"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    """Puts another file in its place, as a careful operator does."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(mode)
    return new.rename(path)


def document(**changes: Any) -> str:
    return json.dumps({"tokens": [{**ENTRY, **changes}]})


def test_find_when_a_token_was_created_then_its_user_project_and_roles_with_those_they_include(path: Path) -> None:
    secret, token = issuing.create(path, "Alice", "web", ["Manager", "auditor"])

    found = TokenFile(path).find(secret)

    assert found == Identity("Alice", "web", ("manager", "auditor", "member", "reader"))
    assert len(bytes.fromhex(secret)) == 32
    assert secret not in path.read_text()
    assert token.sha256 in path.read_text()


@pytest.mark.parametrize("presented", ["", " ", "secret ", "Secret", digest("secret"), "secret,secret", "s" * 8000, "\xe9\x00\xff", "one"])
def test_find_when_the_token_is_not_one_of_the_file_then_nobody(path: Path, presented: str) -> None:
    tokens = TokenFile(write(path, document()))

    assert tokens.find(presented) is None
    assert tokens.find("secret") is not None


def test_find_when_the_file_changes_then_the_next_call_knows(path: Path) -> None:
    tokens = TokenFile(path)
    first, token = issuing.create(path, "u", "p", ["member"])
    second, _ = issuing.create(path, "u", "p", ["admin"])
    assert [tokens.find(one) is None for one in (first, second)] == [False, False]

    issuing.revoke(path, [token.id])
    assert [tokens.find(one) is None for one in (first, second)] == [True, False]

    path.unlink()
    assert tokens.find(second) is None


def test_find_when_the_token_expires_then_not_a_moment_longer(path: Path) -> None:
    time = [START]
    tokens = TokenFile(write(path, document(expires_at="2030-01-01T02:00:00+01:00")), clock=lambda: time[0])

    time[0] = START + timedelta(hours=1) - timedelta(microseconds=1)
    assert tokens.find("secret") is not None
    time[0] = START + timedelta(hours=1)
    assert tokens.find("secret") is None


def test_find_when_the_file_cannot_be_used_any_more_then_what_it_said_before_stays(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tokens = TokenFile(write(path, document()))

    for text, mode in (("", 0o600), ("{", 0o600), (document(), 0o666)):
        write(path, text, mode)
        assert tokens.find("secret") is not None
        assert tokens.find("other") is None

    assert [record.levelname for record in caplog.records if "What was read before stays." in record.message] == ["ERROR"] * 3


def test_find_when_the_file_is_made_private_again_then_it_counts(path: Path) -> None:
    tokens = TokenFile(path)
    write(path, document(), 0o644)
    assert tokens.find("secret") is None

    path.chmod(0o640)

    assert tokens.find("secret") is not None


BROKEN: dict[str, str] = {
    "empty": "",
    "no JSON": "tokens",
    "deep": "[" * 100_000,
    "list": "[]",
    "number": '{"tokens": 5}',
    "text": '{"tokens": "ab"}',
    "entry of another kind": '{"tokens": [[]]}',
    "token instead of its digest": document(sha256="secret"),
    "digest of another length": document(sha256="ab"),
    "no user": document(user=""),
    "user of two lines": document(user="a\nb"),
    "project null": document(project=None),
    "roles as text": document(roles="admin"),
    "two roles in one": document(roles=["member,admin"]),
    "role is a number": document(roles=[1]),
    "no time": document(expires_at="soon"),
    "time without zone": document(expires_at="2030-01-01T00:00:00"),
    "time is a number": document(expires_at=1),
    "description that moves the cursor": document(description="\x1b[2J"),
    "member that means nothing": document(expires="2030-01-01T00:00:00Z"),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_file_when_it_is_wrong_then_refused_and_nothing_of_it_is_shown(path: Path, text: str) -> None:
    write(path, text)

    for use in (lambda: TokenFile(path), lambda: issuing.listed(path), lambda: issuing.create(path, "u", "p", [])):
        with pytest.raises(errors.ConfigurationError, match=r"tokens\.json cannot be used: it") as raised:
            use()
        assert "secret" not in raised.value.message
    assert path.read_text() == text


@pytest.mark.parametrize(("mode", "accepted"), [(0o600, True), (0o640, True), (0o400, True), (0o660, False), (0o644, False), (0o602, False)])
def test_file_when_others_can_open_it_then_refused(path: Path, mode: int, accepted: bool) -> None:
    write(path, document(), mode)

    if accepted:
        assert TokenFile(path).find("secret")
        return
    with pytest.raises(errors.ConfigurationUnsafe, match="run: chmod 640 ") as raised:
        TokenFile(path)
    assert raised.value.exit_status == os.EX_CONFIG


def test_file_when_it_is_a_pipe_then_refused_at_once_and_what_was_read_before_stays(path: Path) -> None:
    tokens = TokenFile(write(path, document()))
    path.unlink()
    os.mkfifo(path, 0o600)

    assert tokens.find("secret") is not None
    with pytest.raises(errors.ConfigurationError, match=r"tokens\.json cannot be used: it is no regular file"):
        TokenFile(path)


def test_create_when_there_is_no_file_then_one_for_its_owner_alone(path: Path) -> None:
    issuing.create(path, "u", "p", ["member"])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["tokens.json"]


def test_create_when_there_is_a_file_then_mode_and_entries_stay_and_links_are_followed(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere" / "real.json"
    real.parent.mkdir()
    write(real, document(), 0o640)
    path.symlink_to(real)

    issuing.create(path, "v", "q", ["reader"], timedelta(days=1), "für Tests")

    assert path.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    old, new = issuing.listed(path)
    assert (old.id, new.user, new.roles, new.description) == ("one", "v", ("reader",), "für Tests")
    assert new.expires_at == new.created_at + timedelta(days=1)


@pytest.mark.parametrize("names", [("", "p", ["r"]), ("u", "p\r\nX: y", ["r"]), ("u", " p", ["r"]), ("u", "p", ["a,b"]), ("u" * 256, "p", ["r"])])
def test_create_when_a_name_cannot_travel_in_a_header_then_refused_and_nothing_written(path: Path, names: tuple[str, str, list[str]]) -> None:
    with pytest.raises(errors.ConfigurationError, match="No token can be made"):
        issuing.create(path, *names)
    assert not path.exists()


def test_revoke_when_one_of_the_ids_is_unknown_then_none_is_revoked(path: Path) -> None:
    write(path, document())

    with pytest.raises(errors.ConfigurationError, match="There is no token other"):
        issuing.revoke(path, ["one", "other"])

    assert [token.id for token in issuing.listed(path)] == ["one"]


def at_once(actions: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_create_when_many_do_it_at_once_then_no_token_is_lost(path: Path) -> None:
    made: list[str] = []
    at_once([lambda: made.append(issuing.create(path, "u", "p", ["member"])[0])] * 8)

    tokens = TokenFile(path)

    assert len(set(made)) == 8
    assert all(tokens.find(secret) for secret in made)
