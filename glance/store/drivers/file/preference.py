"""Which of several directories takes a new image."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from glance import errors


class Directory(Protocol):
    """A directory, as far as it matters here."""

    priority: int

    def free(self) -> int: ...


D = TypeVar("D", bound=Directory)


def by_preference(directories: Sequence[D], failures: list[errors.GlanceError]) -> Iterator[D]:
    """The directories that may have room, of which those of a priority follow each other; what is wrong with others goes to ``failures``. Looks at
    those of a priority when it comes to them."""
    for _priority, equals in itertools.groupby(directories, key=lambda one: one.priority):
        found = []
        for directory in equals:
            try:
                found.append((directory.free(), directory))
            except errors.StorageFull:
                continue
            except errors.Unavailable as error:
                failures.append(error)
        yield from (directory for _free, directory in sorted(found, key=lambda one: -one[0]))
