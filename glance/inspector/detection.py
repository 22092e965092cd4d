"""Which formats a stream has: oslo.utils' inspectors, fed alike whatever pieces the stream comes in."""

from __future__ import annotations

import logging

from oslo_utils.imageutils import format_inspector
from oslo_utils.imageutils.format_inspector import FileInspector

LOG = logging.getLogger(__name__)

#: The format of whatever has no other.
RAW = "raw"
#: The format of disks with a partition table, of either kind.
GPT = "gpt"
ISO = "iso"

#: Bytes that inspectors are fed at a time. Some look at their first piece only; the longest header, a descriptor of VMDK, is shorter than this.
BLOCK = 1024 * 1024

#: A shorter stream is inspected as if empty lines followed up to here. Readers of disks go on behind the end of a file, so a header that is cut
#: short has its effect; and a stream of text must remain one, since descriptors of VMDK are text.
SHORTEST = 1024

#: Formats of which the disk is as long as the stream, but for a header.
_GROWING = frozenset({GPT, "luks"})


class Detector:
    """Watches a stream; knows its formats after ``finish``. Holds less than two blocks beside what inspectors keep, which is bounded too."""

    def __init__(self) -> None:
        self._inspectors = [make() for name, make in format_inspector.ALL_FORMATS.items() if name != RAW]
        self._hungry = list(self._inspectors)
        self._failed: list[FileInspector] = []
        self._held = bytearray()
        self._begun = False
        self.total = 0
        #: A stream of text that VMDK's readers take for the description of a disk in other files.
        self.is_descriptor = False
        #: What was found, by name; nothing for raw data.
        self.matches: dict[str, FileInspector] = {}
        #: Formats whose inspectors could not make sense of the stream, though it begins as theirs do or may.
        self.unreadable: set[str] = set()

    def update(self, chunk: bytes) -> None:
        self.total += len(chunk)
        if not self._hungry:
            return
        self._held += chunk
        while len(self._held) >= BLOCK:
            self._feed(bytes(self._held[:BLOCK]))
            del self._held[:BLOCK]

    def finish(self) -> None:
        rest = bytes(self._held)
        self._feed(rest.ljust(SHORTEST, b"\n") if self.total < SHORTEST else rest)
        for inspector in self._inspectors:
            inspector.finish()
            matches = _matches(inspector)
            if matches:
                self.matches[inspector.NAME] = inspector
            if matches is None or (matches and inspector in self._failed):
                self.unreadable.add(inspector.NAME)

    def virtual_size(self, inspector: FileInspector) -> int:
        """Bytes of the disk in a stream that matches; 0 where the format does not tell."""
        unseen = self.total - inspector.actual_size if inspector.NAME in _GROWING else 0
        return inspector.virtual_size + unseen

    def _feed(self, block: bytes) -> None:
        if not self._begun:
            self._begun = True
            self.is_descriptor = b"createtype" in block.partition(b"\0")[0].lower()
        for inspector in self._hungry:
            try:
                inspector.eat_chunk(block)
            except Exception as error:  # noqa: BLE001 - this is how inspectors say that a stream is none of theirs
                LOG.debug("Not %s: %r", inspector.NAME, error)
                self._failed.append(inspector)
        self._hungry = [one for one in self._hungry if not one.complete and one not in self._failed]


def _matches(inspector: FileInspector) -> bool | None:
    """None where the inspector cannot tell."""
    try:
        return inspector.format_match
    except Exception as error:  # noqa: BLE001 - a library that parses what anybody may send
        LOG.debug("The inspector of %s fails: %r", inspector.NAME, error)
        return None
