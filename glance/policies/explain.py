"""Which part of which rule decides: what ``glance-manage policy check`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from oslo_policy.policy import NotCheck, OrCheck, RuleCheck

from glance.context import RequestContext
from glance.policies.checks import Check, parts
from glance.policies.engine import PolicyEngine


@dataclass(frozen=True, slots=True)
class Part:
    """A rule, or a part of its check: what is asked for, whether it holds, and the parts that made it so, at ``depth`` below the rule."""

    depth: int
    text: str
    holds: bool


def origin(policy: PolicyEngine, rule: str) -> str:
    """Where the check of a rule comes from."""
    return str(policy.origins.get(rule, "default"))


def explain(policy: PolicyEngine, rule: str, ctx: RequestContext, target: Mapping[str, object]) -> Iterator[Part]:
    """The rule, which there is, then the parts of its check that decide, each before its own: all that failed, or the first that was enough."""

    def holds(check: Check) -> bool:
        return policy.allows(check, ctx, target)

    def named(name: str, depth: int) -> Iterator[Part]:
        check = policy.rules[name]
        yield Part(depth, f"rule {name} ({origin(policy, name)})", holds(check))
        yield from of(check, depth + 1)

    def of(check: Check, depth: int) -> Iterator[Part]:
        if isinstance(check, RuleCheck):
            yield from named(check.match, depth)
            return
        held = holds(check)
        yield Part(depth, str(check), held)
        inner = parts(check)
        if not isinstance(check, NotCheck):
            inner = tuple(one for one in inner if holds(one) is held)
        one_is_enough = held is isinstance(check, OrCheck)
        for one in inner[:1] if one_is_enough else inner:
            yield from of(one, depth + 1)

    yield from named(rule, 0)
