"""The Range header (RFC 9110, section 14). WebOb's own reading takes a suffix longer than the data for an error and many ranges for their first."""

from __future__ import annotations

import re

from glance import errors

_ONE_RANGE = re.compile(r"bytes *= *([0-9]{0,30}) *- *([0-9]{0,30}) *\Z", re.IGNORECASE)


def parse_strictly(header: str, size: int) -> tuple[int, int]:
    """``parse`` for version 2, which refuses what version 1 ignores (spec-v2 3.2). Raises Invalid for several ranges, RangeNotSatisfiable."""
    if "," in header:
        raise errors.Invalid(reason="Only one range can be served in one request; ask for each in a request of its own.")
    part = parse(header, size)
    if part is None:
        raise errors.RangeNotSatisfiable(size=size)
    return part


def parse(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last that are asked of ``size`` bytes; None for a header that is to be ignored: of another unit, malformed,
    or with several ranges. Raises RangeNotSatisfiable."""
    match = _ONE_RANGE.match(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise errors.RangeNotSatisfiable(size=size)
    return start, stop
