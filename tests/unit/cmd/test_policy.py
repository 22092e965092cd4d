"""glance-manage policy: which rules hold, and who may do what, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glance.policies.rules import RULES
from tests.unit.cmd.conftest import Manage


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path) -> None:
    (tmp_path / "glance-api.conf").write_text("[DEFAULT]\nadmin_role = boss\n")


def test_list_then_every_rule_with_its_check_and_where_it_comes_from(run: Manage, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text('"delete_image": "role:cleaner"\n"ours": [["role:a"], ["role:b"]]\n')
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "more.yaml").write_text('"add_image": ""\n')

    status, output, _ = run("policy", "list")

    lines = output.splitlines()
    assert (status, len(lines)) == (0, len(RULES) + 1)
    assert '"publicize_image": "is_admin:True"  # default' in lines
    assert f'"delete_image": "role:cleaner"  # {tmp_path}/policy.yaml' in lines
    assert f'"ours": "(role:a or role:b)"  # {tmp_path}/policy.yaml' in lines
    assert f'"add_image": ""  # {tmp_path}/policy.d/more.yaml' in lines


def test_list_when_defaults_are_classic_then_shows_what_the_rule_default_decides(run: Manage, tmp_path: Path) -> None:
    (tmp_path / "glance-api.conf").write_text("[oslo_policy]\nenforce_new_defaults = False\n")

    lines = run("policy", "list")[1].splitlines()

    assert [line for line in lines if "rule:default" in line] == [f'"{rule.name}": "rule:default"  # default' for rule in RULES if rule.classic]
    assert '"publicize_image": "is_admin:True"  # default' in lines


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        ("delete_image --project p", True),
        ("delete_image --project p --roles reader", False),
        ("delete_image --project p --roles manager", True),
        ("delete_image --project p --target owner=q", False),
        ("delete_image --project p --target project_id=q", False),
        ("delete_image --roles boss --target owner=q", True),
        ("publicize_image --roles admin", True),
        ("get_image --project p --target owner=q --target visibility=private", False),
        ("get_image --project p --target owner=q --target visibility=public", True),
        ("modify_member --project p --target owner=q --target member_id=p", True),
        ("modify_member --project p", False),
        ("get_members --project p --target owner=q", True),
        ("get_members --project p --target owner=q --target visibility=private", False),
        ("get_member --project p --target owner=q --target member=r", False),
        ("by_id --target image_id=1", True),
        ("by_kept_name --user alice --target user_id=bob", False),
        ("by_user --user alice", True),
        ("by_user --user bob", False),
        ("by_service --service-roles x,service", True),
        ("by_service", False),
        ("by_property --target colour=red=ish", True),
        ("get_images", False),
        ("get_images --target visibility=shared", False),
        ("stores_info_detail --project p --target owner=q", True),
        ("context_is_admin --project p", False),
    ],
)
def test_check_then_answers_as_the_service_would(run: Manage, tmp_path: Path, words: str, allowed: bool) -> None:
    rules = {
        "by_id": "'1':%(id)s",
        "by_kept_name": "'bob':%(user_id)s",
        "by_user": "user_id:alice",
        "by_service": "service_roles:service",
        "by_property": "'red=ish':%(colour)s",
        "get_images": "'shared':%(visibility)s",
        "stores_info_detail": "owner:%(owner)s",
        "context_is_admin": "role:admin or owner:%(owner)s",
    }
    (tmp_path / "policy.yaml").write_text(json.dumps(rules))

    status, output, _ = run("policy", "check", *words.split())

    assert (status, " is allowed to " in output, " is refused to " in output) == ((0, True, False) if allowed else (3, False, True))


@pytest.mark.parametrize(("words", "status"), [("--user u --project p", 0), ("--user u --target owner=u", 0), ("--user u --target owner=p", 3)])
def test_check_when_images_belong_to_users_then_the_user_counts(run: Manage, tmp_path: Path, words: str, status: int) -> None:
    (tmp_path / "glance-api.conf").write_text("[DEFAULT]\nowner_is_tenant = False\n")

    assert run("policy", "check", "delete_image", *words.split())[0] == status


def test_check_then_prints_who_asked_and_what_decides(run: Manage, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text('"delete_image": "rule:cleaner and not role:trainee"\n"cleaner": "role:member"\n')

    status, output, _ = run("policy", "check", "delete_image", "--user", "u", "--project", "p", "--roles", "Member,trainee")

    assert status == 3
    assert output.splitlines() == [
        "delete_image is refused to user u of project p with the roles member, trainee, reader. What decides:",
        f"no   rule delete_image ({tmp_path}/policy.yaml)",
        "  no   (rule:cleaner and not role:trainee)",
        "    no   not role:trainee",
        "      yes  role:trainee",
    ]


def test_check_when_there_is_no_such_rule_then_an_error(run: Manage) -> None:
    message = "ERROR: There is no policy rule upload_imgae; glance-manage policy list shows all.\n"

    assert run("policy", "check", "upload_imgae") == (1, "", message)


def test_check_when_the_file_cannot_be_used_then_says_so(run: Manage, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("- a list")

    status, output, errors = run("policy", "check", "add_image")

    assert (status, output) == (1, "")
    assert "policy.yaml cannot be used" in errors


@pytest.mark.parametrize("words", ["policy", "policy check", "policy check add_image --target owner", "policy list x"])
def test_command_when_it_means_nothing_then_usage(run: Manage, words: str) -> None:
    status, _, errors = run(*words.split())

    assert (status, "usage: glance-manage policy" in errors) == (2, True)


def test_policy_when_there_is_no_configuration_then_asks_for_it(run: Manage, tmp_path: Path) -> None:
    (tmp_path / "glance-api.conf").unlink()

    status, _, errors = run("policy", "list")

    assert (status, "name that of glance-api with --config-file" in errors) == (1, True)
