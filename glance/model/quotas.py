"""What the images of one owner may take together, and what they take (spec-v2 4.4, 4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from glance import errors

Measure = Literal["images", "uploading", "stored", "staged"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the images of an owner take, deleted ones left out: their number, how many of them get data at the moment, and bytes.

    ``stored`` are the sizes of all copies, ``staged`` those of data that wait to be imported; both with what running uploads have reserved.
    """

    images: int = 0
    uploading: int = 0
    stored: int = 0
    staged: int = 0


@dataclass(frozen=True, slots=True)
class Quotas:
    """The most that each ``Usage`` may be; -1 stands for no limit."""

    images: int = -1
    uploading: int = -1
    stored: int = -1
    staged: int = -1

    def check(self, usage: Usage, *grown: Measure) -> None:
        """Raises ProjectQuotaExceeded where one of the measures that have ``grown`` is beyond its limit."""
        for measure in grown:
            attempted, maximum = getattr(usage, measure), getattr(self, measure)
            if 0 <= maximum < attempted:
                raise errors.ProjectQuotaExceeded(what=_WORDS[measure], attempted=attempted, maximum=maximum)


@dataclass(frozen=True, slots=True)
class EqualQuotas:
    """The same quotas for every owner."""

    quotas: Quotas

    def of(self, owner: str | None) -> Quotas:  # noqa: ARG002
        return self.quotas

    def known(self, owner: str | None) -> Quotas | None:  # noqa: ARG002
        return self.quotas


_WORDS: dict[Measure, str] = {"images": "image", "uploading": "upload", "stored": "storage", "staged": "staging"}
