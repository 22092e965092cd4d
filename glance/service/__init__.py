"""Use cases: one function for each thing that a caller can do. Each reads top to bottom: authorize, check, act."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from glance.interfaces import Background, Inspector, Notifier, Policy, Registry, Stores
from glance.model.formats import Formats
from glance.model.importing import METHODS
from glance.model.protections import Protections
from glance.service.leases import Leases
from glance.tallies import Tallies

__all__ = ["Limits", "Services"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one caller may ask for; -1 stands for no limit where a number of things is counted. ``image_size`` is in bytes."""

    image_size: int = 1024**4
    properties: int = 128
    members: int = 128
    tags: int = 128
    locations: int = 10


@dataclass(frozen=True, slots=True)
class Services:
    """The collaborators of every use case, chosen by ``glance.bootstrap``. ``worker`` names the process that serves (``glance.worker``);
    ``tallies`` are for the metrics, None where nobody wants them. ``hashing_algorithm`` is "" where MD5 is enough."""

    registry: Registry
    stores: Stores
    policy: Policy
    background: Background
    leases: Leases
    notifier: Notifier
    inspector: Inspector
    worker: Callable[[], str]
    limits: Limits = field(default_factory=Limits)
    formats: Formats = field(default_factory=Formats)
    hashing_algorithm: str = "sha512"
    secure_hash: bool = True
    http_retries: int = 3
    import_methods: tuple[str, ...] = METHODS
    delayed_delete: bool = False
    protections: Protections | None = None
    tallies: Tallies | None = None
