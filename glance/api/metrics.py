"""From the numbers of all worker processes to what Prometheus reads, and from requests to these numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from glance import __version__, errors
from glance.api.routing import KNOWN_METHODS
from glance.interfaces import Figures
from glance.model import metrics
from glance.model.metrics import Family
from glance.tallies import Key, Tallies

WSGIApplication = Any

#: A label's value for what is in no table of ours.
OTHER = "other"

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
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        totals = self._tallies.totals()
        for family in metrics.COUNTED:
            yield _histogram(family, totals) if family.kind == "histogram" else _plain(family, _of(family.name, totals))
        yield _plain(metrics.BUILD, {(__version__,): 1})
        if self._figures is not None:
            yield from _database(self._figures)


def _database(figures: Figures) -> Iterator[Metric]:
    """What the database knows; only that it does not answer, where it does not."""
    try:
        images, uploads = figures.images(), figures.uploads()
    except errors.GlanceError:
        yield _plain(metrics.UP, {(): 0})
        return
    yield _plain(metrics.UP, {(): 1})
    yield _plain(metrics.IMAGES, images)
    yield _plain(metrics.ALL_IMAGES, {(): sum(images.values())})
    yield _plain(metrics.UPLOADS, {(): uploads})


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
