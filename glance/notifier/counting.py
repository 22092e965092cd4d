"""Counts what use cases tell, on its way to others."""

from __future__ import annotations

from glance.context import RequestContext
from glance.interfaces import Notifier
from glance.model import metrics
from glance.model.events import Event, ImageDamaged, ImageSent, ImageUploaded
from glance.tallies import Tallies


class CountingNotifier:
    """A notifier in front of another one."""

    def __init__(self, notifier: Notifier, tallies: Tallies) -> None:
        self._notifier = notifier
        self._tallies = tallies

    def emit(self, ctx: RequestContext, event: Event) -> None:
        if isinstance(event, ImageUploaded) and event.image.location is not None:
            self._tallies.count(metrics.STORE_BYTES.name, event.image.location.store, "in", amount=event.image.size or 0)
        elif isinstance(event, ImageSent) and event.store:
            self._tallies.count(metrics.STORE_BYTES.name, event.store, "out", amount=event.sent)
        elif isinstance(event, ImageDamaged):
            self._tallies.count(metrics.INTEGRITY_FAILURES.name, event.store)
        self._notifier.emit(ctx, event)

    def close(self) -> None:
        self._notifier.close()
