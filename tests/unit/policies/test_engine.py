"""Rules of operators."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.policies.engine import PolicyEngine
from glance.policies.rules import RULES

MEMBER = RequestContext(user="u", project="p", roles=("member", "reader"))
READER = RequestContext(user="r", project="p", roles=("reader",))
NOBODY = RequestContext(read_only=True)
NOVA = RequestContext(user="nova", project="service", roles=("service",))
ADMIN = RequestContext(user="a", project="ap", roles=("admin",), is_admin=True)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def pass_two_looks(policy: PolicyEngine, clock: Clock) -> None:
    """A change of the files counts after this."""
    for _ in range(2):
        clock.now += 1
        policy.allows("default", ADMIN, {})


def engine(tmp_path: Path, text: str, **options: object) -> PolicyEngine:
    path = tmp_path / "policy.json"
    path.write_text(text)
    return PolicyEngine(path, **options)


OWN = {"owner": "p", "visibility": "private", "member_id": ""}
PUBLIC = {"owner": "other", "visibility": "public", "member_id": ""}
SHARED = {"owner": "other", "visibility": "shared", "member_id": "p"}
UNOWNED = {"owner": None, "visibility": "private", "member_id": ""}
PRIVATE = {"owner": "other", "visibility": "private", "member_id": ""}
CHANGES = (
    "add_image modify_image delete_image upload_image communitize_image set_image_location copy_from add_member delete_member deactivate reactivate"
)
READS = "get_image get_images get_image_location get_members get_member"
DOWNLOADS = "download_image download_from_store"
SERVICES = "service_api fetch_image_location stores_info_detail"
OF_ALL = {"default"}


@pytest.mark.parametrize(
    ("ctx", "target", "names"),
    [
        (MEMBER, OWN, f"{CHANGES} {READS} {DOWNLOADS} add_image_location"),
        (MEMBER, PUBLIC, f"get_image {DOWNLOADS}"),
        (MEMBER, SHARED, f"get_image {DOWNLOADS} get_members get_member modify_member"),
        (MEMBER, UNOWNED, f"get_image {DOWNLOADS}"),
        (MEMBER, PRIVATE, ""),
        (READER, OWN, READS),
        (READER, PUBLIC, "get_image"),
        (READER, SHARED, "get_image get_members get_member"),
        (NOBODY, PUBLIC, f"get_image get_images {DOWNLOADS}"),
        (NOVA, PRIVATE, f"{SERVICES} add_image_location"),
        (RequestContext(user="u", project="p", roles=("friend",)), OWN, ""),
    ],
)
def test_allows_when_there_is_no_file_then_as_the_table_of_the_specification(ctx: RequestContext, target: dict[str, object], names: str) -> None:
    policy = PolicyEngine(None)

    assert {rule.name for rule in RULES if policy.allows(rule.name, ctx, target)} == {*names.split()} | OF_ALL


@pytest.mark.parametrize("ctx", [ADMIN, unauthenticated()])
def test_allows_when_an_administrator_asks_then_everything(ctx: RequestContext) -> None:
    assert [rule.name for rule in RULES if not PolicyEngine(None).allows(rule.name, ctx, PRIVATE)] == []


def test_allows_when_the_defaults_are_classic_then_everything_but_what_was_for_administrators() -> None:
    policy = PolicyEngine(None, classic=True)
    anybody = RequestContext(user="u", project="p")

    refused = {rule.name for rule in RULES if not policy.allows(rule.name, anybody, PRIVATE)}

    assert refused == {"publicize_image", "context_is_admin", "delete_image_location", *SERVICES.split()}


def test_defaults_when_images_belong_to_users_then_the_user_counts() -> None:
    ctx = RequestContext(user="u", project="p", roles=("member", "reader"), owner_is_project=False)

    assert [PolicyEngine(None).allows("delete_image", ctx, {"owner": owner}) for owner in ("u", "p")] == [True, False]


@pytest.mark.parametrize(
    ("check", "ctx", "target", "expected"),
    [
        ('""', MEMBER, {}, True),
        ("[]", MEMBER, {}, True),
        ('"@"', MEMBER, {}, True),
        ('"!"', ADMIN, {}, False),
        ('"role:admin or owner:%(owner)s"', MEMBER, {"owner": "p"}, True),
        ('"role:admin or owner:%(owner)s"', MEMBER, {"owner": "q"}, False),
        ('"role:MEMBER"', MEMBER, {}, True),
        ('"is_admin:True"', ADMIN, {}, True),
        ('"is_admin:True"', MEMBER, {}, False),
        ('[["role:admin"], ["tenant:%(tenant)s"]]', MEMBER, {"tenant": "p"}, True),
        ('[["role:admin"], ["tenant:%(tenant)s"]]', MEMBER, {"tenant": "q"}, False),
        ('[["role:member", "user:%(user_id)s"]]', MEMBER, {"user_id": "u"}, True),
        ('[["role:member", "user:%(user_id)s"]]', MEMBER, {"user_id": "v"}, False),
        ('"rule:helper"', MEMBER, {}, True),
        ('"not role:member"', MEMBER, {}, False),
    ],
)
def test_allows_when_a_rule_is_written_in_either_language_then_it_decides(
    tmp_path: Path, check: str, ctx: RequestContext, target: dict[str, object], expected: bool
) -> None:
    policy = engine(tmp_path, f'{{"add_image": {check}, "helper": "role:member"}}')

    assert policy.allows("add_image", ctx, target) is expected


def test_allows_when_the_file_is_yaml_then_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text('# comment\n"add_image": "!"\n')

    assert not PolicyEngine(path).allows("add_image", ADMIN, {})


def test_allows_when_the_file_is_of_2012_then_its_default_opens_no_way_to_administration(tmp_path: Path) -> None:
    policy = engine(tmp_path, '{"default": [], "manage_image_cache": [["role:admin"]]}')

    assert policy.allows("add_image", MEMBER, OWN)
    assert not policy.allows("context_is_admin", MEMBER, {})


def test_allows_when_the_default_is_closed_then_classic_rules_and_unknown_ones_follow(tmp_path: Path) -> None:
    policy = engine(tmp_path, '{"closed": "role:admin"}', default_rule="closed", classic=True)
    assert not policy.allows("unheard_of", MEMBER, {})

    assert not policy.allows("get_image", MEMBER, {})
    assert policy.allows("get_image", ADMIN, {})


def test_allows_when_the_file_changes_then_it_counts_once_two_looks_have_seen_it(tmp_path: Path) -> None:
    clock = Clock()
    policy = engine(tmp_path, '{"add_image": "!"}', clock=clock)
    (tmp_path / "policy.json").write_text('{"add_image": "@" }')

    for now, allowed in ((0.9, False), (1.1, False), (2, False), (2.2, True)):
        clock.now = now
        assert policy.allows("add_image", MEMBER, {}) is allowed


def test_allows_when_the_file_has_changed_a_while_ago_then_it_counts_at_the_first_look(tmp_path: Path) -> None:
    clock = Clock()
    policy = engine(tmp_path, '{"add_image": "@"}', clock=clock)
    (tmp_path / "policy.json").write_text('{"add_image": "!"}')

    clock.now = (tmp_path / "policy.json").stat().st_mtime + 1.1

    assert not policy.allows("add_image", MEMBER, {})


@pytest.mark.parametrize("interrupt", [lambda path: path.write_text(""), lambda path: path.unlink()], ids=["truncated", "renamed away"])
def test_allows_when_a_look_falls_into_the_writing_of_a_file_then_nothing_opens(tmp_path: Path, interrupt: Callable[[Path], object]) -> None:
    clock = Clock()
    path = tmp_path / "policy.json"
    policy = engine(tmp_path, '{"add_image": "!"}', clock=clock)
    for _ in range(3):
        interrupt(path)
        clock.now += 1
        assert not policy.allows("add_image", MEMBER, OWN)
        path.write_text('{"add_image": "!", "get_image": "!"}')
        clock.now += 1
        assert not policy.allows("add_image", MEMBER, OWN)
    clock.now += 1
    assert not policy.allows("get_image", MEMBER, OWN)


def test_allows_when_the_file_changes_while_it_is_read_then_the_old_rules_count_until_it_rests(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "policy.json"
    path.write_text('{"add_image": "!"}')
    writes = ["", '{"add_image": "!", "get_image": "!"}']

    def read(path: Path) -> str:
        """Somebody else is faster."""
        text = path.read_text()
        if writes and clock.now:
            path.write_text(writes.pop(0))
        return text

    policy = PolicyEngine(path, clock=clock, read=read)
    path.write_text("{}")
    for _ in range(4):
        pass_two_looks(policy, clock)
        assert not policy.allows("add_image", MEMBER, OWN)
    assert not policy.allows("get_image", MEMBER, OWN)


def test_allows_when_the_file_appears_or_goes_then_follows(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "policy.yaml"
    policy = PolicyEngine(path, clock=clock)
    assert policy.allows("add_image", MEMBER, OWN)

    path.write_text('"add_image": "!"')
    pass_two_looks(policy, clock)
    assert not policy.allows("add_image", MEMBER, {})
    path.unlink()
    pass_two_looks(policy, clock)
    assert policy.allows("add_image", MEMBER, OWN)


def test_directories_when_they_have_files_then_the_last_name_counts_and_changes_too(tmp_path: Path) -> None:
    clock = Clock()
    directory = tmp_path / "policy.d"
    policy = engine(tmp_path, '{"add_image": "!", "get_images": "!"}', clock=clock, directories=(directory, tmp_path / "absent"))
    assert (policy.allows("add_image", MEMBER, {}), set(policy.origins)) == (False, {"add_image", "get_images"})

    directory.mkdir()
    (directory / "20-late.yaml").write_text('"add_image": "role:member"')
    (directory / "10-early.json").write_text('{"add_image": "!", "delete_image": "!"}')
    for ignored in (".hidden.yaml", "30-notes.txt"):
        (directory / ignored).write_text('"add_image": "!"')
    pass_two_looks(policy, clock)
    assert [policy.allows(rule, MEMBER, OWN) for rule in ("add_image", "get_images", "delete_image")] == [True, False, False]
    assert policy.origins["add_image"].name == "20-late.yaml"

    (directory / "20-late.yaml").write_text("[")
    pass_two_looks(policy, clock)
    assert policy.allows("add_image", MEMBER, {})


def test_file_when_missing_then_the_log_warns_that_only_defaults_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    warning = "There is no policy file {}: only the default rules count."
    PolicyEngine(tmp_path / "polcy.yaml")
    assert caplog.messages == [warning.format(tmp_path / "polcy.yaml")]

    policy = engine(tmp_path, "{}", clock=clock)
    (tmp_path / "policy.json").unlink()
    pass_two_looks(policy, clock)
    assert caplog.messages[1:] == [warning.format(tmp_path / "policy.json")]


def test_file_when_it_is_a_pipe_then_it_is_refused_at_once(tmp_path: Path) -> None:
    clock = Clock()
    policy = engine(tmp_path, '{"add_image": "!"}', clock=clock)
    path = tmp_path / "policy.json"
    path.unlink()
    os.mkfifo(path)

    pass_two_looks(policy, clock)
    assert not policy.allows("add_image", MEMBER, OWN)
    with pytest.raises(errors.ConfigurationError, match=r"policy\.json cannot be used: it is no regular file"):
        PolicyEngine(path)


def test_file_when_it_cannot_be_looked_at_then_it_is_not_taken_for_absent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A link to itself stands for a closed directory, which an administrator may enter all the same."""
    clock = Clock()
    path, directory, rules = tmp_path / "policy.json", tmp_path / "policy.d", '{"add_image": "!"}'
    directory.mkdir()
    inside = directory / "a.json"
    inside.write_text('{"get_image": "!"}')
    policy = engine(tmp_path, rules, clock=clock, directories=(directory,))

    for broken in (path, inside, directory):
        kept = broken.rename(tmp_path / "kept")
        broken.symlink_to(broken)
        caplog.clear()
        for _ in range(3):
            pass_two_looks(policy, clock)
            assert [policy.allows(rule, MEMBER, OWN) for rule in ("add_image", "get_image")] == [False, False]
        [message] = caplog.messages
        assert f"The policy file {broken} cannot be used: Too many levels of symbolic links" in message
        with pytest.raises(errors.ConfigurationError, match="Too many levels"):
            PolicyEngine(path, directories=(directory,))
        broken.unlink()
        kept.rename(broken)
    (tmp_path / "file").write_text("{}")
    with pytest.raises(errors.ConfigurationError, match="Not a directory"):
        PolicyEngine(path, directories=(tmp_path / "file",))


