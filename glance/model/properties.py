"""Custom properties: free text that clients attach to images."""

from __future__ import annotations

import re
from collections.abc import Iterable

from glance import errors

#: So begin names that the service keeps for itself.
RESERVED_PREFIX = "os_glance"
NAME_LIMIT = 255
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
VALUE_LIMIT = 65535


def check(names: Iterable[tuple[str, str | None]]) -> None:
    """Raises InvalidValue for a property whose name or value cannot be kept or sent back in a header."""
    for name, value in names:
        if not name or len(name) > NAME_LIMIT:
            raise errors.InvalidValue(value=name[:64], attribute="property", reason=f"A property name has 1 to {NAME_LIMIT} characters.")
        if value is not None and len(value) > VALUE_LIMIT:
            raise errors.InvalidValue(value=value[:64], attribute=name, reason=f"A property value has at most {VALUE_LIMIT} characters.")
        for text in (name, value or ""):
            if _CONTROL.search(text):
                raise errors.InvalidValue(value="...", attribute=ascii(name)[1:-1], reason="Control characters are not allowed.")
