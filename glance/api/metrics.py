"""From the numbers of all worker processes to what Prometheus reads, and from requests to these numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from glance import __version__
from glance.api.routing import KNOWN_METHODS
from glance.interfaces import Figures
from glance.model import metrics
from glance.model.metrics import Family
from glance.service.health import Check, Health
from glance.tallies import Key, Tallies

WSGIApplication = Any

#: A label's value for what is in no table of ours.
OTHER = "other"

#: Seconds that what the database was asked holds: to count a hundred thousand images takes a tenth of one.
FRESH = 5.0

_LIMITS = (*map(str, metrics.BOUNDS), "+Inf")
_BUCKET, _SUM = f"{metrics.SECONDS.name}_bucket", f"{metrics.SECONDS.name}_sum"


class RequestMeter:
    """Counts answers: ``glance.server.settings.Service.observed``."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies

    def __call__(self, environ: Mapping[str, Any], code: int, seconds: float) -> None:
        method = environ["REQUEST_METHOD"]
        labels = method if method in KNOWN_METHODS else OTHER, environ.get(metrics.ROUTE, OTHER)
        count = self._tallies.count
        count(metrics.REQUESTS.name, *labels, str(code))
        count(_BUCKET, *labels, _LIMITS[bisect_left(metrics.BOUNDS, seconds)])
        count(_SUM, *labels, amount=seconds)


def exposition(tallies: Tallies, figures: Figures | None) -> WSGIApplication:
    """The application that Prometheus asks. ``figures``: those of the database, where this program has it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(tallies, figures))
    return make_wsgi_app(registry)


class _Numbers(Collector):
    def __init__(self, tallies: Tallies, figures: Figures | None) -> None:
        self._tallies = tallies
        self._database = None if figures is None else _Database(figures)

    def collect(self) -> Iterator[Metric]:
        totals = self._tallies.totals()
        for family in metrics.COUNTED:
            yield _histogram(family, totals) if family.kind == "histogram" else _plain(family, _of(family.name, totals))
        yield _plain(metrics.BUILD, {(__version__,): 1})
        if self._database is not None:
            yield from self._database.collect()


class _Database:
    """What the database knows; only that it does not answer, where it does not, or not soon."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._health = Health([Check("figures", self._count, FRESH)])
        self._images: Mapping[Key, int] = {}
        self._uploads = 0

    def collect(self) -> Iterator[Metric]:
        [finding] = self._health.findings()
        yield _plain(metrics.UP, {(): int(finding.error is None)})
        if finding.error is None:
            yield _plain(metrics.IMAGES, self._images)
            yield _plain(metrics.ALL_IMAGES, {(): sum(self._images.values())})
            yield _plain(metrics.UPLOADS, {(): self._uploads})

    def _count(self) -> None:
        self._images, self._uploads = self._figures.images(), self._figures.uploads()


def _of(name: str, totals: Mapping[Key, float]) -> dict[Key, float]:
    """The numbers of one name, by their labels."""
    return {labels: value for (found, *rest), value in totals.items() if found == name for labels in (tuple(rest),)}


def _plain(family: Family, values: Mapping[Key, float]) -> Metric:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    made = kind(family.name, family.doc, labels=family.labels)
    for labels, value in sorted((values or {} if family.labels else values or {(): 0}).items()):
        made.add_metric(labels, value)
    return made


def _histogram(family: Family, totals: Mapping[Key, float]) -> Metric:
    made = HistogramMetricFamily(family.name, family.doc, labels=family.labels)
    buckets = _of(_BUCKET, totals)
    for labels, total in sorted(_of(_SUM, totals).items()):
        made.add_metric(labels, list(_cumulative(buckets.get((*labels, limit), 0) for limit in _LIMITS)), total)
    return made


def _cumulative(counts: Iterable[float]) -> Iterator[tuple[str, float]]:
    """Each limit with how many values were at most as large."""
    so_far = 0.0
    for limit, count in zip(_LIMITS, counts, strict=True):
        so_far += count
        yield limit, so_far