@pytest.mark.parametrize(
    ("check", "named"),
    [
        ("owner:100%", "owner:100%"),
        ("owner:%(owner)d", "owner:%(owner)d"),
        ("role:x and (not foo-:%(owner)s or @)", "foo-:%(owner)s"),
        ("user.name:x", "user.name:x"),
        ("roles.name:x", "roles.name:x"),
        ("role:x or http://localhost/%(name)s", "http://localhost/%(name)s"),
        ("https://localhost/", "https://localhost/"),
    ],
)
def test_file_when_a_check_could_not_be_answered_then_start_fails_and_names_it(tmp_path: Path, check: str, named: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=rf"policy\.json cannot be used: the rule add_image .*{re.escape(named)}"):
        engine(tmp_path, json.dumps({"get_image": "@", "add_image": check}))


def test_rules_when_a_file_has_a_say_in_them_then_they_are_no_defaults(tmp_path: Path) -> None:
    assert all(PolicyEngine(None).is_default(rule.name) for rule in RULES)

    policy = engine(tmp_path, '{"service_api": "role:x"}')
    told = {rule.name for rule in RULES if not policy.is_default(rule.name)}
    assert told == {"service_api", "add_image_location", "fetch_image_location", "stores_info_detail"}

    policy = engine(tmp_path, '{"default": "role:x"}', classic=True)
    assert {rule.name for rule in RULES if policy.is_default(rule.name)} == {rule.name for rule in RULES if not rule.classic} - {"default"}


