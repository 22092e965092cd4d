"""glance-registry as curl and clients of 2012 see it: classic paths, bodies and parameters, who is let in, and what errors look like."""

import json
import logging

import pytest
import webob

from glance import errors
from glance.context import RequestContext, to_headers, unauthenticated
from glance.model.image import Image, ImageChanges, ImageQuery, Location, Member, Membership
from glance.registry.server import BODY_LIMIT, RegistryApp
from tests.unit.registry.recorder import IMAGE

ALICE = to_headers(RequestContext(user="u1", project="t1", roles=("member",)))
SECRET = {"X-Glance-Registry-Secret": "sesame"}
REQUEST_ID = "req-11111111-2222-4333-8444-555555555555"


@pytest.fixture
def ask(recorder):
    """Sends one request to a registry without secret, or with the settings given."""

    def ask(line, body=None, headers=None, **settings):
        verb, target = line.split(" ", 1)
        app = RegistryApp(recorder, **{"secret": None, "default_limit": 25, "max_limit": 1000} | settings)
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return webob.Request.blank(target, method=verb, headers=headers or {}, body=sent).get_response(app)

    return ask


@pytest.fixture
def asked(recorder):
    """What the registry behind the server was asked: one (part, method, positional, named)."""

    def asked():
        [one] = recorder.asked
        return one

    return asked


@pytest.mark.parametrize("path", ["/", "/images", "/images/", "/images?"])
def test_list_gives_brief_images(recorder, ask, path):
    recorder.answer = [IMAGE]
    answer = ask(f"GET {path}")
    assert answer.status_int == 200
    assert set(answer.json["images"][0]) == {"id", "name", "disk_format", "container_format", "size", "checksum"}


def test_detail_list_shows_locations(recorder, ask):
    recorder.answer = [IMAGE]
    [image] = ask("GET /images/detail").json["images"]
    assert image["location"] == "file:///images/one"
    assert [location["id"] for location in image["location_data"]] == [7, 8]
    assert image["properties"] == {"a": "1", "none": None, "empty": ""}


@pytest.mark.parametrize("path", ["/images", "/images/detail"])
def test_list_with_classic_parameters_asks_for_the_same(recorder, ask, asked, path):
    recorder.answer = []
    ask(f"GET {path}?name=%C3%BC&is_public=None&property-a=b&limit=2000&sort_dir=asc&deleted=true&odd=1")
    part, method, (ctx, query), _named = asked()
    assert (part, method, ctx) == ("images", "list", unauthenticated())
    assert query == ImageQuery({"name": "ü"}, properties={"a": "b"}, scope="all", deleted=True, sort=(("created_at", "asc"),), limit=1000)


def test_list_asked_by_an_ordinary_caller_ignores_what_is_for_administrators(recorder, ask, asked):
    recorder.answer = []
    ask("GET /images?is_public=none&deleted=true", headers=ALICE)
    (ctx, query) = asked()[2]
    assert (ctx.project, ctx.is_admin) == ("t1", False)
    assert query == ImageQuery(limit=25)


@pytest.mark.parametrize(("query", "status"), [("name=\u00c3\u00bc", 200), ("name=\u00fc", 400), ("name=%fc", 400)])
def test_list_when_a_parameter_is_not_escaped_then_it_is_utf8(recorder, query, status):
    recorder.answer = []
    request = webob.Request.blank("/images", environ={"QUERY_STRING": query})
    assert request.get_response(RegistryApp(recorder, secret=None, default_limit=1, max_limit=1)).status_int == status
    assert [asked[2][1].equal for asked in recorder.asked] == [{"name": "\u00fc"}] * (status == 200)


def test_list_with_a_bad_parameter_is_refused_as_ever(ask):
    answer = ask("GET /images?size_min=foo")
    assert answer.status_int == 400
    assert "Bad value passed to filter size_min got foo" in answer.text


def test_create_with_a_classic_body_makes_an_active_image_of_the_caller(ask, asked):
    answer = ask("POST /images", {"image": {"name": "x", "is_public": True, "location": "http://h/x"}}, ALICE)
    assert (answer.status_int, answer.json["image"]["id"]) == (200, IMAGE.id)
    assert asked()[3]["image"] == Image(id="", name="x", status="active", visibility="public", owner="t1", locations=(Location("http://h/x", ""),))


