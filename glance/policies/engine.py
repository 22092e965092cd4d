"""Rules that an operator can change: oslo.policy's language, read from files that are watched."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

from oslo_policy.policy import Rules

from glance import errors
from glance.context import RequestContext
from glance.policies import rules as table

LOG = logging.getLogger(__name__)

#: Seconds between two looks at the files.
INTERVAL = 1.0

#: Which files of a directory hold rules.
SUFFIXES = frozenset({".yaml", ".yml", ".json"})

_REFERENCE = re.compile(r"\brule:([^\s()]+)")


class PolicyEngine:
    """The ``Policy`` of ``glance.interfaces``.

    Rules in the file (JSON or YAML, strings or lists of 2012) replace the defaults one by one, and those in the files of ``directories`` replace
    them in the order of their names; a missing file replaces none. A change of the files counts within a second, and files that cannot be used any
    more change nothing. At the first reading they raise ConfigurationError. ``classic`` takes the defaults of before 2021.

    ``rules`` are the checks by name, ``origins`` the files that those come from which are no defaults.
    """

    def __init__(
        self,
        path: Path | None,
        default_rule: str = table.DEFAULT_RULE,
        clock: Callable[[], float] = time.monotonic,
        *,
        directories: Sequence[Path] = (),
        classic: bool = False,
    ) -> None:
        self._path = path
        self._directories = directories
        self._default_rule = default_rule
        self._defaults = table.defaults(default_rule, classic=classic)
        self._clock = clock
        self._looked = clock()
        self._version = self._versions()
        self.rules, self.origins = self._read()

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
        """Reads the files again where one has changed."""
        self._looked = self._clock()
        version = self._versions()
        if version == self._version:
            return
        self._version = version
        try:
            self.rules, self.origins = self._read()
        except errors.ConfigurationError as error:
            LOG.error("%s The rules that were read before stay.", error)
        else:
            for path in version:
                LOG.info("The policy file %s has been read again.", path)

    def _versions(self) -> dict[Path, tuple[int, int, int]]:
        """The files that there are, in the order in which they count, each with what differs when it does."""
        versions = {}
        for path in self._candidates():
            try:
                status = path.stat()
            except OSError:
                continue
            versions[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return versions

    def _candidates(self) -> Iterator[Path]:
        if self._path:
            yield self._path
        for directory in self._directories:
            yield from sorted(path for path in directory.glob("[!.]*") if path.suffix in SUFFIXES)

    def _read(self) -> tuple[Rules, dict[str, Path]]:
        checks = Rules.from_dict(self._defaults, self._default_rule)
        origins: dict[str, Path] = {}
        for path in self._version:
            try:
                found = Rules.load(path.read_text() or "{}")
                checks.update(found)
                _refuse_cycles(checks)
            except (OSError, ValueError, AttributeError, TypeError) as error:
                raise errors.ConfigurationError(reason=f"The policy file {path} cannot be used: {error}") from error
            origins.update(dict.fromkeys(found, path))
        if self._path and self._path not in self._version:
            LOG.warning("There is no policy file %s: only the default rules count.", self._path)
        return checks, origins


def _refuse_cycles(checks: Rules) -> None:
    """Raises ValueError (CycleError) for a rule that refers to itself."""
    TopologicalSorter({name: _REFERENCE.findall(str(check)) for name, check in checks.items()}).prepare()
