"""The decision about an upload: does it have the format that was declared, and is it safe (spec-v2 13.2)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from oslo_utils.imageutils import format_inspector
from oslo_utils.imageutils.format_inspector import FileInspector

from glance import errors
from glance.inspector.detection import GPT, ISO, RAW, Detector
from glance.inspector.safety import DESCRIPTOR, failed_checks
from glance.interfaces import Inspection
from glance.model.image import Image

LOG = logging.getLogger(__name__)


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
        if image.container_format != "bare":
            return Uninspected()
        return FormatInspection(image, self._settings, must_match=must_match and self._settings.require_match)


class Uninspected:
    """Data in a container: what the disk in it is, only its readers see (spec-v2 13.1)."""

    virtual_size: int | None = None

    def update(self, chunk: bytes) -> None:
        """Nothing is looked at."""

    def finish(self) -> None:
        """Nothing is refused."""

    def close(self) -> None:
        """Nothing is held."""


class FormatInspection:
    """One upload."""

    def __init__(self, image: Image, settings: InspectorSettings, *, must_match: bool) -> None:
        self._image = image
        self._settings = settings
        self._must_match = must_match
        self._detector = Detector()
        self.virtual_size: int | None = None

    def update(self, chunk: bytes) -> None:
        self._detector.update(chunk)

    def finish(self) -> None:
        self._detector.finish()
        found = self._detector.matches
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
            self.virtual_size = self._detector.total or None
        elif found:
            size = self._detector.virtual_size(found[names[0]])
            self.virtual_size = size if size > 0 else None

    def close(self) -> None:
        """Nothing is held that outlives the stream."""

    def _mismatch(self, names: list[str]) -> str | None:
        """Why the data are not what was declared; None where they are, or may be."""
        declared = self._image.disk_format
        if self._detector.unreadable:
            return f"its {' and '.join(sorted(self._detector.unreadable))} structures cannot be read"
        if len(names) > 1:
            return f"its data are {' and '.join(names)} at once"
        [detected] = names
        opaque = declared not in format_inspector.ALL_FORMATS
        if declared in {detected, RAW} or (opaque and detected == RAW):
            return None
        return f"its data are {detected}"

    def _check_safety(self, found: dict[str, FileInspector]) -> None:
        """Raises ImageUnsafe."""
        if self._detector.is_descriptor:
            raise errors.ImageUnsafe(format=DESCRIPTOR[0], checks=DESCRIPTOR[1])
        for name, inspector in found.items():
            failed = failed_checks(self._detector, inspector)
            if not failed:
                continue
            if name != GPT or not self._settings.gpt_nonfatal.issuperset(failed):
                raise errors.ImageUnsafe(format=name, checks=", ".join(failed))
            LOG.warning("Image %s fails checks of its partition table that are not fatal here: %s", self._image.id, ", ".join(failed))
