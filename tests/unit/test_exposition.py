"""What Prometheus is told while the database is busy, or silent."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
import webob
from prometheus_client.parser import text_string_to_metric_families

from glance.api.metrics import exposition
from glance.tallies import Tallies

REQUESTS = 10


@dataclass
class SlowDatabase:
    """It answers when it may, and counts how often it was asked."""

    may: threading.Event = field(default_factory=threading.Event)
    asked: int = 0

    def images(self) -> Mapping[tuple[str, ...], int]:
        self.asked += 1
        self.may.wait(60)
        return {("active", "public"): 7}

    def uploads(self) -> int:
        return 3


@pytest.fixture
def database() -> Iterator[SlowDatabase]:
    slow = SlowDatabase()
    yield slow
    slow.may.set()


def told(database: SlowDatabase, times: int) -> list[dict[str, float]]:
    application = exposition(Tallies(), database)
    answers = [webob.Request.blank("/metrics").get_response(application).text for _ in range(times)]
    return [{one.name: one.value for family in text_string_to_metric_families(text) for one in family.samples} for text in answers]


def test_metrics_when_asked_again_and_again_then_the_database_is_asked_once(database: SlowDatabase) -> None:
    database.may.set()
    answers = told(database, REQUESTS)
    assert database.asked < REQUESTS
    for answer in answers:
        assert (answer["openstack_glance_up"], answer["openstack_glance_images"], answer["glance_uploads_in_progress"]) == (1, 7, 3)


def test_metrics_when_the_database_is_silent_then_come_without_it(database: SlowDatabase) -> None:
    [answer] = told(database, 1)
    assert answer["openstack_glance_up"] == 0
    assert "openstack_glance_images" not in answer
    assert answer["glance_build_info"] == 1