def test_create_with_a_bad_status_is_refused_as_ever(ask):
    answer = ask("POST /images", {"image": {"name": "x", "status": "bad"}})
    assert answer.status_int == 400
    assert "Invalid image status 'bad' for image." in answer.text


def test_update_with_a_classic_body_keeps_properties(ask, asked):
    ask(f"PUT /images/{IMAGE.id}", {"image": {"min_ram": 5, "properties": {"a": "1"}}, "from_state": "saving"})
    assert asked()[3] == {
        "image_id": IMAGE.id,
        "changes": ImageChanges({"min_ram": 5}, {"a": "1"}),
        "from_status": frozenset({"saving"}),
    }


def test_update_with_the_purge_header_drops_properties(ask, asked):
    ask(f"PUT /images/{IMAGE.id}", {"image": {"name": "x"}, "from_state": None}, {"X-Glance-Registry-Purge-Props": "True"})
    assert asked()[3] == {"image_id": IMAGE.id, "changes": ImageChanges({"name": "x"}, purge=True), "from_status": None}


def test_delete_without_body_is_not_delayed(ask, asked):
    answer = ask(f"DELETE /images/{IMAGE.id}")
    assert (answer.status_int, answer.json["image"]["id"]) == (200, IMAGE.id)
    assert asked()[3] == {"image_id": IMAGE.id, "delayed": False}


def test_members_are_shown_by_their_classic_names(recorder, ask):
    recorder.answer = [Member(IMAGE.id, "t2", True, created_at=IMAGE.created_at, updated_at=IMAGE.updated_at)]
    expected = {
        "image_id": IMAGE.id,
        "member_id": "t2",
        "can_share": True,
        "status": "pending",
        "created_at": "2012-05-06T07:08:09.000010",
        "updated_at": "2012-05-06T07:08:10",
    }
    assert ask(f"GET /images/{IMAGE.id}/members").json == {"members": [expected]}
    assert ask("GET /shared-images/t2").json == {"shared_images": [expected]}


@pytest.mark.parametrize(
    "body",
    [
        {"memberships": [{"member_id": "t2", "can_share": True}]},
        [{"member_id": "t2", "can_share": True}],
        {"member_id": "t2", "can_share": True},
    ],
)
def test_members_put_in_any_form_replace_the_others(ask, asked, body):
    answer = ask(f"PUT /images/{IMAGE.id}/members", body)
    assert (answer.status_int, answer.body) == (204, b"")
    assert asked()[3] == {"image_id": IMAGE.id, "memberships": [Membership("t2", True)], "replace": True, "maximum": -1}


@pytest.mark.parametrize(("body", "can_share"), [(None, None), ({}, None), ({"member": {"can_share": True}}, True)])
def test_one_member_put_leaves_the_others(ask, asked, body, can_share):
    answer = ask(f"PUT /images/{IMAGE.id}/members/t2", body)
    assert answer.status_int == 204
    assert asked()[2][1:] == (IMAGE.id, [Membership("t2", can_share)])
    assert asked()[3] == {"replace": False, "maximum": -1}


@pytest.mark.parametrize("body", [{}, {"memberships": None}, {"memberships": [{}]}, [{"can_share": True}], "t2", [1]])
def test_members_put_without_names_are_refused(ask, body):
    assert ask(f"PUT /images/{IMAGE.id}/members", body).status_int == 400


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b"[" * 100_000, b'{"image": NaN}', b'{"image": {"name": "\\ud800"}}', b'"text"', b"[]", b"{}", b'{"image": []}', b"null"],
)
def test_malformed_body_is_refused(ask, recorder, body):
    for line in ("POST /images", f"PUT /images/{IMAGE.id}"):
        assert ask(line, body).status_int == 400
    assert recorder.asked == []


def test_body_beyond_the_limit_is_refused(ask):
    assert ask("POST /images", b" " * (BODY_LIMIT + 1)).status_int == 413


def test_unknown_path_is_not_found_and_unknown_verb_not_allowed(ask):
    assert ask("GET /nope").status_int == 404
    assert ask("GET /images/a/b").status_int == 404
    answer = ask(f"PATCH /images/{IMAGE.id}")
    assert (answer.status_int, answer.headers["Allow"]) == (405, "DELETE, GET, PUT")


@pytest.mark.parametrize("line", ["GET /images/%FF", "GET /images?name=%FF", "GET /%80"])
def test_what_is_not_utf8_is_refused(ask, line):
    assert ask(line).status_int == 400


