"""Compiled checks decide as oslo.policy does."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from oslo_policy.policy import Check, Rules

from glance.context import RequestContext, unauthenticated
from glance.model.image import Image
from glance.policies.compiled import CompiledRules, credentials
from glance.policies.rules import RULES, defaults
from glance.service.authorize import target

CALLERS = [
    unauthenticated("req-1"),
    RequestContext(read_only=True),
    RequestContext(user="u1", project="p1", roles=("member", "reader")),
    RequestContext(user="u1", project="p1", roles=("reader",), service_roles=("service",)),
    RequestContext(user="u2", project="p2", roles=("Admin", "custom"), is_admin=True),
    RequestContext(user="p1", project="p3", roles=("member", "reader"), owner_is_project=False),
    RequestContext(user="None", project=None),
]
IMAGES = [
    Image("i1", owner="p1", visibility="private", properties={"os": "linux", "owner": "p2", "member_id": "p1"}),
    Image("i2", owner="p2", visibility="shared", protected=True, properties={"x.y": "1", "none": None}),
    Image("i3", owner=None, visibility="public"),
    None,
]
SENTENCES = {
    "own": "owner:%(owner)s",
    "project": "project_id:%(project_id)s and not user:%(user_id)s",
    "literal": "True:%(protected)s or 'public':%(visibility)s",
    "missing": "user:%(nothing)s",
    "property": "'linux':%(os)s",
    "null": "None:%(none)s",
    "part": "p:%(owner)s or 'ip1':i%(owner)s",
    "role": "role:Admin",
    "role of the target": "role:%(visibility)s or role:%(nothing)s",
    "service": "service_roles:service",
    "roles": "roles:custom",
    "unknown": "color:red",
    "nested": "user.name:x",
    "all": "@",
    "nobody": "!",
    "empty": "",
    "negated": "not (rule:own and not role:reader)",
    "refers": "rule:own or rule:no such rule",
    "admin": "is_admin:True and not read_only:True",
    "number": "1:1 or 2:1",
}


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize(("ctx", "image"), list(product(CALLERS, IMAGES)))
def test_every_check_when_compiled_decides_as_the_library_does(ctx: RequestContext, image: Image | None, classic: bool) -> None:
    rules = Rules.from_dict({**defaults(classic=classic), **SENTENCES}, "default")
    compiled = CompiledRules(rules, "default")
    about = target(ctx, image)
    for name in (*(rule.name for rule in RULES), *SENTENCES, "another"):
        try:
            expected: Any = bool(rules[name](dict(about), credentials(ctx), SimpleNamespace(rules=rules)))
        except TypeError as error:  # user.name
            expected = type(error)
        try:
            decided: Any = compiled.by_name.get(name, compiled.otherwise)(ctx, about)
        except TypeError as error:
            decided = type(error)
        assert (name, decided) == (name, expected)


class Named(Check):
    """A check of an operator's own: with the name of the rule that asks."""

    def __call__(self, target: Any, creds: Any, enforcer: Any, current_rule: Any) -> bool:
        return bool(creds["project_id"] == self.match and target["owner"] and "own" in enforcer.rules)


def test_check_of_an_unknown_kind_when_compiled_is_asked_as_the_library_asks() -> None:
    rules = Rules({"named": Named("named", "p1"), "own": Rules.from_dict(SENTENCES)["own"]}, "own")
    compiled = CompiledRules(rules, "own")
    assert [compiled.by_name["named"](ctx, target(ctx, IMAGES[0])) for ctx in CALLERS[2:5]] == [True, True, False]


def test_rule_when_there_is_none_and_no_default_either_then_nobody_may() -> None:
    compiled = CompiledRules(Rules.from_dict({"refers": "rule:missing", "negated": "not rule:missing"}), "default")
    admin = CALLERS[4]
    assert not compiled.otherwise(admin, {})
    assert {name: check(admin, {}) for name, check in compiled.by_name.items()} == {"refers": False, "negated": True}


@pytest.mark.parametrize(
    "rules",
    [{"a": "rule:a"}, {"a": "@ or rule:b", "b": "not rule:a"}, {"default": "rule:missing"}, {"default": "rule:a", "a": "role:x or rule:missing"}],
)
def test_rules_when_they_refer_to_each_other_in_a_circle_then_refused(rules: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cycle"):
        CompiledRules(Rules.from_dict(rules), "default")
