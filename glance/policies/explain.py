"""Which part of which rule decides: what ``glance-manage policy check`` prints."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from oslo_policy.policy import AndCheck, NotCheck, OrCheck, RuleCheck, Rules

from glance.context import RequestContext
from glance.policies.engine import PolicyEngine

#: No rule of an operator can have this name.
_PART = "\0part"


@dataclass(frozen=True, slots=True)
class Part:
    """A rule, or a part of its check: what is asked for, whether it holds, and the parts that made it so, at ``depth`` below the rule."""

    depth: int
    text: str
    holds: bool


def origin(policy: PolicyEngine, rule: str) -> str:
    """Where the check of a rule comes from."""
    if rule in policy.origins:
        return str(policy.origins[rule])
    return "default" if rule in policy.rules else f"no such rule: {policy.rules.default_rule} decides"


def explain(policy: PolicyEngine, rule: str, ctx: RequestContext, target: Mapping[str, object]) -> Iterator[Part]:
    """The rule, then the parts of its check that decide, each before its own: all that failed, or the first that was enough."""

    def holds(check: object) -> bool:
        """Asked as if it were a rule of its own."""
        probe = copy.copy(policy)
        probe.rules = Rules({**policy.rules, _PART: check}, policy.rules.default_rule)
        return probe.allows(_PART, ctx, target)

    def parts(check: object, depth: int) -> Iterator[Part]:
        held = holds(check)
        if isinstance(check, RuleCheck):
            yield from named(check.match, depth)
            return
        yield Part(depth, str(check), held)
        if isinstance(check, NotCheck):
            yield from parts(check.rule, depth + 1)
        elif isinstance(check, (AndCheck, OrCheck)):
            deciding = [one for one in check.rules if holds(one) is held]
            one_is_enough = held is isinstance(check, OrCheck)
            for one in deciding[:1] if one_is_enough else deciding:
                yield from parts(one, depth + 1)

    def named(name: str, depth: int) -> Iterator[Part]:
        check = policy.rules[name]
        yield Part(depth, f"rule {name} ({origin(policy, name)})", holds(check))
        yield from parts(check, depth + 1)

    yield from named(rule, 0)
