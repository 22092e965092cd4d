"""Comparing the database with the stores, and mending what differs (R47, R48). Safe on a service that runs: what seems wrong is looked at once more,
the record last, before it counts; what is being stored, imported or deleted agrees."""

from __future__ import annotations

from collections.abc import Iterator

from glance.interfaces import Listed, Store
from glance.model.checks import Figures, Finding, Kind, Outcome
from glance.service import Services
from glance.service.checking.evidence import Evidence, Options, Suspicion
from glance.service.checking.places import walk_place
from glance.service.checking.repairing import Repair
from glance.service.checking.rows import walk_rows, walk_twins

__all__ = ["Options", "check"]


def check(services: Services, options: Options, figures: Figures) -> Iterator[Finding]:
    """Every disagreement, as it is found, and mended where ``options`` say so; ``figures`` are kept up to date meanwhile.

    Raises StoreUnknown for the store that ``options`` name, RegistryUnavailable, DatabaseUnavailable.
    """
    figures.total = services.registry.audits.count(options.since)
    evidence = Evidence(services, options, figures)
    repair = Repair(services, evidence) if options.repair else None
    for suspicion in _suspicions(services, evidence, _stores(services, options.store)):
        yield _settled(suspicion, repair, figures)


def _stores(services: Services, name: str | None) -> list[Store]:
    stores = services.stores
    return [stores.get(name)] if name else [*map(stores.get, stores.names), stores.staging]


def _suspicions(services: Services, evidence: Evidence, stores: list[Store]) -> Iterator[Suspicion]:
    """The places come first: data that are found elsewhere than their row says explain why they are not where it says."""
    for store in stores:
        if isinstance(store, Listed):
            yield from walk_place(services, evidence, store, store)
    yield from walk_rows(services, evidence)
    yield from walk_twins(services, evidence)


def _settled(suspicion: Suspicion, repair: Repair | None, figures: Figures) -> Finding:
    outcome: Outcome = "found"
    detail = suspicion.detail
    if suspicion.kind is Kind.UNCHECKED:
        figures.unchecked += 1
    else:
        figures.found += 1
        if repair is not None:
            mended, how = repair.mend(suspicion)
            outcome, detail = "repaired" if mended else "left", f"{detail} {how}"
            figures.repaired += mended
            figures.left += not mended
    name = "" if suspicion.found is None else suspicion.found.name
    return Finding(suspicion.kind, suspicion.store, suspicion.image_id, name, outcome, detail)
