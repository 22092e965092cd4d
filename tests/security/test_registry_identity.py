"""Whom the registry is asked for: S10. It hears of each request who has sent it; that glance-api asks is proved besides."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from glance.testing.servers import ServerFailure, program
from tests.http_front import Front, Handler
from tests.running import running
from tests.security.matrix import SENT, Case, only_in

REQUEST_ID = "req-whose-request-is-this"
OFF = {"DEFAULT": {"use_user_token": False}}


@pytest.fixture
def heard() -> Iterator[tuple[Front, list[Mapping[str, str]]]]:
    """A stand-in for the registry's port, and the headers of what has come through it; a test sets what is behind."""
    headers: list[Mapping[str, str]] = []

    def listen(request: Handler) -> None:
        headers.append({name.title(): value for name, value in request.headers.items()})

    with running(Front(0)) as front:
        front.answer = listen
        yield front, headers


def test_registry_when_asked_for_a_caller_then_told_whose_request_it_is(case: Case, heard: tuple[Front, list[Mapping[str, str]]]) -> None:
    """S10, OSSN-0060: the caller's project, user and roles come with every request, and the secret of glance-api beside them."""
    if case.registry == "embedded":
        case.saw("no requests to a registry")
        return
    front, headers = heard
    front.behind = case.glance.registry_port
    picture = case.image("B")
    own = case.queued("A")
    with case.with_options({"DEFAULT": {"registry_port": front.server_port}}):
        for method, path in (
            *((method, f"/v1/images/{picture.id}") for method in ("GET", "HEAD", "PUT")),
            *(
                ("GET", path)
                for path in ("/v1/images", "/v1/images/detail", "/v2/images", f"/v2/images/{picture.id}", f"/v2/images/{picture.id}/file")
            ),
            *(("GET", f"/{version}/images/{own}/members") for version in ("v1", "v2")),
            ("POST", "/v1/images"),
            ("PUT", f"/v2/images/{own}/tags/one"),
            ("DELETE", f"/v2/images/{own}"),
        ):
            case.ask("A", method, path, {"X-Openstack-Request-Id": REQUEST_ID})

    told = [one for one in headers if one.get("X-Openstack-Request-Id") == REQUEST_ID]
    assert len(told) >= 13
    assert {one["X-Glance-Registry-Secret"] for one in told} == {SENT}
    assert not any("X-Auth-Token" in one for one in told)
    expected = (None, "True") if case.everybody_is_admin else (case.project("A"), "False")
    assert {(one.get("X-Tenant-Id"), one["X-Glance-Admin"]) for one in told} == {expected}
    if not case.everybody_is_admin:
        assert {("X-User-Id" in one, *sorted(one["X-Roles"].split(","))) for one in told} == {(True, "member", "reader")}
    whose = "the administrator's, without a project" if case.everybody_is_admin else "A's project, not an administrator's"
    case.saw(f"all requests to the registry that 13 of A lead to are {whose}; none has the token")


def test_image_of_another_project_then_404_and_in_no_list(case: Case) -> None:
    """S10: what the registry is told counts."""
    picture = case.image("B")
    sees = case.everybody_is_admin
    shown = [case.ask("A", "GET", path).status for path in (picture.v1, picture.v2, f"{picture.v2}/file")]
    assert shown == [200 if sees else 404] * 3
    for path in ("/v1/images?is_public=False", "/v1/images/detail?is_public=False", "/v2/images"):
        assert (picture.id in {image["id"] for image in case.ask("A", "GET", path).json["images"]}) == sees
    case.saw(f"A asks for a private image of B: {shown[0]} in v1 and v2; {'in all' if sees else 'in no'} lists")


@only_in("none/embedded")
def test_service_when_the_registry_is_to_be_asked_as_an_administrator_then_does_not_start(case: Case, tmp_path: Path) -> None:
    """S10: ``use_user_token = False`` is refused."""
    conf = tmp_path / "glance-api.conf"
    conf.write_text(case.glance.conf("api").read_text().replace("[DEFAULT]", "[DEFAULT]\nuse_user_token = False", 1))
    started = subprocess.run([program("glance-api"), "--config-file", conf], capture_output=True, text=True, timeout=120, check=False)
    assert (started.returncode, "use_user_token = False is refused" in started.stderr) == (1, True)
    case.saw("use_user_token = False: glance-api does not start")


def test_service_when_the_registry_is_to_be_asked_as_an_administrator_then_does_not_reload(case: Case) -> None:
    """S10: ``use_user_token = False`` is refused while it runs."""
    with pytest.raises(ServerFailure, match="use_user_token = False is refused"), case.with_options(OFF):
        pass
    assert case.ask("A", "GET", "/v1/images").status == 200
    case.saw("use_user_token = False: a running glance-api goes on with the configuration before")
