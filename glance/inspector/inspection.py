"""The formats of a stream, as oslo.utils' inspectors see them, and the decision about an upload: has it the format that was declared, and is it safe
(spec-v2 13.2)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from oslo_utils.imageutils import format_inspector
from oslo_utils.imageutils.format_inspector import FileInspector

from glance import errors
from glance.inspector.safety import DESCRIPTOR, failed_checks
from glance.interfaces import Inspection
from glance.model.formats import BARE
from glance.model.image import Image
from glance.stream import Watcher

LOG = logging.getLogger(__name__)

#: The format of whatever has no other.
RAW = "raw"
#: The format of disks with a partition table, of either kind.
GPT = "gpt"
ISO = "iso"

#: Bytes that inspectors are fed at a time. Some look at their first piece only.
BLOCK = 64 * 1024

#: The first piece of a stream that begins as text: it may be a descriptor of VMDK, which is shorter than this and is looked at whole.
TEXT_BLOCK = 1024 * 1024

#: A shorter stream is inspected as if empty lines followed up to here. Readers of disks go on behind the end of a file, so a header that is cut
#: short has its effect; and a stream of text must remain one, since descriptors of VMDK are text.
SHORTEST = 1024

#: Formats of which the disk is as long as the stream, but for a header.
_GROWING = frozenset({GPT, "luks"})


@dataclass(frozen=True, slots=True)
class InspectorSettings:
    """``require_match``: data of another format than declared are refused. ``gpt_nonfatal``: checks of partition tables that an image may fail."""

    require_match: bool = True
    gpt_nonfatal: frozenset[str] = frozenset()


class FormatInspector:
    """``glance.interfaces.Inspector`` by oslo.utils' format inspectors."""

    def __init__(self, settings: InspectorSettings) -> None:
        self._settings = settings

    def inspection(self, image: Image, *, must_match: bool) -> Inspection:
        if image.container_format != BARE:
            return Uninspected()
        return FormatInspection(image, self._settings, must_match=must_match and self._settings.require_match)


class Uninspected(Watcher):
    """Data in a container: what the disk in it is, only its readers see (spec-v2 13.1)."""

    virtual_size: int | None = None

    def update(self, chunk: bytes) -> None:
        """Nothing is looked at."""


class FormatInspection(Watcher):
    """One upload. Holds one piece of the stream at most, beside what inspectors keep, which is bounded too."""

    def __init__(self, image: Image, settings: InspectorSettings, *, must_match: bool) -> None:
        self._image = image
        self._settings = settings
        self._must_match = must_match
        self.virtual_size: int | None = None
        #: Those that want more of the stream. The others were asked what they think, and forgotten with what they kept, unless it is theirs.
        self._hungry = [make() for name, make in format_inspector.ALL_FORMATS.items() if name != RAW]
        self._held = bytearray()
        self._begun = False
        self._total = 0
        #: A stream of text that VMDK's readers take for the description of a disk in other files.
        self._is_descriptor = False
        #: What was found, by name; nothing for raw data.
        self._found: dict[str, FileInspector] = {}
        #: Formats whose inspectors could not make sense of the stream, though it begins as theirs do or may.
        self._unreadable: set[str] = set()

    def update(self, chunk: bytes) -> None:
        self._total += len(chunk)
        if not self._hungry:
            return
        self._held += chunk
        size = BLOCK if self._begun or b"\0" in self._held[:BLOCK] else TEXT_BLOCK
        while len(self._held) >= size:
            self._feed(bytes(self._held[:size]))
            del self._held[:size]
            size = BLOCK
        if not self._hungry:
            self._held.clear()

    def finish(self) -> None:
        rest = bytes(self._held)
        self._feed(rest.ljust(SHORTEST, b"\n") if self._total < SHORTEST else rest)
        for inspector in self._hungry:
            self._ask(inspector)
        found = self._found
        if found.keys() == {GPT, ISO}:
            # An image of a disc that boots from a disk as well.
            found = {ISO: found[ISO]}
        names = sorted(found) or [RAW]
        problem = self._mismatch(names)
        if problem and self._must_match:
            raise errors.DataFormatMismatch(declared=str(self._image.disk_format), finding=problem)
        self._check_safety(found)
        if problem:
            LOG.warning("Image %s is declared %s, but %s", self._image.id, self._image.disk_format, problem)
        elif self._image.disk_format == RAW:
            if found:
                LOG.warning("Image %s is declared raw, but its data are %s", self._image.id, names[0])
            self.virtual_size = self._total or None
        elif found:
            size = self._size_of_disk(found[names[0]])
            self.virtual_size = size if size > 0 else None

    def _ask(self, inspector: FileInspector, *, failed: bool = False) -> None:
        """Whether the stream is of the format of an inspector that gets no more of it."""
        try:
            inspector.finish()
            matches = inspector.format_match
        except Exception as error:  # noqa: BLE001 - a library that parses what anybody may send
            LOG.debug("The inspector of %s fails: %r", inspector.NAME, error)
            self._unreadable.add(inspector.NAME)
            return
        if matches:
            self._found[inspector.NAME] = inspector
            if failed:
                self._unreadable.add(inspector.NAME)
            return
        for name in inspector.context_info:
            inspector.region(name).data = b""  # an inspector refers to itself: it would keep them until the garbage collector comes

    def _size_of_disk(self, inspector: FileInspector) -> int:
        """Bytes of the disk in a stream that matches; 0 where the format does not tell."""
        unseen = self._total - inspector.actual_size if inspector.NAME in _GROWING else 0
        return inspector.virtual_size + unseen

    def _feed(self, block: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._is_descriptor = b"createtype" in block.partition(b"\0")[0].lower()
        hungry, self._hungry = self._hungry, []
        for inspector in hungry:
            try:
                inspector.eat_chunk(block)
            except Exception as error:  # noqa: BLE001 - this is how inspectors say that a stream is none of theirs
                LOG.debug("Not %s: %r", inspector.NAME, error)
                self._ask(inspector, failed=True)
                continue
            if inspector.complete:
                self._ask(inspector)
            else:
                self._hungry.append(inspector)

    def _mismatch(self, names: list[str]) -> str | None:
        """Why the data are not what was declared; None where they are, or may be."""
        declared = self._image.disk_format
        if self._unreadable:
            return f"its {' and '.join(sorted(self._unreadable))} structures cannot be read"
        if len(names) > 1:
            return f"its data are {' and '.join(names)} at once"
        [detected] = names
        opaque = declared not in format_inspector.ALL_FORMATS
        if declared in {detected, RAW} or (opaque and detected == RAW):
            return None
        return f"its data are {detected}"

    def _check_safety(self, found: dict[str, FileInspector]) -> None:
        """Raises ImageUnsafe."""
        if self._is_descriptor:
            raise errors.ImageUnsafe(format=DESCRIPTOR[0], checks=DESCRIPTOR[1])
        for name, inspector in found.items():
            failed = ["readable"] if name in self._unreadable else failed_checks(inspector, self._size_of_disk)
            if not failed:
                continue
            if name != GPT or not self._settings.gpt_nonfatal.issuperset(failed):
                raise errors.ImageUnsafe(format=name, checks=", ".join(failed))
            LOG.warning("Image %s fails checks of its partition table that are not fatal here: %s", self._image.id, ", ".join(failed))
