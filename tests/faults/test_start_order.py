"""R40: glance-api starts before all that it needs: the database, the registry, the identity service, the store. It lives and says that it is not
ready, or waits; once all are there it is ready by itself.

With ``--long`` they come in every order.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import Answer
from tests.databases import PostgresServer
from tests.faults.clients import FORMATS, JSON, PATIENCE
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.places import InSwift
from tests.faults.proxy import REFUSED, Proxy
from tests.keystone_server import KeystoneServer
from tests.swift_server import SwiftServer

#: In the order of the short form, which ends with what all others wait for.
PARTS = ("store", "identity", "registry", "database")
ORDERS = sorted(itertools.permutations(PARTS), key=lambda order: order != PARTS)

DATA = os.urandom(300_000)


def database_behind(proxy: Proxy, server: PostgresServer) -> dict[str, object]:
    """Options for a new database; whoever finds it out of reach asks again every second."""
    name = server.new().rpartition("/")[2]
    return {"connection": server.url(name, proxy.port), "max_retries": -1, "retry_interval": 1}


class Unawaited(Glance):
    """Its programs may take as long as they like to answer."""

    def await_answers(self) -> None:
        """Tests look for themselves."""


@dataclass
class Site:
    """All the parts; they run, but those with a proxy are out of reach at first, and the registry is not started."""

    api: Glance
    registry: Glance
    proxies: Mapping[str, Proxy]
    headers: Mapping[str, str]
    seen: Counter[int] = field(default_factory=Counter)

    def come(self, part: str) -> None:
        if part == "registry":
            self.registry.start()
        else:
            self.proxies[part].fault = None

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
        return self.api.request(method, path, {**self.headers, **(headers or {})}, body, timeout=PATIENCE)

    def failing(self) -> set[str]:
        """Parts that /readyz names as not ready; with none it says that all is well."""
        answer = self.api.request("GET", "/readyz?verbose")
        parts = set(re.findall(r"^\[-\](\w+) failed", answer.text, re.MULTILINE))
        assert answer.status == (503 if parts else 200)
        return parts

    def check_not_ready(self, there: set[str]) -> None:
        """It lives, and says what is missing: an identity service that is not there shows in answers only."""
        assert self.api.exit_code("api") is None
        assert self.api.request("GET", "/livez").status == 200
        missing = {"store"} - there | (set() if {"registry", "database"} <= there else {"registry"})
        wait_until(lambda: self.failing() == missing, f"the service to say that it lacks {missing}", PATIENCE)
        answer = self.ask("GET", "/v2/images")
        self.seen[answer.status] += 1
        if not there >= {"identity", "registry", "database"}:
            assert (answer.status, answer.header("Retry-After")) == (503, "5"), answer.text

    def check_ready(self) -> None:
        """Everything works."""
        made = self.ask("POST", "/v2/images", JSON, json.dumps(FORMATS).encode())
        assert made.status == 201, made.text
        path = f"/v2/images/{made.json['id']}"
        assert self.ask("PUT", f"{path}/file", {"Content-Type": "application/octet-stream"}, DATA).status == 204
        assert self.ask("GET", f"{path}/file").body == DATA
        assert self.ask("DELETE", path).status == 204

    def works(self) -> bool:
        return not self.failing() and self.ask("GET", "/v2/images").status == 200


@contextmanager
def nothing_there(directory: Path, postgresql: PostgresServer, keystone_server: KeystoneServer, swift_server: SwiftServer) -> Iterator[Site]:
    with ExitStack() as ended:
        behind = {"store": swift_server.port, "identity": keystone_server.port, "database": postgresql.port}
        proxies = {name: ended.enter_context(Proxy(port)) for name, port in behind.items()}
        place = InSwift(swift_server)
        ended.callback(place.close)
        database = database_behind(proxies["database"], postgresql)
        registry = Unawaited(directory / "registry", services=("registry",), registry_options={"DEFAULT": {"workers": 0}, "database": database})
        registry.manage("db_sync")
        options = {
            "DEFAULT": {"workers": 0, "registry_port": registry.registry_port, "registry_shared_secret": registry.registry_secret},
            "glance_store": {"stores": "swift,file", "default_store": "swift", **place.options(proxies["store"].url)},
            **keystone_server.options(auth_url=f"{proxies['identity'].url}/v3", http_request_max_retries=0),
        }
        api = Glance(directory / "api", flavor="keystone", services=("api",), api_options=options)
        ended.callback(registry.kill)
        ended.callback(api.kill)
        for proxy in proxies.values():
            proxy.fault = REFUSED
        yield Site(api, registry, proxies, {"X-Auth-Token": keystone_server.token(keystone_server.user("member"))})


def come_in(order: tuple[str, ...], site: Site) -> float:
    """Starts glance-api, then the others; returns after how many seconds all was ready once the last was there."""
    site.api.start()
    there: set[str] = set()
    for part in order:
        site.check_not_ready(there)
        site.come(part)
        there.add(part)
    began = time.monotonic()
    wait_until(site.works, "the service to be ready", PATIENCE)
    site.check_ready()
    return time.monotonic() - began


@pytest.mark.timeout(3600)
def test_api_that_starts_before_all_that_it_needs_then_503_until_it_is_there(
    tmp_path: Path, postgresql: PostgresServer, keystone_server: KeystoneServer, swift_server: SwiftServer, report: Report, rounds: Rounds
) -> None:
    slowest, seen, orders = 0.0, Counter[int](), ORDERS[: rounds(1, len(ORDERS))]
    for order in orders:
        with nothing_there(tmp_path / "-".join(order), postgresql, keystone_server, swift_server) as site:
            slowest = max(slowest, come_in(order, site))
            seen.update(site.seen)
    report(
        f"R40 swift, PostgreSQL, keystone: glance-api first, the others in {len(orders)} orders: answers meanwhile {dict(seen)}, "
        f"ready {slowest:.1f} s after the last at the latest"
    )


def test_api_with_the_database_that_starts_before_it_then_waits(tmp_path: Path, postgresql: PostgresServer, report: Report) -> None:
    with Proxy(postgresql.port) as proxy:
        database = database_behind(proxy, postgresql)
        options = {"DEFAULT": EMBEDDED, "database": database}
        glance = Unawaited(tmp_path / "glance", services=("api",), api_options=options, registry_options={"database": database})
        glance.manage("db_sync")
        proxy.fault = REFUSED
        with glance:
            wait_until(lambda: glance.logs().count("does not answer yet") > 0, "the service to wait", PATIENCE)
            with pytest.raises(ConnectionRefusedError):
                glance.request("GET", "/livez")
            proxy.fault = None
            began = time.monotonic()
            wait_until(lambda: answers(glance), "the service to be ready", PATIENCE)
            seconds = time.monotonic() - began
    report(f"R40 file, PostgreSQL, one process: glance-api waits for its database, ready {seconds:.1f} s after it was there")


def answers(glance: Glance) -> bool:
    try:
        return glance.request("GET", "/readyz").status == 200
    except ConnectionRefusedError:
        return False
