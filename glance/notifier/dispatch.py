"""Which events go out, and where to."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence

from glance.context import RequestContext
from glance.interfaces import Notifier
from glance.model.events import Event

LOG = logging.getLogger(__name__)


class Dispatcher:
    """Passes events on to several notifiers. ``disabled`` names what nobody wants: a type such as ``image.send``, or a group such as
    ``image.member`` with all types below it."""

    def __init__(self, notifiers: Sequence[Notifier], disabled: Collection[str] = ()) -> None:
        self._notifiers = tuple(notifiers)
        self._disabled = frozenset(disabled)

    def emit(self, ctx: RequestContext, event: Event) -> None:
        if not self._disabled.isdisjoint(_groups(event.type)):
            return
        for notifier in self._notifiers:
            try:
                notifier.emit(ctx, event)
            except Exception:
                LOG.exception("A notification of type %s was lost", event.type)

    def close(self) -> None:
        for notifier in self._notifiers:
            notifier.close()


def _groups(kind: str) -> set[str]:
    """A type of event and the groups that it is in: ``image.member.create``, ``image.member``, ``image``."""
    words = kind.split(".")
    return {".".join(words[:count]) for count in range(1, len(words) + 1)}
