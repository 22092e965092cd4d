"""Notifications of real processes: through a real RabbitMQ, while it is away, and in the log."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import Answer
from tests.functional.rabbitmq import RabbitMQ

BYTES = b"0123456789abcdef" * 4096
UPLOADED = ["image.prepare", "image.upload", "image.activate"]

#: Seconds that no request may take; those that are not delayed take some hundredths.
AT_ONCE = 5.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("broker") / "rabbitmq") as running:
        yield running


@pytest.fixture(scope="module")
def telling(broker: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    """A service that sends its notifications to the broker, by one process and so in their order. Each test takes all that it causes."""
    options = {
        "DEFAULT": {"default_publisher_id": "image.test", "workers": 1},
        "oslo_messaging_notifications": {"driver": "messagingv2", "transport_url": broker.url},
    }
    with Glance(tmp_path_factory.mktemp("telling"), api_options=options) as running:
        yield running


def send_json(glance: Glance, method: str, path: str, document: object) -> Answer:
    return glance.request(method, path, {"Content-Type": "application/json"}, json.dumps(document).encode())


def create(glance: Glance, **attributes: object) -> str:
    answer = send_json(glance, "POST", "/v2/images", {"disk_format": "raw", "container_format": "bare", **attributes})
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def upload(glance: Glance, image_id: str, data: bytes = BYTES) -> int:
    return glance.request("PUT", f"/v2/images/{image_id}/file", {"Content-Type": "application/octet-stream"}, data).status


def timed_upload(glance: Glance) -> tuple[str, float]:
    """A new image, and the seconds that making it took."""
    started = time.monotonic()
    image_id = create(glance)
    assert upload(glance, image_id) == 204
    return image_id, time.monotonic() - started


def await_events(broker: RabbitMQ, count: int, queue: str = "notifications.info") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        found.extend(broker.notifications(queue))
        return len(found) >= count

    wait_until(enough, f"{count} messages in {queue}", 60)
    return found


def test_life_of_an_image_then_told_through_rabbitmq(telling: Glance, broker: RabbitMQ) -> None:
    image_id = create(telling, name="told")
    assert upload(telling, image_id) == 204
    assert telling.request("GET", f"/v2/images/{image_id}/file").body == BYTES
    found = await_events(broker, 5)
    answer = telling.request("DELETE", f"/v2/images/{image_id}")
    assert answer.status == 204
    found += await_events(broker, 1)

    assert [one["event_type"] for one in found] == ["image.create", *UPLOADED, "image.send", "image.delete"]
    assert {one["publisher_id"] for one in found} == {"image.test"}
    assert {one["priority"] for one in found} == {"INFO"}
    assert {one["payload"].get("id", one["payload"].get("image_id")) for one in found} == {image_id}
    assert found[4]["payload"]["bytes_sent"] == len(BYTES)
    assert found[5]["payload"]["deleted"] is True
    assert found[5]["_context_request_id"] == answer.header("x-openstack-request-id")
    assert [word for word in ("file://", str(telling.directory), telling.registry_secret) if word in json.dumps(found)] == []


def test_image_when_the_options_are_those_of_2011_then_told_at_the_place_of_2011(broker: RabbitMQ, fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance(api_options={"DEFAULT": {"notifier_strategy": "rabbit", "rabbit_host": "127.0.0.1", "rabbit_port": broker.port}})
    image_id = create(glance)
    [made] = await_events(broker, 1, "glance_notifications.info")
    assert (made["event_type"], made["payload"]["id"]) == ("image.create", image_id)


def test_upload_when_it_fails_then_told_in_the_queue_of_errors(telling: Glance, broker: RabbitMQ) -> None:
    image_id = create(telling, disk_format="qcow2")
    assert upload(telling, image_id) >= 400
    await_events(broker, 2)
    [failed] = await_events(broker, 1, "notifications.error")
    assert (failed["event_type"], failed["priority"]) == ("image.upload", "ERROR")
    assert image_id in failed["payload"]


def test_uploads_when_the_broker_hangs_then_at_their_usual_speed_and_told_when_it_is_back(telling: Glance, broker: RabbitMQ) -> None:
    check_outage(telling, broker, broker.freeze, broker.thaw)


def test_uploads_when_the_broker_dies_then_at_their_usual_speed_and_told_when_it_is_back(telling: Glance, broker: RabbitMQ) -> None:
    check_outage(telling, broker, broker.kill, broker.start)


def check_outage(telling: Glance, broker: RabbitMQ, begin: Callable[[], None], end: Callable[[], None]) -> None:
    before = [timed_upload(telling) for _ in range(10)]
    await_events(broker, 40)
    begin()
    try:
        during = [timed_upload(telling) for _ in range(10)]
    finally:
        end()
    after = [timed_upload(telling) for _ in range(2)]
    told = await_events(broker, 48)

    usual, hampered = (statistics.median(seconds for _, seconds in group) for group in (before, during))
    assert max(seconds for _, seconds in during) < AT_ONCE
    assert hampered < 3 * usual + 1
    assert {one["payload"]["id"] for one in told if one["event_type"] == "image.create"} == {image_id for image_id, _ in during + after}


def test_stop_when_the_broker_cannot_be_reached_then_in_time_and_the_loss_is_logged(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance(api_options={"oslo_messaging_notifications": {"driver": "messagingv2", "transport_url": "rabbit://me:secret@127.0.0.1:1/"}})
    timed_upload(glance)
    started = time.monotonic()
    glance.stop()
    assert time.monotonic() - started < 10
    log = (glance.directory / "log" / "api.log").read_text()
    lost = re.findall(r"(\d+) notifications were not delivered before the process ended\.", log)
    assert sum(map(int, lost)) == 4
    assert "secret" not in log


@pytest.fixture(scope="module")
def logging_glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    options = {"DEFAULT": {"disabled_notifications": "image.create"}, "oslo_messaging_notifications": {"driver": "log"}}
    with Glance(tmp_path_factory.mktemp("logging"), api_options=options) as running:
        yield running


def logged(glance: Glance, image_id: str) -> list[tuple[str, str, Any]]:
    """Level, type and payload of each event about an image in the log."""
    text = Path(glance.directory / "log" / "api.log").read_text()
    found = re.findall(r" (INFO|ERROR) .*?(image[.a-z]+) req-\S+ (.*)$", text, re.MULTILINE)
    return [(level, kind, json.loads(payload)) for level, kind, payload in found if image_id in payload]


@pytest.mark.parametrize(("headers", "sent"), [({}, len(BYTES)), ({"Range": "bytes=10-19"}, 10)], ids=["by the kernel", "in pieces"])
def test_download_when_complete_then_logged_with_its_bytes(logging_glance: Glance, headers: dict[str, str], sent: int) -> None:
    image_id, _ = timed_upload(logging_glance)
    assert len(logging_glance.request("GET", f"/v2/images/{image_id}/file", headers).body) == sent
    wait_until(lambda: len(logged(logging_glance, image_id)) == 4, "the end of the download")
    assert [kind for _, kind, _ in logged(logging_glance, image_id)] == [*UPLOADED, "image.send"]
    level, _, payload = logged(logging_glance, image_id)[-1]
    assert (level, payload["bytes_sent"]) == ("INFO", sent)


@pytest.mark.parametrize("headers", ["", "Range: bytes=1-33554430\r\n"], ids=["by the kernel", "in pieces"])
def test_download_when_the_client_goes_away_then_logged_as_an_error_with_the_bytes_sent(logging_glance: Glance, headers: str) -> None:
    data = BYTES * 512
    image_id = create(logging_glance)
    assert upload(logging_glance, image_id, data) == 204
    with logging_glance.connect() as connection:
        connection.sendall(f"GET /v2/images/{image_id}/file HTTP/1.1\r\nHost: h\r\n{headers}\r\n".encode())
        assert connection.recv(1000)
    wait_until(lambda: logged(logging_glance, image_id)[-1][1] == "image.send", "the end of the download")
    level, _, payload = logged(logging_glance, image_id)[-1]
    assert level == "ERROR"
    assert 0 <= payload["bytes_sent"] < len(data)
