"""Whether the service can do its work at this moment. Nobody is asked who asks: the answers name parts and error codes, and nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from glance import errors
from glance.context import unauthenticated
from glance.interfaces import Probed, Registry, Store

LOG = logging.getLogger(__name__)

#: Seconds that all checks together may take; one that is not done then has failed.
PATIENCE = 3.0
#: Seconds that a finding holds, so that whoever asks without a pause costs nothing.
FRESH = 1.0
#: The same where asking means writing.
STORE_FRESH = 10.0
#: The code of a check that did not end in time.
TIMEOUT = "timeout"
#: The part that fails once this process is about to end, and its code.
SHUTDOWN, STOPPING = "shutdown", "stopping"

#: An id that no image has.
_NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Check:
    """A part that the service needs. ``run`` raises GlanceError where it fails; what it found holds for ``fresh`` seconds."""

    part: str
    run: Callable[[], object]
    fresh: float = FRESH


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: the code of an error, None where there was none."""

    part: str
    error: str | None


class Health:
    """Runs all checks at once, each on a thread; one that hangs is not started a second time."""

    def __init__(self, checks: Sequence[Check], patience: float = PATIENCE) -> None:
        self._patience = patience
        self._watches = [_Watch(check) for check in checks]
        self._leaving = False

    def leave(self) -> None:
        """From now on this process is not ready any more, since it will end; nothing is checked for that."""
        self._leaving = True

    def findings(self) -> tuple[Finding, ...]:
        """In the order of the checks, within ``patience`` seconds."""
        if self._leaving:
            return (Finding(SHUTDOWN, STOPPING),)
        deadline = monotonic() + self._patience
        for watch in self._watches:
            watch.start()
        return tuple(Finding(watch.check.part, watch.error(deadline)) for watch in self._watches)


class _Watch:
    """One check and what it found last."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self._changed = threading.Condition()
        self._runs = False
        self._looked = -float("inf")
        self._error: str | None = None

    def start(self) -> None:
        with self._changed:
            if not self._runs and monotonic() - self._looked >= self.check.fresh:
                threading.Thread(target=self._run, daemon=True).start()  # raises where the system has no thread left
                self._runs = True

    def error(self, deadline: float) -> str | None:
        with self._changed:
            done = self._changed.wait_for(lambda: not self._runs, deadline - monotonic())
            return self._error if done else TIMEOUT

    def _run(self) -> None:
        found = _error_of(self.check)
        with self._changed:
            self._error, self._looked, self._runs = found, monotonic(), False
            self._changed.notify_all()


def _error_of(check: Check) -> str | None:
    try:
        check.run()
    except errors.GlanceError as error:
        return error.code
    except Exception:
        LOG.exception("The check of the %s failed", check.part)
        return errors.GlanceError.code
    return None


def store_check(store: Store) -> Check:
    """Whether new images can be stored. A store that is full serves what it has, and one that only reads has nothing to try."""
    return Check("store", lambda: _try_to_store(store), STORE_FRESH)


def _try_to_store(store: Store) -> None:
    if isinstance(store, Probed):
        try:
            store.probe()
        except errors.StorageFull:
            return


def registry_check(registry: Registry) -> Check:
    """Whether the registry answers us: a look for an image that is not there costs it next to nothing."""
    return Check("registry", lambda: _ask(registry))


def _ask(registry: Registry) -> None:
    try:
        registry.images.get(unauthenticated(), _NOBODY)
    except errors.ImageNotFound:
        return
