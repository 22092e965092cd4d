"""A driver with deliberate bugs, which show that the checker sees what they do. Installed as docs/writing-a-driver.md tells."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob
from glance.model.image import Location
from glance.store.drivers.file import FileStore, FileStoreSettings

OPTIONS = (cfg.StrOpt("careless_directory"), cfg.StrOpt("careless_bug_file", help="It names the bug that there is now."))

ENTRY_POINTS = """\
[glance.store.drivers]
careless = tests.faults.careless:CarelessStore
[glance.store.options]
careless = tests.faults.careless:OPTIONS
"""


def install(directory: Path) -> None:
    """Makes the driver known to programs that find ``directory`` on their path."""
    described = directory / "careless-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: careless\nVersion: 1\n")
    (described / "entry_points.txt").write_text(ENTRY_POINTS)


class CarelessStore(FileStore):
    """A file store with the bug that its file names: ``forgets`` what was stored, ``cuts`` the last byte of it, ``garbles`` what is read, ``keeps``
    what is deleted, ``leaves`` an attempt for others to clean up, and cannot clean up itself."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        super().__init__(name, FileStoreSettings(Path(settings["careless_directory"])))
        self._directory = Path(settings["careless_directory"])
        self._file = Path(settings["careless_bug_file"])

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        if self._has("leaves"):
            raise errors.UploadLeftBehind(store=self.name)
        location = super().add(ctx, image_id, chunks, size)
        if self._has("forgets"):
            (self._directory / image_id).unlink()
        if self._has("cuts"):
            os.truncate(self._directory / image_id, (self._directory / image_id).stat().st_size - 1)
        return location

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob:
        blob = super().open(ctx, location, offset, length)
        return _Garbled(blob) if self._has("garbles") else blob

    def delete(self, ctx: RequestContext, location: Location) -> None:
        if not self._has("keeps"):
            super().delete(ctx, location)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        if self._has("leaves"):
            raise errors.StoreUnavailable(store=self.name)
        super().discard(ctx, image_id)

    def _has(self, bug: str) -> bool:
        return self._file.read_text() == bug


class _Garbled:
    """As many bytes, but other ones."""

    file = None

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self.length = blob.length

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._blob:
            yield bytes(byte ^ 1 for byte in chunk)

    def close(self) -> None:
        self._blob.close()
