"""Reading the configuration of a program that keeps a log."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

from glance.config import logs, programs
from glance.config.programs import Loaded

LOG = logging.getLogger(__name__)


def load(program: str, arguments: Sequence[str]) -> Loaded:
    """Reads the configuration. A process that has no log yet gets one now; one that reloads keeps its own until nothing was refused (``adopt``)."""
    loaded = programs.load(program, arguments)
    if not logs.is_set_up():
        logs.set_up(loaded.conf, program)
    return loaded


def adopt(loaded: Loaded) -> None:
    """Sends the log where the configuration says, and tells there what the operator should know."""
    logs.set_up(loaded.conf, loaded.program)
    if loaded.conf.debug:
        for line in loaded.banner():
            LOG.debug("%s", line)
    for warning in loaded.warnings():
        LOG.warning("%s", warning)
    if os.geteuid() == 0:
        LOG.warning("%s runs as root; it needs no rights but those to its own files, so start it as a user of its own.", loaded.program)
