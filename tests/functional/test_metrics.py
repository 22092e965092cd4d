"""/metrics of real processes: what several workers have counted together, whatever became of them."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from glance.testing.servers import Glance, Service, free_ports, wait_until
from glance.testing.wire import Answer, request_bytes

DATA = {"x-image-meta-name": "somebody's", "x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare"} | {
    "Content-Type": "application/octet-stream"
}
BODY = b"0123456789"

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Watched:
    """A service with metrics."""

    def __init__(self, glance: Glance, ports: Mapping[Service, int]) -> None:
        self.glance = glance
        self.ports = ports

    def ask(self, path: str, service: Service = "api") -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.ports[service], timeout=30)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return Answer(response.status, tuple(response.getheaders()), response.read())

    def samples(self, service: Service = "api") -> Samples:
        answer = self.ask("/metrics", service)
        assert answer.status == 200, answer.text
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def value(self, name: str, service: Service = "api", **labels: str) -> float | None:
        return self.samples(service).get((name, frozenset(labels.items())))

    def await_value(self, expected: float, name: str, service: Service = "api", **labels: str) -> None:
        """An answer is counted once it has been sent."""
        wait_until(
            lambda: self.value(name, service, **labels) == expected, f"{name}{labels} to be {expected}, not {self.value(name, service, **labels)}"
        )

    def lists(self, count: int) -> None:
        for _ in range(count):
            assert self.glance.request("GET", "/v2/images").status == 200


LISTED = {"method": "GET", "route": "/v2/images", "code": "200"}


@pytest.fixture
def watched(fresh_glance: Callable[..., Glance]) -> Callable[..., Watched]:
    def make(**options: object) -> Watched:
        ports = dict(zip(("api", "registry"), free_ports(2), strict=True))
        api, registry = ({"metrics": {"bind_port": port}, "DEFAULT": options} for port in ports.values())
        return Watched(fresh_glance(api_options=api, registry_options=registry), ports)  # type: ignore[arg-type]

    return make


def children(pid: int) -> set[int]:
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def memories(glance: Glance) -> int:
    """How many descriptors of all processes lead to the memory that they count in."""
    return sum("glance-tallies" in path for path in glance.open_files())


def test_metrics_of_several_workers_then_are_added_up_and_outlive_death_and_reload(watched: Callable[..., Watched]) -> None:
    service = watched(workers=3)
    glance, parent = service.glance, service.glance.pid("api")
    service.lists(30)
    service.await_value(30, "glance_http_requests_total", **LISTED)
    for _ in range(5):
        assert service.value("glance_http_requests_total", **LISTED) == 30  # whichever worker is asked
    before, opened = children(parent), memories(glance)

    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(children(parent) - before) == 3, "three new workers")
    glance.await_answers()
    service.lists(10)
    service.await_value(40, "glance_http_requests_total", **LISTED)

    for _ in range(3):
        old = children(parent)
        os.kill(parent, signal.SIGHUP)
        wait_until(lambda old=old: len(children(parent)) == 3 and not children(parent) & old, "the workers to be replaced")
        service.lists(10)
    service.await_value(70, "glance_http_requests_total", **LISTED)
    wait_until(lambda: memories(glance) == opened, "as many descriptors as at first")


def test_metrics_of_a_single_process_when_reloaded_then_go_on(watched: Callable[..., Watched]) -> None:
    service = watched(workers=0)
    service.lists(5)
    os.kill(service.glance.pid("api"), signal.SIGHUP)
    wait_until(lambda: "configuration reloaded" in service.glance.logs(), "the reload")
    service.lists(5)

    service.await_value(10, "glance_http_requests_total", **LISTED)


def test_metrics_after_work_then_have_the_names_that_dashboards_know(watched: Callable[..., Watched]) -> None:
    service = watched(workers=2)
    glance = service.glance
    ids = [glance.request("POST", "/v1/images", {**DATA, "x-image-meta-is_public": public}, BODY).json["image"]["id"] for public in ("True", "False")]
    for _ in range(3):
        assert glance.request("GET", f"/v2/images/{ids[0]}/file").body == BODY

    service.await_value(3, "glance_http_requests_total", method="GET", route="/v2/images/{image_id}/file", code="200")
    found, at_registry = service.samples(), service.samples("registry")

    def value(name: str, samples: Samples = found, **labels: str) -> float | None:
        return samples.get((name, frozenset(labels.items())))

    assert value("glance_http_requests_total", method="POST", route="/v1/images", code="201") == 2
    assert value("glance_http_request_duration_seconds_count", method="POST", route="/v1/images") == 2
    assert value("glance_http_request_duration_seconds_bucket", method="POST", route="/v1/images", le="+Inf") == 2
    assert value("glance_store_bytes_total", store="file", direction="in") == 20
    assert value("glance_store_bytes_total", store="file", direction="out") == 30
    assert value("glance_lease_expired_total") == 0
    assert [labels for name, labels in found if name == "glance_build_info"] != []
    assert value("glance_images", at_registry, status="active", visibility="public") == 1
    assert sum(count for (name, _), count in at_registry.items() if name == "glance_images") == 2
    assert value("openstack_glance_images", at_registry) == 2
    assert value("openstack_glance_up", at_registry) == 1
    assert value("glance_uploads_in_progress", at_registry) == 0
    assert value("glance_db_pool_in_use", at_registry) == 0
    assert value("glance_http_requests_total", at_registry, method="POST", route="/images", code="200") == 2


def test_metrics_whatever_clients_send_then_no_label_repeats_it(watched: Callable[..., Watched]) -> None:
    service = watched(workers=2)
    glance = service.glance
    image = glance.request("POST", "/v1/images", DATA, BODY).json["image"]["id"]
    for method, path in (
        ("GET", f"/v2/images/{image}"),
        ("GET", f"/v2/images/{image[:-1]}"),
        ("DELETE", "/v2/images/MARKER"),
        ("PUT", f"/v2/images/{image}/tags/MARKER"),
        ("GET", f"/v2/images/{image}/members/MARKER"),
        ("GET", "/v2/images?name=MARKER&marker=MARKER"),
        ("GET", "/v2/MARKER"),
        ("GET", "/MARKER/MARKER"),
        ("MARKER", "/v2/images"),
        ("MARKER", f"/v1/images/{image}"),
        ("GET", f"/v1/images/{image}"),
    ):
        glance.request(method, path, {"X-Forwarded-Prefix": "/MARKER"})
        glance.request(method, path, service="registry")
    service.await_value(1, "glance_http_requests_total", method="GET", route="/v1/images/{image_id}", code="200")

    for program in ("api", "registry"):
        answer = service.ask("/metrics", program)
        for word in ("MARKER", image, image[:-1], "somebody", str(glance.directory), glance.registry_secret):
            assert word not in answer.text
    assert {dict(labels)["method"] for name, labels in service.samples() if name == "glance_http_requests_total"} == {
        "DELETE",
        "GET",
        "PUT",
        "POST",
        "other",
    }


@contextmanager
def unfinished_upload(glance: Glance) -> Iterator[None]:
    """A client that has sent a part of its data."""
    head = request_bytes("POST /v1/images HTTP/1.1", *(f"{name}: {value}" for name, value in DATA.items()), "Content-Length: 1000", close=False)
    with glance.connect() as client:
        client.sendall(head + BODY)
        yield


def test_metrics_while_an_upload_runs_then_count_it(watched: Callable[..., Watched]) -> None:
    service = watched(workers=2)
    with unfinished_upload(service.glance):
        service.await_value(1, "glance_uploads_in_progress", "registry")

    service.await_value(0, "glance_uploads_in_progress", "registry")
    service.await_value(0, "glance_db_pool_in_use", "registry")


def test_metrics_when_a_store_fails_then_count_what_it_did_not_do(watched: Callable[..., Watched]) -> None:
    service = watched(workers=2)
    glance = service.glance
    image, other = (glance.request("POST", "/v1/images", DATA, BODY).json["image"]["id"] for _ in range(2))
    (glance.images / image).unlink()
    assert glance.request("GET", f"/v2/images/{image}/file").status == 404
    glance.images.rename(f"{glance.images}.away")
    assert glance.request("GET", f"/v2/images/{other}/file").status == 503
    assert glance.request("POST", "/v1/images", DATA, BODY).status == 503
    assert glance.request("DELETE", f"/v2/images/{other}").status == 204

    service.await_value(1, "glance_integrity_failures_total", store="file")
    service.await_value(1, "glance_store_errors_total", store="file", op="read", reason="image-data-missing")
    service.await_value(1, "glance_store_errors_total", store="file", op="read", reason="store-unavailable")
    service.await_value(1, "glance_store_errors_total", store="file", op="write", reason="store-unavailable")
    service.await_value(1, "glance_store_errors_total", store="file", op="delete", reason="store-unavailable")


def test_metrics_when_the_database_is_gone_then_are_told_without_it(watched: Callable[..., Watched]) -> None:
    service = watched(workers=0)
    with closing(sqlite3.connect(service.glance.database)) as database, database:
        database.execute("ALTER TABLE images RENAME TO others")

    found = service.samples("registry")

    assert found["openstack_glance_up", frozenset()] == 0
    assert {name for name, _ in found}.isdisjoint({"glance_images", "openstack_glance_images"})


def test_side_address_then_answers_probes_and_nothing_else(watched: Callable[..., Watched]) -> None:
    service = watched(workers=2)
    for program in ("api", "registry"):
        assert service.ask("/livez", program).text == "ok"
        assert service.ask("/readyz", program).text == "ok"
        assert [service.ask(path, program).status for path in ("/", "/v2/images", "/images/detail")] == [404] * 3
        assert "glance_build_info" not in service.glance.request("GET", "/metrics", service=program).text


def test_side_address_when_a_client_is_silent_then_others_are_answered(watched: Callable[..., Watched]) -> None:
    service = watched(workers=0)
    with socket.create_connection(("127.0.0.1", service.ports["api"])), socket.create_connection(("127.0.0.1", service.ports["api"])) as silent:
        silent.sendall(b"GET /metr")
        assert service.ask("/livez").text == "ok"


def test_side_address_when_another_one_is_configured_then_a_reload_is_refused(watched: Callable[..., Watched]) -> None:
    service = watched(workers=1)
    service.glance.add_options("api", {"metrics": {"bind_port": free_ports(1)[0]}})

    os.kill(service.glance.pid("api"), signal.SIGHUP)

    wait_until(lambda: "Another address in [metrics] needs a restart." in service.glance.logs(), "the refusal")
    assert service.ask("/livez").text == "ok"


def test_side_address_while_the_last_requests_are_carried_out_then_nobody_is_told_that_all_is_well(watched: Callable[..., Watched]) -> None:
    service = watched(workers=2)
    with unfinished_upload(service.glance):
        service.await_value(1, "glance_uploads_in_progress", "registry")
        os.kill(service.glance.pid("api"), signal.SIGTERM)

        wait_until(lambda: not listens(service.ports["api"]), "the address to be closed")
        assert service.glance.exit_code("api") is None


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionError:
        return False
    return True
