"""The registry in another process passes the same suite: straight into its application, and through sockets."""

from __future__ import annotations

import json
import socketserver
import threading
import wsgiref.simple_server
from collections.abc import Callable, Iterator

import pytest
import webob
from sqlalchemy import Engine

from glance.db.registry import SqlRegistry
from glance.interfaces import Registry
from glance.model.metrics import ROUTE
from glance.registry.client import HttpRegistry, RegistryClientSettings, connect
from glance.registry.server import RegistryApp
from glance.testing.registry_contract import Advance, Clock, RegistryContract
from glance.testing.wsgi_transport import WsgiTransport
from tests.databases import moments

SECRET = "sésame"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def application(clock: Clock, engine: Engine) -> RegistryApp:
    """The registry of a database of its own, as glance-registry serves it to callers who prove who they are."""
    registry = SqlRegistry(engine, clock=clock, lease_clock=moments(clock))
    return RegistryApp(registry, secret=SECRET, default_limit=25, max_limit=1000, anonymous_is_admin=False)


class TestRegistryThroughWsgi(RegistryContract):
    @pytest.fixture
    def registry(self, application: RegistryApp) -> Registry:
        return HttpRegistry(WsgiTransport(application), SECRET)

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        return clock.advance


class TestRegistryThroughSockets(RegistryContract):
    @pytest.fixture
    def registry(self, application: RegistryApp) -> Iterator[Registry]:
        with ThreadingServer(("127.0.0.1", 0), QuietHandler) as server:
            server.set_app(application)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            registry = connect(RegistryClientSettings(port=server.server_port, timeout=30, secret=SECRET))
            yield registry
            registry.close()
            server.shutdown()

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        return clock.advance


@pytest.mark.parametrize("path", ["/", "/images", "/images/", "/images/detail"])
def test_list_then_metrics_know_it_by_its_path(application: RegistryApp, path: str) -> None:
    headers = {"X-Glance-Registry-Secret": SECRET.encode().decode("latin-1"), "X-Identity-Status": "Confirmed", "X-Roles": "admin"}
    request = webob.Request.blank(path, headers=headers)
    assert request.get_response(application).json == {"images": []}
    assert request.environ[ROUTE] == path


class TestClassicClient:
    """What curl and clients of 2012 send (spec-v1 3), in sequence."""

    @pytest.fixture
    def ask(self, application: RegistryApp) -> Callable[..., webob.Response]:
        def ask(line: str, document: object = None, **headers: str) -> webob.Response:
            verb, target = line.split(" ")
            sent = {"X-Glance-Registry-Secret": SECRET.encode().decode("latin-1"), "X-Identity-Status": "Confirmed", "X-Roles": "admin"}
            body = b"" if document is None else json.dumps(document).encode()
            return webob.Request.blank(target, method=verb, headers=sent | headers, body=body).get_response(application)

        return ask

    def test_image_that_is_reserved_then_registered_is_active(self, ask: Callable[..., webob.Response]) -> None:
        made = ask("POST /images", {"image": {"name": "x", "status": "queued", "is_public": True, "properties": {"a": "1"}}}).json["image"]
        assert (made["status"], made["is_public"], made["location"]) == ("queued", True, None)
        line = f"PUT /images/{made['id']}"
        answer = ask(line, {"image": {"location": "http://h/x", "status": "active", "size": 9}, "from_state": "queued"})
        active = answer.json["image"]
        assert (active["status"], active["size"], active["location"], active["properties"]) == ("active", 9, "http://h/x", {"a": "1"})
        assert ask(f"GET /images/{made['id']}").json["image"] == active
        assert [image["id"] for image in ask("GET /images").json["images"]] == [made["id"]]
        assert ask(line, {"image": {"location": "http://h/other"}}).status_int == 409
        assert ask(line, {"image": {"status": "killed"}, "from_state": "queued"}).status_int == 409

    def test_whole_image_sent_back_changes_what_is_different(self, ask: Callable[..., webob.Response]) -> None:
        image = ask("POST /images", {"image": {"name": "x", "location": "http://h/x", "size": 3}}).json["image"]
        assert (image["status"], image["location_data"][0]["url"]) == ("active", "http://h/x")
        changed = ask(f"PUT /images/{image['id']}", {"image": image | {"name": "y", "is_public": True}, "from_state": None}).json["image"]
        assert (changed["name"], changed["is_public"], changed["visibility"]) == ("y", True, "public")
        assert changed["location_data"] == image["location_data"]

    def test_status_that_is_not_one_is_refused(self, ask: Callable[..., webob.Response]) -> None:
        answer = ask("POST /images", {"image": {"name": "x", "status": "bad"}})
        assert (answer.status_int, "Invalid image status 'bad' for image." in answer.text) == (400, True)

    def test_upload_of_a_classic_server_ends_killed(self, ask: Callable[..., webob.Response]) -> None:
        image = ask("POST /images", {"image": {"name": "x", "status": "queued"}}).json["image"]
        line = f"PUT /images/{image['id']}"
        assert ask(line, {"image": {"status": "saving"}, "from_state": "queued"}).json["image"]["status"] == "saving"
        assert ask(line, {"image": {"status": "killed"}, "from_state": "saving"}).json["image"]["status"] == "killed"

    def test_member_is_added_shown_and_removed(self, ask: Callable[..., webob.Response]) -> None:
        image_id = ask("POST /images", {"image": {"name": "x"}}).json["image"]["id"]
        assert ask(f"PUT /images/{image_id}/members/t2", {"member": {"can_share": True}}).status_int == 204
        [member] = ask(f"GET /images/{image_id}/members").json["members"]
        assert (member["member_id"], member["can_share"]) == ("t2", True)
        assert ask("GET /shared-images/t2").json["shared_images"][0]["image_id"] == image_id
        assert ask(f"PUT /images/{image_id}/members", [{"member_id": "t3"}]).status_int == 204
        assert ask(f"DELETE /images/{image_id}/members/t2").status_int == 404
        assert ask(f"DELETE /images/{image_id}/members/t3").status_int == 204

    def test_image_that_is_deleted_is_shown_to_administrators_alone(self, ask: Callable[..., webob.Response]) -> None:
        image_id = ask("POST /images", {"image": {"name": "x", "is_public": True}}).json["image"]["id"]
        assert ask(f"DELETE /images/{image_id}").json["image"]["status"] == "deleted"
        assert ask(f"GET /images/{image_id}").json["image"]["deleted"] is True
        assert ask(f"GET /images/{image_id}", **{"X-Roles": "member", "X-Tenant-Id": "t1"}).status_int == 404
        assert ask("GET /images?is_public=none").json == {"images": []}
        assert len(ask("GET /images?is_public=none&deleted=true").json["images"]) == 1


class ThreadingServer(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """The standard library's server, a thread for each connection."""

    request_queue_size = 64


class QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Not among the tests' output."""
