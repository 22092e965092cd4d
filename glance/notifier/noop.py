"""Nobody wants to know."""

from __future__ import annotations

from glance.context import RequestContext
from glance.model.events import Event


class NoopNotifier:
    """Drops every event."""

    def emit(self, ctx: RequestContext, event: Event) -> None: ...

    def close(self) -> None: ...
