"""Events as lines of the log."""

from __future__ import annotations

import json
import logging

from glance.context import RequestContext
from glance.model.events import Event

LOG = logging.getLogger(__name__)

_LEVELS = {"INFO": logging.INFO, "ERROR": logging.ERROR}


class LogNotifier:
    """One line for each event: its type, the request that it came from, and its payload as JSON of printable ASCII."""

    def emit(self, ctx: RequestContext, event: Event) -> None:
        # JSON escapes all control characters but one.
        payload = json.dumps(event.payload()).replace("\x7f", "\\u007f")
        LOG.log(_LEVELS[event.priority], "%s %s %s", event.type, ctx.request_id or "-", payload)

    def close(self) -> None: ...
