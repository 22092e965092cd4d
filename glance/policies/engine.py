"""Rules that an operator can change: oslo.policy's language, read from files that are watched."""

from __future__ import annotations

import logging
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oslo_policy.policy import Rules

from glance import errors
from glance.context import RequestContext
from glance.policies import checks, language
from glance.policies import rules as table
from glance.policies.compiled import CompiledRules

LOG = logging.getLogger(__name__)

#: Seconds between two looks at the files.
INTERVAL = 1.0

#: Which files of a directory hold rules.
SUFFIXES = frozenset({".yaml", ".yml", ".json"})

#: The files that there are, in the order in which they count, each with what differs when it does (the time of its last change first), or why it
#: cannot be looked at.
_Version = Mapping[Path, tuple[int, ...] | str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one reading of the files has found: replaced as a whole, so that no request sees half of it. ``decided`` are the rules that the files
    have a say in."""

    rules: Rules
    origins: Mapping[str, Path]
    decided: frozenset[str]
    compiled: CompiledRules


class PolicyEngine:
    """The ``Policy`` of ``glance.interfaces``.

    Rules in the file (JSON or YAML, strings or lists of 2012) replace the defaults one by one, and those in the files of ``directories`` replace
    them in the order of their names; a missing file replaces none. ``read`` gives the text of a file, and may refuse it with ConfigurationError.
    ``classic`` takes the defaults of before 2021.

    The files are looked at once a second by ``clock``, which is that of the files. A change counts once it is a second old, or two looks in a row
    have seen it: a file that is just being written does not count, nor does its absence. Files that cannot be used any more change nothing; at the
    first reading they raise ConfigurationError.

    Where a rule of the service refers to one that there is not, the files cannot be used: ``default`` would decide, which allows everybody. Any other
    such rule, as of a feature that is not here, counts as if it were not there.

    A check may stand for a rule, as in oslo.policy's own enforcer.

    ``rules`` are the checks by name, ``origins`` the files that those come from which are no defaults.
    """

    def __init__(
        self,
        path: Path | None,
        default_rule: str = table.DEFAULT_RULE,
        clock: Callable[[], float] = time.time,
        *,
        directories: Sequence[Path] = (),
        classic: bool = False,
        read: Callable[[Path], str] = Path.read_text,
    ) -> None:
        self._path = path
        self._directories = directories
        self._default_rule = default_rule
        self._defaults = table.defaults(default_rule, classic=classic)
        self._clock = clock
        self._text = read
        self._looking = threading.Lock()
        self._looked = clock()
        self._version = self._seen = self._look()
        self._reading = self._read(self._version)

    @property
    def rules(self) -> Rules:
        return self._reading.rules

    @property
    def origins(self) -> Mapping[str, Path]:
        return self._reading.origins

    def allows(self, rule: str | checks.Check, ctx: RequestContext, target: Mapping[str, object]) -> bool:
        if abs(self._clock() - self._looked) >= INTERVAL:  # a clock may be set back
            self._refresh()
        compiled = self._reading.compiled
        check = compiled.by_name.get(rule, compiled.otherwise) if isinstance(rule, str) else compiled.of(rule)
        return check(ctx, target)

    def knows(self, rule: str) -> bool:
        return rule in self.rules

    def is_default(self, rule: str) -> bool:
        return rule not in self._reading.decided

    def _refresh(self) -> None:
        """Reads the files again where they have changed, and stay as they are."""
        with self._looking:
            if abs(self._clock() - self._looked) < INTERVAL:
                return  # another thread has looked meanwhile
            self._looked = self._clock()
            before, self._seen = self._seen, self._look()
            if self._seen != self._version and (self._seen == before or self._is_settled(self._seen)):
                self._read_again(self._seen)

    def _is_settled(self, version: _Version) -> bool:
        """Whether nothing was taken away, and no file was written within a second."""
        latest = (self._clock() - INTERVAL) * 1e9
        return self._version.keys() <= version.keys() and all(isinstance(state, tuple) and state[0] < latest for state in version.values())

    def _read_again(self, version: _Version) -> None:
        try:
            reading = self._read(version)
        except errors.ConfigurationError as error:
            self._version = version
            LOG.error("%s The rules that were read before stay.", error)
            return
        if self._look() != version:
            return  # written while it was read: the next looks will see
        self._version = version
        self._reading = reading
        for path in version:
            LOG.info("The policy file %s has been read again.", path)

    def _look(self) -> _Version:
        return dict(self._files())

    def _files(self) -> Iterator[tuple[Path, tuple[int, ...] | str]]:
        if self._path:
            yield from _looked_at(self._path)
        for directory in self._directories:
            try:
                paths = sorted(path for path in directory.iterdir() if path.suffix in SUFFIXES and not path.name.startswith("."))
            except FileNotFoundError:
                continue
            except OSError as error:
                yield directory, error.strerror or str(error)
                continue
            for path in paths:
                yield from _looked_at(path)

    def _read(self, version: _Version) -> _Reading:
        rules = Rules.from_dict(self._defaults, self._default_rule)
        origins: dict[str, Path] = {}
        for path, state in version.items():
            try:
                if isinstance(state, str):
                    raise ValueError(state)
                found = language.load(self._text(path))
                rules.update(found)
                checks.refuse_cycles(rules)
                checks.refuse_unusable(found)
            except errors.ConfigurationUnsafe:
                raise
            except (errors.ConfigurationError, OSError, ValueError) as error:
                raise errors.ConfigurationError(reason=f"The policy file {path} cannot be used: {error}") from error
            origins.update(dict.fromkeys(found, path))
        if self._path and self._path not in version:
            LOG.warning("There is no policy file %s: only the default rules count.", self._path)
        for name in self._unresolved(rules):
            del rules[name], origins[name]
        unused = origins.keys() - self._defaults.keys() - checks.referred(rules)
        if unused:
            LOG.warning("The policy has rules that nothing asks for, unless property protections do: %s.", _listed(unused))
        return _Reading(rules, origins, checks.decided(rules, origins), CompiledRules(rules, self._default_rule))

    def _unresolved(self, rules: Rules) -> frozenset[str]:
        """Rules that refer, also by way of others, to one that there is not. Raises ConfigurationError where the service asks for one of them."""
        missing = checks.referred(rules) - rules.keys()
        unresolved = checks.decided(rules, missing) - missing
        asked = unresolved & self._defaults.keys()
        if asked:
            reason = f"The policy cannot be used: {_listed(asked)} refers to a rule that there is not: {_listed(missing)}."
            raise errors.ConfigurationError(reason=reason)
        if unresolved:
            LOG.warning("The policy's rules %s do not count: they refer to rules that there are not: %s.", _listed(unresolved), _listed(missing))
        return unresolved


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _looked_at(path: Path) -> Iterator[tuple[Path, tuple[int, ...] | str]]:
    """The file, unless there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        yield path, error.strerror or str(error)
    else:
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for whoever writes it
            yield path, "it is no regular file"
            return
        yield path, (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)  # the inode's own time: a new mode counts too
