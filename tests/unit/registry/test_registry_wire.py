"""Entities and errors survive JSON; everything else in JSON is refused as Invalid."""

from datetime import datetime
from string import Formatter

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glance import errors
from glance.model.attributes import BY_NAME
from glance.model.image import SORT_KEYS, Condition, Image, ImageChanges, ImageQuery, Location, Member, Membership, Started, StoredData, Upload
from glance.model.quotas import Usage
from glance.registry import wire
from glance.registry.codec import TIME
from tests.unit.registry.recorder import IMAGE


def through(codec, value):
    return codec.load(orjson.loads(orjson.dumps(codec.dump(value))))


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        (wire.IMAGE, IMAGE),
        (wire.IMAGE, Image(id="7")),
        (wire.NEW_IMAGE, IMAGE),
        (wire.NEW_IMAGE, Image(id="")),
        (wire.LOCATION, IMAGE.locations[0]),
        (wire.UPLOAD, Upload("i", "a", "file", "host/boot/1/2", "queued")),
        (wire.STORED_DATA, StoredData(IMAGE.locations[0], 5, None, 9, "sha512", "cd")),
        (wire.MEMBER, Member("i", "t1", True, "accepted")),
        (wire.MEMBERSHIP, Membership("t1", None)),
        (wire.CHANGES, ImageChanges({"name": None, "protected": True, "size": 3, "visibility": "private"}, {"a": None}, purge=True)),
        (wire.CHANGES, ImageChanges(dropped=frozenset({"a", "b"}), tags=(), tag="t", untag="u")),
        (wire.CHANGES, ImageChanges()),
        (wire.QUERY, ImageQuery()),
    ],
)
def test_entity_through_json_is_the_same(codec, value):
    assert through(codec, value) == value


TEXT = st.text(st.characters(exclude_categories=["Cs"]))

OPERATORS = st.sampled_from(["eq", "neq", "gt", "gte", "lt", "lte"])
CONDITIONS = (
    st.builds(Condition, st.sampled_from(["size", "min_ram"]), OPERATORS, st.integers(-1, 2**63 - 1))
    | st.builds(Condition, st.sampled_from(["created_at", "updated_at"]), OPERATORS, st.datetimes())
    | st.builds(Condition, st.sampled_from(["name", "checksum"]), OPERATORS, TEXT)
    | st.builds(Condition, st.sampled_from(["id", "status"]), st.just("in"), st.lists(TEXT).map(tuple))
)


@given(
    st.builds(
        ImageQuery,
        equal=st.dictionaries(st.sampled_from(sorted(BY_NAME)), TEXT | st.booleans() | st.integers(-1, 2**63 - 1)),
        conditions=st.lists(CONDITIONS).map(tuple),
        properties=st.dictionaries(TEXT, TEXT),
        tags=st.lists(TEXT).map(tuple),
        member_status=st.sampled_from([None, "pending", "accepted", "rejected"]),
        changes_since=st.none() | st.datetimes(),
        deleted=st.none() | st.booleans(),
        scope=st.sampled_from(["default", "private", "all", "accessible", "everything"]),
        sort=st.lists(st.tuples(st.sampled_from(SORT_KEYS), st.sampled_from(["asc", "desc"]))).map(tuple),
        marker=st.none() | TEXT,
        limit=st.none() | st.integers(0, 10**6),
    )
)
def test_query_through_json_is_the_same(query):
    assert through(wire.QUERY, query) == query


def test_image_in_json_has_the_classic_form():
    document = orjson.loads(orjson.dumps(wire.IMAGE.dump(IMAGE)))
    assert document["created_at"] == "2012-05-06T07:08:09.000010"
    assert document["updated_at"] == "2012-05-06T07:08:10"
    assert document["deleted_at"] is None
    assert document["is_public"] is True
    assert document["size"] == 2**40
    assert document["location"] == "file:///images/one"
    assert document["location_data"][0] == {
        "url": "file:///images/one",
        "store": "file",
        "metadata": {"part": 1},
        "status": "active",
        "id": 7,
        "owned": True,
        "damaged": False,
    }


def test_brief_image_has_no_more_than_the_brief_list_shows():
    assert set(wire.dump_brief(IMAGE)) == {"id", "name", "disk_format", "container_format", "size", "checksum"}


@pytest.mark.parametrize(
    ("document", "visibility"),
    [
        ({}, "shared"),
        ({"is_public": True}, "public"),
        ({"is_public": False}, "shared"),
        ({"is_public": None}, "shared"),
        ({"visibility": "private", "is_public": False}, "private"),
        ({"visibility": "private", "is_public": True}, "public"),
        ({"visibility": "public", "is_public": False}, "shared"),
        ({"visibility": "public"}, "public"),
    ],
)
def test_is_public_of_a_classic_writer_becomes_visibility(document, visibility):
    assert wire.NEW_IMAGE.load(document).visibility == visibility


def test_classic_location_becomes_one_of_the_locations():
    assert wire.NEW_IMAGE.load({"location": "http://h/x"}).locations == (Location("http://h/x", ""),)
    assert wire.NEW_IMAGE.load({"location": "ignored", "location_data": [{"url": "file:///y"}]}).locations == (Location("file:///y", ""),)


def test_null_for_what_cannot_be_null_is_as_good_as_absent():
    assert wire.NEW_IMAGE.load({"min_ram": None, "protected": None, "status": None, "name": None, "properties": None}) == Image(id="")


