"""Lists: which statements they are made of, and what they see where images come meanwhile."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Engine, Select, bindparam, select

from glance.db import query as sql
from glance.db.leads import Lists
from glance.db.registry import SqlRegistry
from glance.db.schema import images
from glance.db.transactions import Prepared, Reader, Reading
from glance.model.image import Condition, ImageQuery
from glance.testing.registry_rules.scene import ADMIN, ALICE, create


class Watched:
    """A reading that knows which statements it made. ``between`` is called after each."""

    def __init__(self, reading: Reading, between: Callable[[], object]) -> None:
        self._reading = reading
        self._between = between
        self.made: set[tuple[Any, ...]] = set()

    def rows(self, values: dict[str, Any], make: Callable[..., Select[Any]], *arguments: Any, prepared: bool = False) -> Sequence[Any]:
        self.made.add((make, *arguments))
        rows = self._reading.rows(values, make, *arguments, prepared=prepared)
        self._between()
        return rows


@pytest.fixture
def watch(engine: Engine) -> Iterator[Callable[..., Any]]:
    """Makes a ``Watched`` of a connection."""
    with Reading(Reader(engine)) as reading:
        yield lambda between=int: Watched(reading, between)


def one_of(count: int) -> ImageQuery:
    return ImageQuery(conditions=(Condition("name", "in", tuple(f"n{number}" for number in range(count))),), scope="everything")


def test_shapes_when_an_image_may_have_one_of_many_values_are_few() -> None:
    assert len({sql.shape_of(ADMIN, one_of(count)) for count in range(1, 257)}) == 9  # 1, 2, 4... 256


@pytest.mark.parametrize("repeated", [1, 2])
def test_shapes_when_images_must_have_many_tags_and_properties_are_few(repeated: int) -> None:
    tags = [tuple(f"t{number}" for number in range(count)) * repeated for count in range(129)]
    assert len({sql.shape_of(ADMIN, ImageQuery(tags=some)) for some in tags}) == 13  # 0, 1... 5, 6, 8, 12, 20, 36, 68, 132
    values = [["short", "x" * 300][count % 2] for count in range(129)]
    properties = [{f"p{number}": values[number] for number in range(count)} for count in range(129)]
    assert len({sql.shape_of(ADMIN, ImageQuery(properties=some)) for some in properties}) == 13


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_list_when_images_may_have_one_of_several_names_then_it_has_all_of_these(registry: SqlRegistry, count: int) -> None:
    for number in range(6):
        create(registry, name=f"n{number}")
    assert sorted(one.name or "" for one in registry.images.list(ADMIN, one_of(count))) == [f"n{number}" for number in range(count)]


@pytest.mark.parametrize("few", [-1, 10], ids=["walk", "lead"])
def test_lists_when_they_have_filters_then_their_limits_make_no_statements(registry: SqlRegistry, watch: Any, few: int) -> None:
    for _number in range(3):
        create(registry, name="x")
    reading, lists = watch(), Lists(few, "sqlite")
    found = [len(lists.page(reading, ADMIN, ImageQuery({"name": "x"}, scope="everything", limit=limit))) for limit in range(1, 9)]
    assert found == [1, 2, *[3] * 6]
    assert len(reading.made) <= 4  # the pages by a walk and by a lead, and the counts with and without that of all images


def test_walk_when_it_checks_no_filter_then_its_limit_is_in_its_statement(registry: SqlRegistry, watch: Any) -> None:
    create(registry)
    reading = watch()
    assert len(Lists(-1, "sqlite").page(reading, ADMIN, ImageQuery(scope="everything", limit=25))) == 1
    [(make, *arguments)] = reading.made
    assert "LIMIT 25" in " ".join(str(make(*arguments)).split())


def test_list_when_images_come_after_they_were_counted_then_it_misses_none(registry: SqlRegistry, watch: Any) -> None:
    create(registry)
    reading = watch(lambda: [create(registry) for _number in range(3)])
    assert len(Lists(1, "sqlite").page(reading, ALICE, ImageQuery(limit=10))) == 4
    assert len(reading.made) == 2


def image_of_number(number: int) -> Select[Any]:
    return select(images.c.id).limit(number)


def some_image() -> Select[Any]:
    return select(images.c.id)


def test_statement_when_many_of_another_kind_are_made_then_it_is_kept(engine: Engine) -> None:
    statements = Reader(engine).statements
    kept = statements[some_image][()]
    for number in range(600):
        statements[image_of_number][number,]
    assert statements[some_image][()] is kept


def of_names(number: int) -> Select[Any]:
    return select(images.c.id).where(images.c.name.in_([bindparam(f"name_{number}_{place}") for place in range(500)]))


def test_statements_when_many_are_long_then_few_are_kept(engine: Engine) -> None:
    statements = Reader(engine).statements
    made: weakref.WeakSet[Prepared] = weakref.WeakSet()
    for number in range(300):
        made.add(statements[of_names][number,])
        statements[some_image][()]
    gc.collect()
    assert 10 < len(made) < 100  # of 300, and 600 of few values would all be there
    assert len([one for one in made if one is statements[of_names][299,]]) == 1
