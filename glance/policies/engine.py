"""Rules that an operator can change: oslo.policy's language, read from a file that is watched."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from oslo_policy.policy import Rules

from glance import errors
from glance.context import RequestContext
from glance.policies import rules as table

LOG = logging.getLogger(__name__)

#: Seconds between two looks at the file.
INTERVAL = 1.0

_REFERENCE = re.compile(r"\brule:([^\s()]+)")


class PolicyEngine:
    """The ``Policy`` of ``glance.interfaces``.

    Rules in the file (JSON or YAML, strings or lists of 2012) replace the defaults one by one; a missing file replaces none. A change of the file
    counts within a second, and a file that cannot be used any more changes nothing. At the first reading it raises ConfigurationError.
    """

    def __init__(self, path: Path | None, default_rule: str = table.DEFAULT_RULE, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._default_rule = default_rule
        self._clock = clock
        self._looked = clock()
        self._version = self._file_version()
        self.rules = self._read()

    def allows(self, rule: str, ctx: RequestContext, target: Mapping[str, object]) -> bool:
        if self._clock() - self._looked >= INTERVAL:
            self._refresh()
        # What the checks of a rule can name on their left side, under the names of every release.
        credentials = {
            "roles": list(ctx.roles),
            "service_roles": list(ctx.service_roles),
            "is_admin": ctx.is_admin,
            "read_only": ctx.read_only,
            "user": ctx.user,
            "user_id": ctx.user,
            "tenant": ctx.project,
            "project_id": ctx.project,
            "owner": ctx.owner,
        }
        return bool(self.rules[rule](dict(target), credentials, self, rule))

    def _refresh(self) -> None:
        """Reads the file again where it has changed."""
        self._looked = self._clock()
        version = self._file_version()
        if version == self._version:
            return
        self._version = version
        try:
            self.rules = self._read()
        except errors.ConfigurationError as error:
            LOG.error("%s The rules that were read before stay.", error)
        else:
            if version:
                LOG.info("The policy file %s has been read again.", self._path)

    def _file_version(self) -> tuple[int, int, int] | None:
        """What differs when the file does; None where there is none."""
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino) if status else None

    def _read(self) -> Rules:
        checks = Rules.from_dict(table.defaults(self._default_rule), self._default_rule)
        if self._path and self._version:
            try:
                checks.update(Rules.load(self._path.read_text() or "{}"))
                _refuse_cycles(checks)
            except (OSError, ValueError, AttributeError, TypeError) as error:
                raise errors.ConfigurationError(reason=f"The policy file {self._path} cannot be used: {error}") from error
        elif self._path:
            LOG.warning("There is no policy file %s: only the default rules count.", self._path)
        return checks


def _refuse_cycles(checks: Rules) -> None:
    """Raises ValueError (CycleError) for a rule that refers to itself."""
    TopologicalSorter({name: _REFERENCE.findall(str(check)) for name, check in checks.items()}).prepare()
