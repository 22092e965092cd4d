"""What rows are measured with: services that start when a row first needs them, and the samples of all rounds."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from benchmarks import measuring, populate, services
from benchmarks.measuring import Sample
from benchmarks.processes import Tree
from benchmarks.services import Host, Nginx, Postgres, Target
from benchmarks.wire import MIB
from glance.testing.servers import Glance

POSTGRESQL, SQLITE, EMBEDDED = "PostgreSQL", "SQLite", "PostgreSQL, embedded registry"


@dataclass(frozen=True)
class Peer:
    """Who stands beside us. ``place`` is a base URL, or the path of a checkout whose programs are to be run; ``many`` is a base URL for the rows with
    many images, ``pid`` the first process of a server that we have not started."""

    name: str
    place: str
    many: str | None = None
    pid: int | None = None


@dataclass(frozen=True)
class Plan:
    """How much is measured: ``size`` is bytes of an image, ``seconds`` are those of each count of requests, ``few`` and ``many`` are images,
    ``calls`` how often each list is asked for, ``slow`` how many slow uploads there are."""

    rounds: int = 5
    seconds: float = 3
    size: int = 1024 * MIB
    few: int = 1000
    many: int = 100_000
    calls: int = 40
    slow: int = 200
    host: Host = "own"
    peers: tuple[Peer, ...] = ()


@dataclass
class Bench:
    """``root`` is a directory for everything, ``stack`` ends what was started, ``samples`` are all that was measured, by row and name."""

    plan: Plan
    root: Path
    stack: contextlib.ExitStack
    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def in_turn(self, measures: Mapping[str, Callable[[], Sample]], what: str, rounds: int | None = None) -> dict[str, list[Sample]]:
        """``measuring.in_turn``, keeping the samples as those of ``what``."""
        taken = measuring.in_turn(rounds or self.plan.rounds, measures)
        self.samples[what] = taken
        return taken

    # With few images

    @cached_property
    def ours(self) -> Target:
        """Ours on PostgreSQL, like those that it is compared with."""
        return services.target(measuring.OURS, self._populated(self.started(database=self._postgres.new())))

    @cached_property
    def embedded(self) -> Target:
        """The same with the registry in glance-api: a service of one kind of process."""
        made = services.glance(self._directory(), self.plan.host, database=self._postgres.new(), embedded=True)
        return services.target(EMBEDDED, self._populated(self.stack.enter_context(made)))

    @cached_property
    def on_sqlite(self) -> Target:
        return services.target(SQLITE, self._populated(self.started()))

    @cached_property
    def peers(self) -> list[Target]:
        """All that were named, with as many images as ours."""
        return [self._beside(peer) for peer in self.plan.peers]

    @cached_property
    def nginx(self) -> Nginx:
        return self.stack.enter_context(services.nginx(self._directory()))

    # With many

    @cached_property
    def with_many(self) -> dict[str, Glance]:
        """Ours on each database, with as many images as the plan says."""
        on_sqlite, on_postgresql = self._made(), self._made(database=self._postgres.new())
        populate.sqlite_file(on_sqlite.database, self.plan.many)
        populate.copied(on_sqlite.database, on_postgresql.option("registry", "database", "connection"))
        return {SQLITE: self.stack.enter_context(on_sqlite), POSTGRESQL: self.stack.enter_context(on_postgresql)}

    # More of ours

    def configured(self, options: Mapping[str, object]) -> Target:
        """Another one with options of its own, on PostgreSQL."""
        return services.target(measuring.OURS, self.started(database=self._postgres.new(), options=options))

    def started(self, *, database: str | None = None, programs: Path | None = None, options: Mapping[str, object] | None = None) -> Glance:
        """Another one that runs until the end."""
        return self.stack.enter_context(self._made(database=database, programs=programs, options=options))

    def _made(self, *, database: str | None = None, programs: Path | None = None, options: Mapping[str, object] | None = None) -> Glance:
        return services.glance(self._directory(), self.plan.host, database=database, programs=programs, options=options)

    def _populated(self, glance: Glance) -> Glance:
        populate.over_http(glance.url, self.plan.few)
        return glance

    def _beside(self, peer: Peer) -> Target:
        if "://" in peer.place:
            populate.over_http(peer.place, self.plan.few)
            pid = peer.pid
            return Target(peer.name, peer.place, Tree(lambda: [pid]) if pid else None, peer.many)
        programs = Path(peer.place).resolve() / ".venv" / "bin"
        made = services.glance(self._directory(), "own", database=self._postgres.new(), programs=programs)
        return services.target(peer.name, self._populated(self.stack.enter_context(made)))

    @cached_property
    def _postgres(self) -> Postgres:
        return self.stack.enter_context(Postgres())

    def _directory(self) -> Path:
        return self.root / str(next(self._numbers))
