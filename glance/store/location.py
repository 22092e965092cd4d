"""The URLs of locations: taken apart, and printed without what may be secret; and the names of images that may stand in them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

#: An id that is used as a name: nothing in it means more to a file system, a URL, or a server.
IMAGE_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
_FORM = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/]*)(?P<path>/.*)?")


@dataclass(frozen=True, slots=True)
class LocationUrl:
    """``scheme://authority/path``; the path is kept as it was written, unquoted and with everything that follows. Printed as its scheme only."""

    scheme: str
    authority: str = field(repr=False)
    path: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://..."


def parse(url: str) -> LocationUrl | None:
    """The parts of a location's URL, the scheme in lower case; None for text of another form, and for any with control characters."""
    found = _FORM.fullmatch(url)
    if found is None or not url.isprintable():
        return None
    return LocationUrl(scheme=found["scheme"].lower(), authority=found["authority"], path=found["path"] or "")
