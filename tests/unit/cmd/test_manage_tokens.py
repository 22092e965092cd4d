"""glance-manage token: what it prints, and what it says of command lines that mean nothing."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

import pytest

from glance.identity import issuing
from glance.identity.tokens import TokenFile
from tests.unit.cmd.conftest import Manage


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """The file of tokens of the configuration that is found."""
    conf = tmp_path / "glance-api.conf"
    conf.touch(0o640)
    conf.write_text("[tokens]\nfile = own.json\n")
    return tmp_path / "own.json"


def test_create_then_prints_the_token_alone_and_the_rest_where_errors_go(run: Manage, tokens: Path) -> None:
    status, output, errors = run("token", "create", "--user", "alice", "--project", "web", "--role", "reader", "--role", "auditor")

    assert (status, len(output), output[-1]) == (0, 65, "\n")
    found = TokenFile(tokens).find(output.strip())
    assert found
    assert (found.user, found.project, found.roles) == ("alice", "web", ("reader", "auditor"))
    [token] = issuing.listed(tokens)
    assert errors == f"Token {token.id} stands for alice in project web. It is not shown again.\n"


def test_create_when_no_role_is_named_then_a_member(run: Manage, tokens: Path) -> None:
    run("-v", "token", "create", "--user", "alice", "--project", "web", "--config-file", "glance-api.conf")

    assert [token.roles for token in issuing.listed(tokens)] == [("member",)]


def test_list_then_shows_every_token_and_no_secret(run: Manage, tokens: Path) -> None:
    assert run("token", "list")[:2] == (0, "ID  USER  PROJECT  ROLES  EXPIRES  DESCRIPTION\n")
    secret, never = issuing.create(tokens, "alice", "web", ["member"], description="für CI")
    _, expired = issuing.create(tokens, "bob", "db", ["reader", "auditor"], timedelta(days=-1))

    status, output, _ = run("token", "list")

    head, first, second = output.splitlines()
    assert (status, head.split()) == (0, ["ID", "USER", "PROJECT", "ROLES", "EXPIRES", "DESCRIPTION"])
    assert first.split() == [never.id, "alice", "web", "member", "never", "für", "CI"]
    assert expired.expires_at
    ends = expired.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert second.split() == [expired.id, "bob", "db", "reader,auditor", ends, "(expired)"]
    assert secret not in output
    assert never.sha256 not in output


def test_revoke_then_ends_the_tokens_named(run: Manage, tokens: Path) -> None:
    ids = [issuing.create(tokens, user, "p", ["member"])[1].id for user in "abc"]

    assert run("token", "revoke", ids[0], ids[2]) == (0, "", "")
    assert [token.id for token in issuing.listed(tokens)] == [ids[1]]
    assert run("token", "revoke", ids[0]) == (1, "", f"ERROR: There is no token {ids[0]}.\n")


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ([], 2, "ACTION"),
        (["destroy"], 2, "invalid choice"),
        (["create"], 2, "--user, --project"),
        (["create", "--user", "u", "--project", "p", "--days", "0"], 2, "a whole number of days is needed, from 1 to 36500"),
        (["create", "--user", "u", "--project", "p", "--days", "9" * 30], 2, "a whole number of days is needed"),
        (["create", "--user", "u", "--project", "p", "--days", "soon"], 2, "a whole number of days is needed"),
        (["create", "--user", "a\nb", "--project", "p"], 1, "ERROR: No token can be made: the name of a user has 1 to 255 printable characters"),
        (["create", "--user", "u", "--project", ""], 1, "ERROR: No token can be made: the name of a project has 1 to 255"),
        (["create", "--user", "u", "--project", "p", "--role", ""], 1, "ERROR: No token can be made: the name of a role has 1 to 255"),
        (["create", "--user", "u", "--project", "p", "--description", "\x1b"], 1, "ERROR: No token can be made: a description is one line"),
        (["revoke"], 2, "ID"),
        (["list", "--config-file", "absent.conf"], 1, "absent.conf"),
    ],
)
def test_words_when_they_are_wrong_then_says_which_are_right_and_makes_no_file(
    run: Manage, tokens: Path, words: list[str], status: int, text: str
) -> None:
    found, output, errors = run("token", *words)

    assert (found, output) == (status, "")
    assert text in errors
    assert not tokens.exists()


def test_token_when_there_is_no_configuration_then_says_so_but_helps(run: Manage) -> None:
    assert run("token", "list")[0::2] == (
        1,
        "ERROR: Unable to locate any configuration file; name that of glance-api with --config-file.\n",
    )
    status, output, _ = run("token", "create", "--help")
    assert status == 0
    assert "--project" in output
    assert "token create|list|revoke" in run("--help")[1]
