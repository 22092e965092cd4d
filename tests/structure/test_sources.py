"""Rules about sources that import contracts cannot say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "glance").rglob("*.py"))
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "base", "misc"}


def names_used(path: Path) -> Iterator[str]:
    """Every dotted name that a module imports or spells out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def room(path: Path) -> str:
    return path.relative_to(ROOT / "glance").as_posix()


def using(forbidden: re.Pattern[str], *, allowed_in: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """The forbidden names by the module that uses them."""
    modules = [path for path in SOURCES if not room(path).startswith(allowed_in)]
    found = {room(path): [name for name in names_used(path) if forbidden.match(name)] for path in modules}
    return {module: names for module, names in found.items() if names}


def test_sources_then_use_no_global_configuration() -> None:
    assert using(re.compile(r"(oslo_config\.)?cfg\.CONF\b")) == {}


def test_sources_outside_the_front_ends_then_raise_no_http_errors() -> None:
    assert using(re.compile(r"webob\.exc\b"), allowed_in=("api/", "registry/server.py")) == {}


def test_sources_outside_the_server_then_know_no_eventlet() -> None:
    assert using(re.compile(r"(eventlet|greenlet)\b"), allowed_in=("server/",)) == {}


def test_sources_of_the_product_then_hold_no_assert_and_no_unfinished_work() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError|^\s+assert\b", re.MULTILINE)

    assert [room(path) for path in SOURCES if not room(path).startswith("testing/") and unfinished.search(path.read_text())] == []


def test_names_of_files_then_say_what_is_inside() -> None:
    named = {room(path) for path in SOURCES if FORBIDDEN_NAMES & {path.stem, path.parent.name}}

    assert {name for name in named if not name.startswith("common/")} == set()  # glance.common is an import path that clients of 2011 use


def test_sources_then_are_not_longer_than_a_reader_can_bear() -> None:
    assert {room(path): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > 450} == {}
