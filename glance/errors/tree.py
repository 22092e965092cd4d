"""The root of all errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar


class GlanceError(Exception):
    """Root of the tree.

    ``details`` are the named values of the message; they are plain text or numbers, so that an error can cross a wire. They are shown
    to clients, therefore no path, location or secret may stand in them.
    """

    code: ClassVar[str] = "glance-error"
    template: ClassVar[str] = "The request could not be carried out."

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()

    def __init__(self, **details: str | int) -> None:
        self.details = details
        super().__init__(self.template.format(**details))

    @property
    def message(self) -> str:
        """One sentence that names the cause."""
        return str(self.args[0])


def every_error(root: type[GlanceError] = GlanceError) -> Iterator[type[GlanceError]]:
    """``root`` and all classes below it."""
    yield root
    for child in root.__subclasses__():
        yield from every_error(child)
