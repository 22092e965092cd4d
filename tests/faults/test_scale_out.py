"""What docs/scale-out.md promises, with the configuration that it gives: real HAProxy, MariaDB and Swift, two nodes of both programs (R37)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.databases import MariadbServer
from tests.faults.balanced import NODES, Clients, Site
from tests.faults.conftest import Report, Rounds
from tests.swift_server import SwiftServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, mariadb: MariadbServer, swift_server: SwiftServer) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("scale-out"), mariadb, swift_server) as running:
        yield running


def test_r37_nodes_when_restarted_in_turn_then_no_request_fails(site: Site, rounds: Rounds, report: Report) -> None:
    times = rounds(1, 20)
    with Clients(site) as clients:
        clients.await_requests(20)
        for _ in range(times):
            site.restart_in_turn()
        clients.await_requests(20)
    assert clients.damaged() == []
    total, by_kind = clients.requests.total(), ", ".join(f"{count} {what}" for what, count in clients.requests.items())
    report(f"R37 two nodes behind HAProxy, restarted in turn: {times} times: requests {total} ({by_kind}), failed = {len(clients.failures)}")
    assert clients.failures == []


@pytest.mark.parametrize("service", ["registry", "api"])
def test_r37_node_when_killed_then_only_what_it_was_doing_fails_and_nothing_acknowledged_is_lost(
    site: Site, rounds: Rounds, report: Report, service: str
) -> None:
    times = rounds(1, 20)
    with Clients(site) as clients:
        deaths = []
        for number in range(times):
            clients.await_requests(20)
            deaths.append(site.kill(NODES[number % 2], service))
            clients.await_requests(40)
            site.start(NODES[number % 2], service)
            site.await_all_up()
        clients.await_requests(20)
    running = [one for one in clients.failures if any(one.began < dead and one.ended > killed for killed, dead in deaths)]
    kinds = ", ".join(f"{count} {what}" for what, count in Counter(f"{one.what}: {one.how}" for one in running).items()) or "none"
    report(
        f"R37 two nodes behind HAProxy, kill -9 of a glance-{service}: {times} times: requests {clients.requests.total()}, of those that ran in it "
        f"{len(running)} failed ({kinds}), of all others {len(clients.failures) - len(running)}; "
        f"acknowledged uploads {len(clients.kept)}, lost or wrong = {len(clients.damaged())}"
    )
    assert clients.kept != {}
    assert [one for one in clients.failures if one not in running] == []
    assert len(running) <= times * clients.at_once
    assert [one for one in running if one.what in {"show", "list"}] == []
    assert clients.damaged() == []
