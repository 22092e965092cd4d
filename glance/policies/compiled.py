"""Checks of oslo.policy as plain functions: the library takes each check apart again whenever it is asked, which every request would pay for."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from oslo_policy.policy import AndCheck, NotCheck, OrCheck, RuleCheck, Rules

from glance.context import RequestContext
from glance.policies.checks import CREDENTIALS, Check, in_order

Target = Mapping[str, object]
#: Whether a check holds for somebody, about something.
Compiled = Callable[[RequestContext, Target], bool]


def _kind(text: str) -> type:
    """The class of a check that the library names in none of its public modules."""
    return type(Rules.from_dict({"rule": text})["rule"])


_ALL, _NONE, _ROLE, _COMPARISON = _kind("@"), _kind("!"), _kind("role:x"), _kind("x:y")

_NAME = re.compile(r"%\(([^()]+)\)s")


class CompiledRules:
    """``by_name`` are the checks of ``rules``; ``otherwise`` decides for a rule that there is not: ``default_rule``, or nobody may.

    Raises ValueError (CycleError) for rules that refer to each other in a circle, be it by way of ``default_rule``.
    """

    def __init__(self, rules: Rules, default_rule: str) -> None:
        self.rules = rules  # for checks that look for others themselves
        self.by_name: dict[str, Compiled] = {}
        self.otherwise: Compiled = _nobody
        for name in in_order(rules, default_rule):  # what a check refers to is there when it is made
            self.by_name[name] = self.of(rules[name])
            if name == default_rule:
                self.otherwise = self.by_name[name]

    def of(self, check: Check) -> Compiled:
        """A check as a function. One of a kind that the library does not bring is asked as the library does."""
        if isinstance(check, AndCheck | OrCheck):
            return _joined([self.of(part) for part in check.rules], one_is_enough=isinstance(check, OrCheck))
        if isinstance(check, NotCheck):
            inner = self.of(check.rule)
            return lambda ctx, target: not inner(ctx, target)
        if isinstance(check, RuleCheck):
            return self.by_name.get(check.match, self.otherwise)
        kind: type = type(check)
        if kind is _ALL:
            return _everybody
        if kind is _NONE:
            return _nobody
        if kind is _ROLE:
            return _role(check)
        compared = _compared(check) if kind is _COMPARISON else None
        return compared or self._foreign(check)

    def _foreign(self, check: Check) -> Compiled:
        asked = AndCheck([check])  # it knows how many arguments a check takes
        return lambda ctx, target: bool(asked(dict(target), credentials(ctx), self))


def credentials(ctx: RequestContext) -> dict[str, Any]:
    """What the library's checks name of whoever asks."""
    named = {name: getattr(ctx, attribute) for name, attribute in CREDENTIALS.items()}
    return named | {"roles": list(ctx.roles), "service_roles": list(ctx.service_roles)}  # one of a list is enough


def _joined(parts: list[Compiled], *, one_is_enough: bool) -> Compiled:
    def joined(ctx: RequestContext, target: Target) -> bool:
        for part in parts:
            if part(ctx, target) is one_is_enough:
                return one_is_enough
        return not one_is_enough

    return joined


def _filled(text: str) -> Callable[[Target], str | None]:
    """The right side of a check with what it names of the target; None where the target has no such thing."""
    if "%" not in text:
        return lambda _target: text
    whole = _NAME.fullmatch(text)
    name = whole[1] if whole else ""

    def filled(target: Target) -> str | None:
        try:
            return str(target[name]) if whole else text % target
        except KeyError:
            return None

    return filled


def _everybody(_ctx: RequestContext, _target: Target) -> bool:
    return True


def _nobody(_ctx: RequestContext, _target: Target) -> bool:
    return False


def _role(check: Any) -> Compiled:
    wanted = _filled(check.match)

    def has_role(ctx: RequestContext, target: Target) -> bool:
        role = wanted(target)
        return role is not None and role.lower() in [one.lower() for one in ctx.roles]

    return has_role


def _compared(check: Any) -> Compiled | None:
    """LEFT:RIGHT, where the left side is a literal, or names what is known of whoever asks; None for any other."""
    if check.kind in CREDENTIALS:
        return _known(CREDENTIALS[check.kind], check.match)
    try:
        literal = str(ast.literal_eval(check.kind))
    except (ValueError, SyntaxError):
        return None
    wanted = _filled(check.match)
    return lambda _ctx, target: wanted(target) == literal


def _known(attribute: str, text: str) -> Compiled:
    wanted = _filled(text) if "%" in text else None  # most texts are as they are, and asked for in each request

    def compared(ctx: RequestContext, target: Target) -> bool:
        value, right = getattr(ctx, attribute), wanted(target) if wanted else text
        return right in [str(one) for one in value] if isinstance(value, tuple) else right == str(value)

    return compared
