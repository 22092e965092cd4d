"""How programs start that keep a log: what goes wrong becomes one line and an exit status."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

from glance import errors
from glance.config import logs
from glance.server.prefork import serve
from glance.server.settings import Service
from glance.server.signals import hold_reload
from glance.tallies import Tallies

LOG = logging.getLogger(__name__)


def launch(load: Callable[[Tallies], Service]) -> int:
    """Serves until a signal comes. Returns as ``explained`` does."""
    hold_reload()
    os.umask(0o027)
    tallies = Tallies()
    return explained(lambda: serve(lambda: load(tallies), tallies))


def explained(run: Callable[[], int]) -> int:
    """Runs a program. Returns its exit status, or what an error asks for: 78 unsafe configuration file, 3 bad store, else 1."""
    try:
        return run()
    except errors.GlanceError as error:
        print(f"ERROR: {error.message}", file=sys.stderr)
        if logs.is_set_up():  # whoever has no terminal finds the reason in the log
            LOG.critical("%s", error.message)
        return getattr(error, "exit_status", 1)
