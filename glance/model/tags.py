"""Tags: words that clients pin to images."""

from __future__ import annotations

from collections.abc import Iterable

from glance import errors

LIMIT = 255


def check(tags: Iterable[str]) -> None:
    """Raises InvalidValue for a tag that cannot be kept."""
    for tag in tags:
        if not 1 <= len(tag) <= LIMIT or "\0" in tag:
            raise errors.InvalidValue(value=ascii(tag[:64])[1:-1], attribute="tags", reason=f"A tag has 1 to {LIMIT} characters, none NUL.")
