"""Rules of operators."""

from __future__ import annotations

import os
from pathlib import Path

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
        ('"rule:nowhere"', MEMBER, {}, True),
        ('"not role:member"', MEMBER, {}, False),
        ('"this is no rule"', ADMIN, {}, False),
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


def test_allows_when_the_file_changes_then_looks_once_a_second(tmp_path: Path) -> None:
    clock = Clock()
    policy = engine(tmp_path, '{"add_image": "!"}', clock=clock)
    (tmp_path / "policy.json").write_text('{"add_image": "@" }')

    clock.now = 0.9
    assert not policy.allows("add_image", MEMBER, {})
    clock.now = 1.1
    assert policy.allows("add_image", MEMBER, {})


def test_allows_when_the_file_appears_or_goes_then_follows(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "policy.yaml"
    policy = PolicyEngine(path, clock=clock)
    assert policy.allows("add_image", MEMBER, OWN)

    path.write_text('"add_image": "!"')
    clock.now = 2
    assert not policy.allows("add_image", MEMBER, {})
    path.unlink()
    clock.now = 4
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
    clock.now = 2
    assert [policy.allows(rule, MEMBER, OWN) for rule in ("add_image", "get_images", "delete_image")] == [True, False, False]
    assert policy.origins["add_image"].name == "20-late.yaml"

    (directory / "20-late.yaml").write_text("[")
    clock.now = 4
    assert policy.allows("add_image", MEMBER, {})


def test_file_when_missing_then_the_log_warns_that_only_defaults_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    warning = "There is no policy file {}: only the default rules count."
    PolicyEngine(tmp_path / "polcy.yaml")
    assert caplog.messages == [warning.format(tmp_path / "polcy.yaml")]

    policy = engine(tmp_path, "{}", clock=clock)
    (tmp_path / "policy.json").unlink()
    clock.now = 2
    policy.allows("add_image", MEMBER, {})
    assert caplog.messages[1:] == [warning.format(tmp_path / "policy.json")]


@pytest.mark.parametrize("text", ["{", "- a list", '{"add_image": 3}', '{"add_image": "rule:b", "b": "not rule:add_image"}', "\x00"])
def test_file_when_unusable_then_start_fails_and_a_running_service_keeps_its_rules(tmp_path: Path, text: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"policy\.json cannot be used"):
        engine(tmp_path, text)

    clock = Clock()
    policy = engine(tmp_path, '{"add_image": "!"}', clock=clock)
    (tmp_path / "policy.json").write_text(text)
    os.utime(tmp_path / "policy.json", (1, 1))
    clock.now = 2
    assert not policy.allows("add_image", MEMBER, {})
