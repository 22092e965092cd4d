"""What the checks of rules are made of: which rules they refer to, and whether each part can be asked at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from graphlib import TopologicalSorter
from types import SimpleNamespace
from typing import Any

from oslo_policy.policy import AndCheck, NotCheck, OrCheck, RuleCheck, Rules

#: A check of oslo.policy, to be called with what it is about, who asks, and something that has ``rules``.
Check = Callable[[Any, Any, Any], bool]

#: What checks can name on their left side, under the names of every release, and what of the context that is.
CREDENTIALS = {
    "roles": "roles",
    "service_roles": "service_roles",
    "is_admin": "is_admin",
    "read_only": "read_only",
    "user": "user",
    "user_id": "user",
    "tenant": "project",
    "project_id": "project",
    "owner": "owner",
}

#: Kinds of oslo.policy that ask another server, with options that this service does not have.
_REMOTE = frozenset({"http", "https"})

#: Somebody of whom everything is known: a text.
_SOMEBODY = dict.fromkeys(CREDENTIALS, "")


class _Everything(dict[str, str]):
    """An image that has every property."""

    def __missing__(self, name: str) -> str:
        return ""


def parts(check: Check) -> tuple[Check, ...]:
    """What a check joins by ``and`` or ``or``, or negates; nothing for one that stands for itself."""
    if isinstance(check, NotCheck):
        return (check.rule,)
    return tuple(check.rules) if isinstance(check, (AndCheck, OrCheck)) else ()


def decided(rules: Rules, named: Collection[str]) -> frozenset[str]:
    """Rules that are ``named``, or refer to one that is."""
    references = _references(rules)
    found = set(named)
    for rule in TopologicalSorter(references).static_order():  # each behind those that it refers to
        if not found.isdisjoint(references.get(rule, ())):
            found.add(rule)
    return frozenset(found)


def referred(rules: Rules) -> frozenset[str]:
    """Rules that others refer to, whether there are such rules or not."""
    return frozenset(name for names in _references(rules).values() for name in names)


def refuse_cycles(rules: Rules) -> None:
    """Raises ValueError (CycleError) for a rule that refers to itself."""
    TopologicalSorter(_references(rules)).prepare()


def in_order(rules: Rules, default_rule: str) -> list[str]:
    """The names of all rules, each behind those that it refers to, which is ``default_rule`` where there is no such rule. Raises ValueError
    (CycleError) for rules that refer to each other in a circle."""
    references = _references(rules)
    found = {name: [one if one in rules else default_rule for one in named] for name, named in references.items()}
    return [name for name in TopologicalSorter(found).static_order() if name in rules]


def refuse_unusable(rules: Rules) -> None:
    """Raises ValueError, which names the rule, for a check that a request could not be answered with."""
    for name, check in rules.items():
        for part in _leaves(check):
            if getattr(part, "kind", None) in _REMOTE:
                raise ValueError(f"the rule {name} asks another server, which this service does not: {part}")
            try:
                part(_Everything(), _SOMEBODY, SimpleNamespace(rules=Rules()))
            except Exception as error:
                raise ValueError(f"the rule {name} has a check that means nothing, {part}: {error}") from error


def _leaves(check: Check) -> Iterator[Check]:
    inner = parts(check)
    if not inner:
        yield check
    for part in inner:
        yield from _leaves(part)


def _references(rules: Rules) -> dict[str, list[str]]:
    return {name: [part.match for part in _leaves(check) if isinstance(part, RuleCheck)] for name, check in rules.items()}
