"""How many requests a caller may make: who is counted together, what counts, and what the refusal says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from glance.api.settings import ApiSettings, RateSettings
from glance.testing.servers import free_ports
from glance.testing.wire import Answer
from tests.api.conftest import Api, http_sender, pipeline, served, wsgi_sender

EXEMPT = frozenset({"admin", "service"})
JSON = {"Content-Type": "application/json"}
Limit = Callable[..., Api]


@pytest.fixture(params=["wsgi", "threads"])
def limit(request: pytest.FixtureRequest, make_api: Callable[..., Api]) -> Iterator[Limit]:
    """Makes services that hold their callers to rates."""
    with ExitStack() as ends:

        def limit(requests: str = "", writes: str = "", *, trusted: bool = True, settings: ApiSettings | None = None, **more: object) -> Api:
            api = make_api(settings=settings)
            rates = RateSettings(requests, writes, EXEMPT, **more)  # type: ignore[arg-type]
            application = pipeline(api.services, api.settings, trusted=trusted, rates=rates)
            send = wsgi_sender(application) if request.param == "wsgi" else http_sender(ends.enter_context(served(application)))
            return replace(api, send=send)

        yield limit


def statuses(api: Api, count: int, path: str = "/v2/images") -> list[int]:
    return [api.request("GET", path).status for _ in range(count)]


def test_requests_when_a_project_makes_too_many_then_429_for_it_alone_in_both_versions(limit: Limit) -> None:
    api = limit("3/day")
    web = api.as_caller("web")

    assert statuses(web, 2) == [200, 200]
    assert statuses(web, 2, "/v1/images") == [200, 429]
    assert statuses(web, 2, "/images") == [429, 429]
    assert statuses(web, 1, "/v2/nothing") == [429]
    assert statuses(api.as_caller("db"), 4) == [200, 200, 200, 429]


@pytest.mark.parametrize(
    ("path", "accept", "media_type"),
    [
        ("/v1/images", None, "text/plain; charset=UTF-8"),
        ("/v1/images", "text/html", "text/html; charset=UTF-8"),
        ("/v2/images", None, "text/html; charset=UTF-8"),
        ("/v2/images", "application/json", "application/json"),
    ],
)
def test_refusal_then_says_when_to_come_back_in_the_form_that_is_asked_for(limit: Limit, path: str, accept: str | None, media_type: str) -> None:
    caller = limit("2/hour").as_caller("web")
    statuses(caller, 2)

    answer = caller.request("GET", path, {"Accept": accept} if accept else {})

    assert (answer.status, answer.header("Content-Type")) == (429, media_type)
    seconds = answer.header("Retry-After")
    assert 1 <= int(str(seconds)) <= 3600
    assert f"Too many requests: at most 2 per hour are answered. Try again in {seconds} seconds." in answer.text
    assert str(answer.header("X-Openstack-Request-Id")).startswith("req-")


def test_writes_when_they_have_a_rate_then_reads_go_on(limit: Limit) -> None:
    caller = limit("6/day", "2/day").as_caller("web")

    def write() -> Answer:
        return caller.request("POST", "/v2/images", JSON, b"{}")

    assert [write().status for _ in range(3)] == [201, 201, 429]
    assert "Too many writes: at most 2 per day are answered." in write().text
    assert statuses(caller, 5) == [200, 200, 200, 200, 429]  # the two that were carried out count as requests, too


def test_rates_when_several_are_exceeded_then_the_shortest_window_says_when(limit: Limit) -> None:
    caller = limit("1/day; 1/hour;1/day").as_caller("web")
    statuses(caller, 1)

    answer = caller.request("GET", "/v2/images")

    assert answer.status == 429
    assert int(str(answer.header("Retry-After"))) <= 3600


def test_caller_when_an_administrator_or_a_service_then_is_not_held_back(limit: Limit) -> None:
    api = limit("1/day", "1/day")
    passing_on = replace(api.as_caller("web"), headers={**api.as_caller("web").headers, "X-Service-Roles": "service"})

    for caller in (api.as_caller("ops", "admin"), api.as_caller("nova", "service,reader"), passing_on):
        assert statuses(caller, 3) == [200, 200, 200]
    assert statuses(api.as_caller("ops", "manager"), 2) == [200, 429]
    assert statuses(api.as_caller("web"), 2) == [200, 429]


def test_caller_when_an_administrator_of_no_project_then_is_not_held_back_either(limit: Limit) -> None:
    api = limit("1/day")
    system = {name: value for name, value in api.as_caller("ops", "admin").headers.items() if name != "X-Tenant-Id"}

    assert statuses(replace(api, headers=system), 3) == [200, 200, 200]


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("", "", True),
    ],
)
def test_address_when_of_ipv6_then_all_of_its_network_count_together(make_api: Callable[..., Api], first: str, second: str, together: bool) -> None:
    api = make_api()
    application = pipeline(api.services, api.settings, trusted=False, rates=RateSettings("1/day", "", EXEMPT))

    def ask(address: str) -> int:
        behind: Any = lambda environ, start_response: application({**environ, "REMOTE_ADDR": address}, start_response)  # noqa: E731
        return wsgi_sender(behind)("GET", "/v2/images", {}, None).status

    assert [ask(first), ask(second)] == [200, 429 if together else 200]


def test_caller_when_of_no_project_then_the_address_counts(limit: Limit) -> None:
    nobody = limit("2/day", settings=ApiSettings(allow_anonymous_access=True))
    everybody = limit("2/day", trusted=False)

    assert statuses(nobody, 3) == [200, 200, 429]
    assert statuses(nobody.as_caller("web"), 3) == [200, 200, 429]
    assert statuses(everybody, 3) == [200, 200, 429]


def test_caller_when_images_belong_to_users_then_each_user_counts(limit: Limit) -> None:
    api = limit("1/day", settings=ApiSettings(owner_is_project=False))
    alice, bob = (replace(api, headers={**api.as_caller("web").headers, "X-User-Id": user}) for user in ("alice", "bob"))

    assert statuses(alice, 2) + statuses(bob, 2) == [200, 429, 200, 429]


def test_documents_for_everybody_then_do_not_count(limit: Limit) -> None:
    caller = limit("1/day").as_caller("web")

    assert statuses(caller, 3, "/versions") == [200, 200, 200]
    assert statuses(caller, 2) == [200, 429]


def test_upload_when_it_is_too_many_then_its_data_are_not_read(limit: Limit) -> None:
    caller = limit(writes="1/day").as_caller("web")
    image_id = caller.new()

    # Of the body that is announced nothing comes: reading it would fail.
    answer = caller.request("PUT", f"/v2/images/{image_id}/file", {"Content-Type": "application/octet-stream", "Content-Length": "1000"})

    assert answer.status == 429
    assert caller.get(f"/v2/images/{image_id}")["status"] == "queued"


def test_counters_when_memcached_is_gone_then_requests_go_on_and_the_log_says_so(limit: Limit, caplog: pytest.LogCaptureFixture) -> None:
    [port] = free_ports(1)
    caller = limit("1/day", memcached_servers=(f"127.0.0.1:{port}",)).as_caller("web")

    with caplog.at_level(logging.WARNING):
        assert statuses(caller, 4) == [200, 200, 200, 200]

    told = [record.message for record in caplog.records if "cannot be counted" in record.message]
    assert told
    assert told[0].startswith("Requests cannot be counted: nobody is held back for 10 seconds: ")
