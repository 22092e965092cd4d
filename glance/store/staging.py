"""The store where data wait to be imported."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence

from glance import errors
from glance.context import RequestContext
from glance.model.image import Location
from glance.store.drivers.file import FileStore, FileStoreSettings

LOG = logging.getLogger(__name__)

#: No store of an operator has a name that begins like this one.
NAME = "os_glance_staging_store"

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: A file that is complete, or one that was being written.
_NAME = re.compile(rf"({_UUID})|\.({_UUID})\.[0-9a-f]+")


class StagingStore(FileStore):
    """Files as the file store keeps them, in a directory that is made when something is staged for the first time: a service that stages nothing
    needs no rights there."""

    def __init__(self, settings: FileStoreSettings) -> None:
        super().__init__(NAME, settings)
        self._ready = False

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        self._make_ready()
        return super().add(ctx, image_id, chunks, size)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        self._make_ready()
        super().discard(ctx, image_id)

    def held(self) -> Sequence[str]:
        """Only UUIDs count: whatever else lies in the directory was not put there by us."""
        [directory] = self._directories
        if not directory.exists():
            return ()
        named = (_NAME.fullmatch(name) for name in directory.names())
        return sorted({found[1] or found[2] for found in named if found})

    def _make_ready(self) -> None:
        if not self._ready:
            try:
                self.check()
            except errors.ConfigurationError as error:
                LOG.error("Nothing can be staged, see node_staging_uri (with enabled_backends: [%s]): %s", NAME, error.message)
                raise errors.StoreUnavailable(store=self.name) from None
            self._ready = True