@pytest.mark.parametrize("given", [None, "", "Sesame", "sésame"])
def test_request_without_the_secret_is_refused(ask, recorder, given):
    headers = {} if given is None else {"X-Glance-Registry-Secret": given}
    answer = ask("GET /images", headers=headers | ALICE, secret="sesame")
    assert (answer.status_int, recorder.asked) == (401, [])


def test_request_with_the_secret_is_served(ask):
    assert ask(f"GET /images/{IMAGE.id}", headers=SECRET, secret="sesame").status_int == 200


def test_healthcheck_needs_no_secret(ask):
    answer = ask("GET /healthcheck", secret="sesame")
    assert (answer.status_int, answer.text, answer.content_type) == (200, "OK", "text/plain")


def test_request_without_identity_is_an_administrators_or_refused(ask, asked):
    assert ask(f"GET /images/{IMAGE.id}", anonymous_is_admin=False).status_int == 401
    assert ask(f"GET /images/{IMAGE.id}", headers={"X-Openstack-Request-Id": "req-7"}).status_int == 200
    assert asked()[2] == (unauthenticated("req-7"),)


def test_request_with_a_refused_identity_is_never_an_administrators(ask, recorder):
    assert ask(f"GET /images/{IMAGE.id}", headers={"X-Identity-Status": "Invalid"}).status_int == 401
    assert recorder.asked == []


def test_service_operation_for_an_ordinary_caller_is_forbidden(ask, recorder):
    for line in ("GET /uploads", "GET /locations/condemned"):
        assert ask(line, headers=ALICE).status_int == 403
    assert ask("POST /locations/erased", {"location_id": 1}, ALICE).status_int == 403
    assert recorder.asked == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidImageId(value="7"), 400),
        (errors.NotAuthenticated(), 401),
        (errors.ShareForbidden(), 403),
        (errors.ImageNotFound(image_id="x"), 404),
        (errors.StatusConflict(), 409),
        (errors.MemberQuotaExceeded(attempted=2, maximum=1), 413),
        (errors.DatabaseUnavailable(), 503),
        (errors.ConfigurationError(reason="x"), 500),
    ],
)
def test_error_is_told_as_json_or_as_text(ask, recorder, error, status):
    recorder.answer = error
    coded = ask(f"GET /images/{IMAGE.id}", headers={"Accept": "application/json"})
    assert (coded.status_int, coded.json) == (status, {"error": {"code": error.code, "message": error.message, "details": error.details}})
    plain = ask(f"GET /images/{IMAGE.id}", headers={"Accept": "*/*"})
    assert (plain.status_int, plain.content_type) == (status, "text/plain")
    assert error.message in plain.text


def test_unexpected_exception_is_logged_and_told_to_nobody(ask, recorder, caplog):
    recorder.answer = ZeroDivisionError("inner workings")
    with caplog.at_level(logging.ERROR):
        answer = ask(f"GET /images/{IMAGE.id}", headers=SECRET, secret="sesame")
    assert answer.status_int == 500
    assert "inner workings" not in answer.text
    [record] = caplog.records
    assert record.exc_info is not None
    assert "sesame" not in caplog.text


@pytest.mark.parametrize(
    ("line", "status"), [("GET /images", 200), ("GET /images/nothing/there", 404), ("GET /healthcheck", 200), ("PATCH /images", 405)]
)
@pytest.mark.parametrize("request_id", [REQUEST_ID, "of.a:client_7"])
def test_answer_carries_the_request_id_of_the_caller(recorder, ask, line, status, request_id):
    recorder.answer = []
    answer = ask(line, headers={"X-Openstack-Request-Id": request_id})
    assert (answer.status_int, answer.headers["X-Openstack-Request-Id"]) == (status, request_id)


@pytest.mark.parametrize("given", [{}, {"X-Openstack-Request-Id": ""}, {"X-Openstack-Request-Id": "req-1 forged log line"}])
def test_answer_carries_no_request_id_where_none_was_given(ask, recorder, given):
    recorder.answer = []
    assert "X-Openstack-Request-Id" not in ask("GET /images", headers=given).headers


def test_answer_to_a_wrong_secret_carries_the_request_id(ask):
    answer = ask("GET /images", headers={"X-Openstack-Request-Id": REQUEST_ID}, secret="sesame")
    assert (answer.status_int, answer.headers["X-Openstack-Request-Id"]) == (401, REQUEST_ID)
