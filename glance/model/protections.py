"""Property protections: who may do what with which custom properties (spec-v2 3.9)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from glance.model.properties import NAME_LIMIT, RESERVED_PREFIX

Action = Literal["create", "read", "update", "delete"]
ACTIONS: tuple[Action, ...] = get_args(Action)

#: What stands for all callers, and for none.
EVERYONE = "@"
NOBODY = "!"


@dataclass(frozen=True, slots=True)
class Protection:
    """For properties that have ``pattern`` somewhere in their name: who may do what. That is EVERYONE, NOBODY, or names of roles or of a policy."""

    pattern: re.Pattern[str]
    permitted: Mapping[Action, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Protections:
    """An operator's protections, in their order. With ``by_policies`` they name one policy for each action; else roles, in lower case."""

    sections: tuple[Protection, ...]
    by_policies: bool = False

    def permitted(self, name: str, action: Action) -> frozenset[str]:
        """Who may do that with a property, as the first section says that has its name, whatever later ones say (OSSN-0013); nobody where none has.
        The service's own properties are never hidden."""
        if name.startswith(RESERVED_PREFIX):
            return frozenset({EVERYONE})
        if len(name) <= NAME_LIMIT:  # no property has a longer name, and an operator's pattern may take long with it
            for section in self.sections:
                if section.pattern.search(name):
                    return section.permitted[action]
        return frozenset({NOBODY})
