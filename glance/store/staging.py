"""The store where data wait to be imported."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime

from glance import errors
from glance.context import RequestContext
from glance.model.image import Location
from glance.model.stores import Found
from glance.store.drivers.file import FileStore, FileStoreSettings

LOG = logging.getLogger(__name__)

#: No store of an operator has a name that begins like this one.
NAME = "os_glance_staging_store"


class StagingStore(FileStore):
    """Files as the file store keeps them, in a directory that is made when something is staged for the first time: a service that stages nothing
    needs no rights there."""

    def __init__(self, settings: FileStoreSettings) -> None:
        super().__init__(NAME, settings)
        self._ready = False

    def probe(self) -> None:
        self._make_ready()
        super().probe()

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        self._make_ready()
        return super().add(ctx, image_id, chunks, size)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        self._make_ready()
        super().discard(ctx, image_id)

    def contents(self) -> Iterator[Found]:
        [directory] = self._directories
        if directory.exists():
            self._make_ready()
            yield from super().contents()

    def now(self) -> datetime:
        self._make_ready()
        return super().now()

    def _make_ready(self) -> None:
        if not self._ready:
            try:
                self.check()
            except errors.ConfigurationError as error:
                LOG.error("Nothing can be staged, see node_staging_uri (with enabled_backends: [%s]): %s", NAME, error.message)
                raise errors.StoreUnavailable(store=self.name) from None
            self._ready = True
