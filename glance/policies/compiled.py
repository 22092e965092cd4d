"""Checks of oslo.policy as plain functions: the library takes each check apart again whenever it is asked, which every request would pay for."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from oslo_policy.policy import AndCheck, NotCheck, OrCheck, RuleCheck, Rules

from glance.context import RequestContext
from glance.policies.checks import CREDENTIALS, Check

Target = Mapping[str, object]
#: Whether a check holds for somebody, about something.
Compiled = Callable[[RequestContext, Target], bool]

# The library names these in none of its public modules.
_ALL, _NONE, _ROLE, _OTHER = (type(check) for check in Rules.from_dict({"all": "@", "none": "!", "role": "role:x", "other": "x:y"}).values())

_NAME = re.compile(r"%\(([^()]+)\)s")


class CompiledRules(dict[str, Compiled]):
    """The checks of ``rules``, also those that they refer to. ``default_rule`` decides for a rule that there is not."""

    def __init__(self, rules: Rules, default_rule: str) -> None:
        self.rules = rules  # for checks that look for others themselves
        self._default_rule = default_rule
        super().__init__({name: self.of(check) for name, check in rules.items()})

    def __missing__(self, rule: str) -> Compiled:
        return self[self._default_rule]

    def of(self, check: Check) -> Compiled:
        """A check as a function. One of a kind that the library does not bring is asked as the library does."""
        if isinstance(check, AndCheck | OrCheck):
            return _joined([self.of(part) for part in check.rules], one_is_enough=isinstance(check, OrCheck))
        if isinstance(check, NotCheck):
            inner = self.of(check.rule)
            return lambda ctx, target: not inner(ctx, target)
        make = {_ALL: _everybody, _NONE: _nobody, RuleCheck: self._rule, _ROLE: _role, _OTHER: self._compared}.get(type(check), self._foreign)
        return make(check)

    def _rule(self, check: Any) -> Compiled:
        def rule(ctx: RequestContext, target: Target) -> bool:
            return self[check.match](ctx, target)

        return rule

    def _compared(self, check: Any) -> Compiled:
        """LEFT:RIGHT, where the left side is a literal, or what is known of whoever asks."""
        try:
            literal = str(ast.literal_eval(check.kind))
        except ValueError:
            attribute = CREDENTIALS.get(check.kind)
            if attribute is not None:
                return _known(attribute, check.match)
        except SyntaxError:
            pass
        else:
            wanted = _filled(check.match)
            return lambda _ctx, target: wanted(target) == literal
        return self._foreign(check)

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


def _everybody(_check: Any) -> Compiled:
    return lambda _ctx, _target: True


def _nobody(_check: Any) -> Compiled:
    return lambda _ctx, _target: False


def _role(check: Any) -> Compiled:
    wanted = _filled(check.match)

    def has_role(ctx: RequestContext, target: Target) -> bool:
        role = wanted(target)
        return role is not None and role.lower() in [one.lower() for one in ctx.roles]

    return has_role


def _known(attribute: str, text: str) -> Compiled:
    wanted = None if "%" not in text else _filled(text)

    def compared(ctx: RequestContext, target: Target) -> bool:
        value, right = getattr(ctx, attribute), text if wanted is None else wanted(target)
        return right in [str(one) for one in value] if isinstance(value, tuple) else right == str(value)

    return compared