def test_rules_when_they_are_read_again_then_at_every_moment_all_of_them_are_of_one_reading(tmp_path: Path) -> None:
    clock = Clock()
    policy = engine(tmp_path, "{}", clock=clock)
    (tmp_path / "policy.json").write_text('{"add_image": "!"}')
    clock.now = 1
    policy.allows("default", ADMIN, {})
    seen: set[tuple[bool, bool, bool]] = set()

    def look(_frame: FrameType, _event: str, _argument: object) -> Any:
        """As another thread would between two lines: at a time when nobody looks at the files."""
        now, clock.now = clock.now, 1.5
        seen.add((policy.is_default("add_image"), policy.allows("add_image", MEMBER, OWN), "add_image" not in policy.origins))
        clock.now = now
        return look

    clock.now = 2
    before = sys.gettrace()
    sys.settrace(look)
    try:
        policy.allows("default", ADMIN, {})
    finally:
        sys.settrace(before)
    assert seen == {(True, True, True), (False, False, False)}


@pytest.mark.parametrize("rules", [{"download_image": "rule:amdin_only"}, {"download_image": "not rule:ours", "ours": "role:x or rule:amdin_only"}])
def test_rules_when_one_of_the_service_refers_to_none_then_start_fails_and_a_running_service_keeps_its_rules(
    tmp_path: Path, rules: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"download_image.* refers to a rule that there is not: amdin_only\."):
        engine(tmp_path, json.dumps(rules))

    clock = Clock()
    policy = engine(tmp_path, '{"download_image": "!"}', clock=clock)
    (tmp_path / "policy.json").write_text(json.dumps(rules))
    pass_two_looks(policy, clock)
    assert not policy.allows("download_image", MEMBER, OWN)
    assert "there is not: amdin_only. The rules that were read before stay." in caplog.text


