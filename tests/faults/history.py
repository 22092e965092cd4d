"""What clients did and were told: every call with its answer. From that follows what must be true afterwards, whatever went wrong meanwhile."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["create", "upload", "download", "patch", "delete"]


def digest_of(data: bytes) -> str:
    """What this service calls ``os_hash_value``."""
    return hashlib.sha512(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Call:
    """``way`` is how it was made, such as "v1 PUT". ``begun`` and ``ended`` are seconds of one clock. ``status`` is None where no answer came.

    ``digest`` is that of the data sent, or received; ``whole`` is false for data that a client sees to be cut. ``name`` is what a patch sets.
    """

    kind: Kind
    way: str
    image_id: str
    begun: float
    ended: float
    status: int | None
    digest: str = ""
    whole: bool = True
    name: str = ""

    @property
    def acknowledged(self) -> bool:
        return self.status is not None and self.status < 300

    @property
    def failed(self) -> bool:
        """No answer came, or that of a service in trouble (5xx): the client does not know whether it was done."""
        return self.status is None or self.status >= 500

    @property
    def refused(self) -> bool:
        """Certainly not done."""
        return not self.failed and not self.acknowledged


class Past:
    """The calls about one image, in the order of their beginnings."""

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        self._calls = sorted(calls, key=lambda call: call.begun)

    def acknowledged(self, kind: Kind) -> list[Call]:
        return [call for call in self._calls if call.kind == kind and call.acknowledged]

    def possible(self, kind: Kind) -> list[Call]:
        """Those that took effect, or may have."""
        return [call for call in self._calls if call.kind == kind and not call.refused]

    def refusals(self, kind: Kind) -> list[Call]:
        return [call for call in self._calls if call.kind == kind and call.refused]

    @property
    def contents(self) -> set[str]:
        """The digests that its data may have, if it has any."""
        return {call.digest for call in self.acknowledged("upload") or self.possible("upload")}

    @property
    def names(self) -> set[str]:
        """The names that it may have; empty where nobody has set one that must be there."""
        patches = self.possible("patch")
        last = max((number for number, call in enumerate(patches) if call.acknowledged), default=None)
        return set() if last is None else {call.name for call in patches[last:]}

    @property
    def must_be_there(self) -> bool:
        """Whether an upload was acknowledged, and nobody has deleted the image since."""
        return bool(self.acknowledged("upload")) and not self.possible("delete")


class History:
    """The calls of any number of clients at the same time."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        #: How many calls of each kind.
        self.acknowledged: Counter[Kind] = Counter()
        self._lock = threading.Lock()

    def keep(self, call: Call) -> None:
        with self._lock:
            self.calls.append(call)
            self.acknowledged[call.kind] += call.acknowledged

    def pasts(self) -> dict[str, Past]:
        """By the image's id."""
        found: dict[str, list[Call]] = defaultdict(list)
        with self._lock:
            for call in self.calls:
                found[call.image_id].append(call)
        return {image_id: Past(calls) for image_id, calls in found.items()}

    def write(self, path: Path) -> None:
        """A line of JSON for each call, to be looked into when something is wrong."""
        path.write_text("".join(json.dumps(asdict(call)) + "\n" for call in self.calls))
