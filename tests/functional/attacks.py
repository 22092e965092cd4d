"""One attack: what is sent, and what must come back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.functional.conftest import Target


@dataclass(frozen=True)
class Attack:
    """What is sent and which statuses may come back, one answer for all of it. ``shows`` must be in the JSON of the answer, ``tells`` in its text."""

    name: str
    data: bytes
    status: frozenset[int]
    shows: str = ""
    tells: str = ""

    def run(self, target: Target) -> None:
        """Sends it: it is answered once, and nothing is harmed."""
        answers = target.glance.raw_answers(self.data, timeout=15)

        assert len(answers) == 1
        assert answers[0].status in self.status, answers[0].text[:500]
        target.check_silent(answers[0])
        if self.shows:
            assert self.shows in json.dumps(answers[0].json, ensure_ascii=False)
        assert self.tells in answers[0].text
        target.check_alive()


def attack(name: str, data: bytes, *status: int, shows: str = "", tells: str = "") -> Attack:
    return Attack(name, data, frozenset(status), shows, tells)