def test_rules_when_another_file_has_what_one_refers_to_then_they_count(tmp_path: Path) -> None:
    directory = tmp_path / "policy.d"
    directory.mkdir()
    (directory / "late.yaml").write_text('"ours": "role:member"')

    policy = engine(tmp_path, '{"download_image": "rule:ours"}', directories=(directory,))

    assert [policy.allows("download_image", ctx, OWN) for ctx in (MEMBER, READER)] == [True, False]


def test_rules_when_the_service_does_not_ask_for_one_that_refers_to_none_then_it_is_left_out_and_the_log_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in files for features that are not here, whose rules refer to defaults that are not here either."""
    policy = engine(tmp_path, '{"get_task": "rule:tasks", "tasks": "rule:tasks_default", "add_image": "!"}')

    assert [policy.knows(rule) for rule in ("get_task", "tasks", "add_image")] == [False, False, True]
    assert set(policy.origins) == {"add_image"}
    assert caplog.messages == ["The policy's rules get_task, tasks do not count: they refer to rules that there are not: tasks_default."]


def test_rules_when_nothing_asks_for_one_then_the_log_names_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine(tmp_path, '{"delte_image": "!", "ours": "role:x", "add_image": "rule:ours", "default": "!"}')

    assert caplog.messages == ["The policy has rules that nothing asks for, unless property protections do: delte_image."]


@pytest.mark.parametrize("text", ["{", "- a list", '{"add_image": 3}', '{"add_image": "rule:b", "b": "not rule:add_image"}', "\x00"])
def test_file_when_unusable_then_start_fails_and_a_running_service_keeps_its_rules(tmp_path: Path, text: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"policy\.json cannot be used"):
        engine(tmp_path, text)

    clock = Clock()
    policy = engine(tmp_path, '{"add_image": "!"}', clock=clock)
    (tmp_path / "policy.json").write_text(text)
    os.utime(tmp_path / "policy.json", (1, 1))
    pass_two_looks(policy, clock)
    assert not policy.allows("add_image", MEMBER, {})
