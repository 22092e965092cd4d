"""From the path of a request to what serves it, by a table of templates: for glance-api and glance-registry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

H = TypeVar("H")

#: What stands for a name in braces, where nothing else is said.
_SEGMENT = r"[^/]+"


class Route(NamedTuple, Generic[H]):
    """The row that a path fits: its template, its handlers by method, and what stands for each name of the template."""

    template: str
    handlers: Mapping[str, H]
    arguments: Mapping[str, str]


class Router(Generic[H]):
    """``table`` has handlers by method, by the template of a path, where braces name arguments. ``patterns`` are regular expressions of what stands
    for some of the names; for others it is one segment."""

    def __init__(self, table: Mapping[str, Mapping[str, H]], patterns: Mapping[str, str] = MappingProxyType({})) -> None:
        self._without_names = {template: Route(template, handlers, {}) for template, handlers in table.items() if "{" not in template}
        self._with_names = [(_compiled(template, patterns), template, handlers) for template, handlers in table.items() if "{" in template]

    def find(self, path: str) -> Route[H] | None:
        """The row of a path, be its method there or not: one without names before others, and these in their order."""
        route = self._without_names.get(path)
        if route is not None:
            return route
        for pattern, template, handlers in self._with_names:
            match = pattern.fullmatch(path)
            if match is not None:
                return Route(template, handlers, match.groupdict())
        return None


def _compiled(template: str, patterns: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", lambda name: f"(?P<{name[1]}>{patterns.get(name[1], _SEGMENT)})", re.escape(template)))
