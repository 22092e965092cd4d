"""glance-scrubber: erases the data of deleted images when it is time, and what dead processes left; or restores an image before that."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from glance import errors
from glance.bootstrap.scrubber import Scrubber, scrubber
from glance.cmd.launch import explained
from glance.service.recovery import restore

LOG = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Carries out the command line (default: that of the process) and returns the exit status."""
    os.umask(0o027)
    words = sys.argv[1:] if arguments is None else arguments
    return explained(lambda: _run(scrubber(words)))


def _run(what: Scrubber) -> int:
    if what.restore:
        restore(what.services, what.restore)
        print(f"Image {what.restore} is active again.")
    elif what.interval is None:
        what.scrub(lambda: True)
    else:
        _repeat(what.scrub, what.interval)
    for close in what.close:
        close()
    return 0


def _repeat(scrub: Callable[[Callable[[], bool]], None], interval: float) -> None:
    """Returns when SIGTERM or SIGINT comes, after what is being erased; what fails is logged, and tried again."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    while not ended.is_set():
        try:
            scrub(lambda: not ended.is_set())
        except errors.GlanceError as error:
            LOG.warning("Nothing was erased: %s", error.message)
        ended.wait(interval)
