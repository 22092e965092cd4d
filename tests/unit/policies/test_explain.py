"""Why a rule allows or refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glance.context import RequestContext
from glance.policies.engine import PolicyEngine
from glance.policies.explain import explain

MEMBER = RequestContext(user="u", project="p", roles=("member",))


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("", ["yes 1 @"]),
        ("!", ["no 1 !"]),
        ("role:member", ["yes 1 role:member"]),
        ("role:x or role:member or user:u", ["yes 1 (role:x or role:member or user:u)", "yes 2 role:member"]),
        ("role:x or role:y", ["no 1 (role:x or role:y)", "no 2 role:x", "no 2 role:y"]),
        ("role:member and role:x and role:y", ["no 1 (role:member and role:x and role:y)", "no 2 role:x"]),
        ("role:member and user:u", ["yes 1 (role:member and user:u)", "yes 2 role:member", "yes 2 user:u"]),
        ("not role:member", ["no 1 not role:member", "yes 2 role:member"]),
        ("rule:helper", ["yes 1 rule helper (policy.json)", "yes 2 role:member"]),
        ("rule:service_api", ["no 1 rule service_api (default)", "no 2 (is_admin:True or role:service)", "no 3 is_admin:True", "no 3 role:service"]),
    ],
)
def test_explain_then_names_the_parts_that_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: str, expected: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policy.json").write_text(json.dumps({"add_image": check, "helper": "role:member"}))
    policy = PolicyEngine(Path("policy.json"))

    rule, *parts = explain(policy, "add_image", MEMBER, {})

    assert (rule.depth, rule.text, rule.holds) == (0, "rule add_image (policy.json)", policy.allows("add_image", MEMBER, {}))
    assert [f"{'yes' if part.holds else 'no'} {part.depth} {part.text}" for part in parts] == expected