def test_whole_image_sent_back_changes_nothing_that_is_the_registrys():
    changes = wire.CHANGES.load(orjson.loads(orjson.dumps(wire.IMAGE.dump(IMAGE))))
    assert not changes.values.keys() & {"id", "deleted", "created_at", "updated_at", "deleted_at"}
    assert changes.values["name"] == IMAGE.name


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"status": "bad"}, "Invalid image status 'bad' for image."),
        ({"visibility": "bad"}, "Invalid image visibility 'bad' for image."),
        ({"size": "5"}, "'size': An integer is expected."),
        ({"location_data": [{}]}, "'location_data': 'url' is missing."),
    ],
)
def test_bad_image_is_refused_with_the_reason(document, sentence):
    with pytest.raises(errors.Invalid) as caught:
        wire.NEW_IMAGE.load(document)
    assert caught.value.message == sentence


@pytest.mark.parametrize(
    "document",
    [
        {"name": "n" * 256},
        {"name": "a\0b"},
        {"min_ram": -1},
        {"min_ram": 2**31},
        {"size": 2**63},
        {"size": 1e30},
        {"size": True},
        {"name": 5},
        {"protected": 1},
        {"is_public": "true"},
        {"tags": "a"},
        {"tags": [""]},
        {"tags": ["a", 5]},
        {"tags": ["t" * 256]},
        {"tags": ["a\0b"]},
        {"os_hidden": "true"},
        {"os_hash_value": "f" * 129},
        {"properties": []},
        {"properties": {"a": 1}},
        {"properties": {"a": "line\r\nInjected: header"}},
        {"properties": {"k" * 256: "v"}},
        {"created_at": "yesterday"},
        [],
        None,
        "image",
    ],
)
def test_hostile_image_is_refused(document):
    for codec in (wire.NEW_IMAGE, wire.CHANGES):
        with pytest.raises(errors.Invalid):
            codec.load(document)


@pytest.mark.parametrize(
    "document",
    [
        {"location": 7},
        {"location_data": {}},
        {"location_data": [{"url": "x", "metadata": 1}]},
        {"location_data": [{"url": "x", "status": "odd"}]},
    ],
)
def test_hostile_location_is_refused(document):
    with pytest.raises(errors.Invalid):
        wire.load_locations(document)


@pytest.mark.parametrize(
    "change",
    [
        {"equal": {"url": "x"}},
        {"equal": {"size": 1.5}},
        {"conditions": {}},
        {"conditions": [{"attribute": "url", "operator": "eq", "value": "x"}]},
        {"conditions": [{"attribute": "name", "operator": "like", "value": "x"}]},
        {"conditions": [{"attribute": "name", "operator": "eq", "value": ["x"]}]},
        {"conditions": [{"attribute": "name", "operator": "in", "value": "x"}]},
        {"conditions": [{"attribute": "size", "operator": "in", "value": ["5"]}]},
        {"conditions": [{"attribute": "created_at", "operator": "gt", "value": "yesterday"}]},
        {"conditions": [{"attribute": "name", "operator": "eq"}]},
        {"tags": [5]},
        {"member_status": "all"},
        {"sort": [{"key": "url", "direction": "asc"}]},
        {"sort": [{"key": "name", "direction": "up"}]},
        {"scope": "any"},
        {"scope": []},
        {"limit": "5"},
    ],
)
def test_hostile_query_is_refused(change):
    document = orjson.loads(orjson.dumps(wire.QUERY.dump(ImageQuery()))) | change
    with pytest.raises(errors.Invalid):
        wire.QUERY.load(document)


def names_in(template):
    return {name for _text, name, _spec, _conversion in Formatter().parse(template) if name}


@pytest.mark.parametrize("kind", list(errors.every_error()), ids=lambda kind: kind.code)
def test_every_error_through_json_is_the_same(kind):
    error = kind(**{name: 17 if name in {"limit", "maximum"} else f"{name} ü" for name in names_in(kind.template)})
    back = wire.load_error(orjson.loads(orjson.dumps(wire.dump_error(error))))
    assert type(back) is kind
    assert (back.message, back.details) == (error.message, error.details)


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"error": None},
        {"error": {"code": "image-not-found", "details": {}}},
        {"error": {"code": "unheard-of", "details": {}}},
        {"error": {"code": ["x"], "details": {}}},
        {"error": {"code": "image-not-found"}},
        {"error": {"code": "image-not-found", "details": {"self": 1}}},
    ],
)
def test_unknown_error_is_refused(document):
    with pytest.raises(errors.Invalid):
        wire.load_error(document)


@pytest.mark.parametrize("document", [{"tag": ""}, {"tag": "t" * 256}, {"tag": 5}, {"untag": 5}, {"drop_props": "a"}, {"drop_props": [None]}])
def test_hostile_change_is_refused(document):
    with pytest.raises(errors.Invalid):
        wire.CHANGES.load(document)


def test_answers_of_a_registry_that_knows_no_quotas_are_understood():
    measures = {"images": 1, "uploading": 2, "stored": 3, "staged": 4}
    assert wire.USAGE.load(measures) == (Usage(1, 2, 3, 4), None)
    assert wire.STARTED.load(orjson.loads(orjson.dumps(wire.IMAGE.dump(IMAGE)))) == Started(IMAGE, limited=False)


def test_time_with_zone_is_read_as_utc():
    assert TIME.load("2012-05-06T07:08:09+02:00") == datetime(2012, 5, 6, 5, 8, 9)
