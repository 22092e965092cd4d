"""/livez and /readyz of real processes, while what they need goes away and comes back (reliability 7)."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glance.testing.servers import Glance, Service, wait_until
from tests.databases import PostgresServer

#: What a service with a registry of its own says while all is well.
API_READY = "[+]registry ok\n[+]store ok\nreadyz check passed\n"
REGISTRY_READY = "[+]database ok\n[+]migrations ok\nreadyz check passed\n"


def readiness(glance: Glance, service: Service = "api", path: str = "/readyz?verbose") -> tuple[int, str]:
    answer = glance.request("GET", path, service=service)
    return answer.status, answer.text


def await_readiness(glance: Glance, expected: tuple[int, str], service: Service = "api", path: str = "/readyz?verbose") -> None:
    """In each worker process findings hold for a moment, those about stores for ten seconds. Meanwhile the process lives."""

    def is_reached() -> bool:
        assert glance.request("GET", "/livez", service=service).status == 200
        return readiness(glance, service, path) == expected

    try:
        wait_until(is_reached, f"{expected}")
    except TimeoutError as error:
        raise AssertionError(f"{error}, but it is {readiness(glance, service)}") from None


@contextlib.contextmanager
def moved_away(*paths: Path) -> Iterator[None]:
    for path in paths:
        path.rename(f"{path}.away")
    try:
        yield
    finally:
        for path in paths:
            Path(f"{path}.away").rename(path)


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """A process, and those that it has forked, that take connections and never answer."""
    group = os.getpgid(pid)
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


def test_probes_while_all_is_well_then_say_so_in_the_words_of_kubernetes(glance: Glance) -> None:
    assert readiness(glance) == (200, API_READY)
    assert readiness(glance, "registry") == (200, REGISTRY_READY)
    assert glance.request("GET", "/livez", {"X-Openstack-Request-Id": "mine"}).header("X-Openstack-Request-Id") == "mine"
    for service in ("api", "registry"):
        plain = [glance.request("GET", path, service=service) for path in ("/livez", "/readyz")]
        assert [(answer.status, answer.text, answer.header("Content-Type")) for answer in plain] == [(200, "ok", "text/plain; charset=UTF-8")] * 2
        assert glance.request("GET", "/livez?verbose", service=service).text == "[+]ping ok\nlivez check passed\n"
        assert glance.request("HEAD", "/readyz", service=service).status == 200
        assert glance.request("POST", "/readyz", service=service).status == 405
        assert glance.request("GET", "/healthcheck", service=service).text.strip() == "OK"


def test_probes_where_callers_must_prove_who_they_are_then_ask_nobody(trusted_glance: Glance) -> None:
    assert trusted_glance.request("GET", "/v2/images").status == 401
    assert readiness(trusted_glance) == (200, API_READY)
    assert readiness(trusted_glance, "registry") == (200, REGISTRY_READY)


def test_readiness_when_the_registry_is_stopped_then_fails_until_it_is_back(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance()
    os.kill(glance.pid("registry"), signal.SIGTERM)

    for path in ("/readyz?verbose", "/readyz"):  # also who does not ask for the parts is told them when one fails
        await_readiness(glance, (503, "[-]registry failed: registry-unavailable\n[+]store ok\nreadyz check failed\n"), path=path)
    glance.restart()

    await_readiness(glance, (200, API_READY))


def test_readiness_when_the_registry_hangs_then_the_answer_comes_in_time(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance()
    with stopped(glance.pid("registry")):
        answer = glance.request("GET", "/readyz", timeout=5)
        assert (answer.status, answer.text) == (503, "[-]registry failed: timeout\n[+]store ok\nreadyz check failed\n")

    await_readiness(glance, (200, API_READY))


@pytest.mark.parametrize("workers", [0, 2])
def test_readiness_when_the_store_is_gone_then_fails_until_it_is_back(fresh_glance: Callable[..., Glance], workers: int) -> None:
    glance = fresh_glance(api_options={"DEFAULT": {"workers": workers}})
    await_readiness(glance, (200, API_READY))
    with moved_away(glance.images):
        await_readiness(glance, (503, "[+]registry ok\n[-]store failed: store-unavailable\nreadyz check failed\n"))

    await_readiness(glance, (200, API_READY))
    assert list(glance.images.iterdir()) == []  # what the checks wrote is gone


def test_readiness_when_the_file_of_the_database_is_moved_then_fails_until_it_is_back(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance(services=("registry",))
    files = sorted(glance.directory.glob("glance.sqlite*"))
    gone = "[-]database failed: database-unavailable\n[-]migrations failed: database-unavailable\nreadyz check failed\n"
    with moved_away(*files):
        await_readiness(glance, (503, gone), "registry")

    await_readiness(glance, (200, REGISTRY_READY), "registry")


def test_readiness_when_the_schema_is_another_one_then_says_so(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance(services=("api",), api_options={"DEFAULT": {"registry_mode": "embedded"}})
    ready = "[+]database ok\n[+]migrations ok\n[+]store ok\nreadyz check passed\n"
    await_readiness(glance, (200, ready))
    with contextlib.closing(sqlite3.connect(glance.database)) as database:
        [(newest,)] = database.execute("SELECT version_num FROM alembic_version")
        for number, expected in (
            ("0001", (503, "[+]database ok\n[-]migrations failed: schema-outdated\n[+]store ok\nreadyz check failed\n")),
            (newest, (200, ready)),
        ):
            with database:
                database.execute("UPDATE alembic_version SET version_num = ?", [number])
            await_readiness(glance, expected)


def test_readiness_when_the_database_server_hangs_or_is_stopped_then_fails_until_it_is_back(
    fresh_glance: Callable[..., Glance], postgresql: PostgresServer, tmp_path: Path
) -> None:
    url = postgresql.new()
    glance = Glance(
        tmp_path / "glance",
        services=("api",),
        api_options={"DEFAULT": {"registry_mode": "embedded"}, "database": {"connection": url}},
        registry_options={"database": {"connection": url}},
    )
    glance.manage("db_sync")
    ready = (200, "[+]database ok\n[+]migrations ok\n[+]store ok\nreadyz check passed\n")
    with glance:
        await_readiness(glance, ready)
        postgresql.freeze()
        try:
            await_readiness(glance, (503, "[-]database failed: timeout\n[-]migrations failed: timeout\n[+]store ok\nreadyz check failed\n"))
        finally:
            postgresql.thaw()
        await_readiness(glance, ready)
        postgresql.stop()
        try:
            gone = "[-]database failed: database-unavailable\n[-]migrations failed: database-unavailable\n[+]store ok\nreadyz check failed\n"
            await_readiness(glance, (503, gone))
        finally:
            postgresql.start()
        await_readiness(glance, ready)


def test_readiness_when_everything_fails_then_neither_path_nor_secret_is_told(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance()
    shutil.rmtree(glance.images)
    os.kill(glance.pid("registry"), signal.SIGTERM)
    await_readiness(glance, (503, "[-]registry failed: registry-unavailable\n[-]store failed: store-unavailable\nreadyz check failed\n"))

    answer = glance.request("GET", "/readyz")

    for secret in (str(glance.directory), glance.registry_secret, str(glance.registry_port)):
        assert secret not in answer.text + repr(answer.headers)
