"""Every method of Registry goes through the table, over the wire and back."""

import inspect
from datetime import datetime

import pytest

from glance import errors, interfaces
from glance.context import RequestContext
from glance.model.image import Condition, Failure, ImageChanges, ImageQuery, Location, Member, Membership, Standing, Started, StoredData, Upload
from glance.model.quotas import Quotas, Usage
from glance.registry.client import HttpRegistry
from glance.registry.operations import OPERATIONS
from glance.registry.server import RegistryApp
from glance.testing.wsgi_transport import WsgiTransport
from tests.unit.registry.recorder import IMAGE, Recorder

PARTS = {
    "images": interfaces.ImageRecords,
    "uploads": interfaces.UploadRecords,
    "locations": interfaces.LocationRecords,
    "members": interfaces.MemberRecords,
    "duties": interfaces.DutyRecords,
    "audits": interfaces.AuditRecords,
}
CTX = RequestContext(user="Jörg", project="東京", roles=("member", "admin"), request_id="req-1", read_only=True)
UPLOAD = Upload(IMAGE.id, "attempt", "file", "host/boot/1/2", "queued", 2**40)
LOCATION = Location("file:///images/one", "file", {"part": 1}, owned=False, damaged=True)
QUERY = ImageQuery(
    equal={"name": "é", "protected": False, "min_ram": 0},
    conditions=(
        Condition("size", "gte", 0),
        Condition("name", "in", ("a", "b,é")),
        Condition("created_at", "lt", datetime(2012, 5, 6, 7, 8, 9, 10)),
    ),
    properties={"k": "v"},
    tags=("t", "ü"),
    member_status="accepted",
    changes_since=datetime(2012, 5, 6),
    scope="accessible",
    sort=(("name", "asc"), ("size", "desc")),
    marker="m",
    limit=5,
)
CHANGES = ImageChanges({"name": "n"}, {"p": None}, frozenset({"old", "gone"}), purge=True, tags=("a", "b"), tag="c", untag="d")
MEMBERS = [Member(IMAGE.id, "t1", True, "accepted", datetime(2012, 5, 6), datetime(2012, 5, 7, 1, 2, 3, 4)), Member(IMAGE.id, "t2")]

CALLS = [
    ("images", "create", (CTX, IMAGE), {}, IMAGE),
    ("images", "get", (CTX, IMAGE.id), {}, IMAGE),
    ("images", "list", (CTX, QUERY), {}, [IMAGE, IMAGE]),
    ("images", "update", (CTX, IMAGE.id, CHANGES, frozenset({"queued", "saving"})), {}, IMAGE),
    ("images", "update", (CTX, IMAGE.id, ImageChanges(), None), {}, IMAGE),
    ("images", "activate", (CTX, IMAGE.id, LOCATION, 3), {}, IMAGE),
    ("images", "activate", (CTX, IMAGE.id, None, 0), {}, IMAGE),
    ("images", "delete", (CTX, IMAGE.id), {"delayed": True}, IMAGE),
    ("images", "restore", (CTX, IMAGE.id), {}, IMAGE),
    ("images", "usage", (CTX,), {}, (Usage(3, 1, 2**40, 5), Quotas(-1, 0, 2**41, 7))),
    ("images", "usage", (CTX,), {}, (Usage(), None)),
    ("uploads", "start", (CTX, UPLOAD, "uploading"), {}, Started(IMAGE, limited=True)),
    ("uploads", "renew", (["a", "b"],), {}, None),
    ("uploads", "reserve", (IMAGE.id, "attempt", 2**40), {}, None),
    ("uploads", "finish", (CTX, IMAGE.id, "attempt", StoredData(LOCATION, 5, "abc", None, "sha512", "cd" * 64)), {}, IMAGE),
    ("uploads", "fail", (IMAGE.id, "attempt", "Größer."), {}, None),
    ("uploads", "abandon", (IMAGE.id, "attempt", "killed", "Größer."), {}, True),
    ("uploads", "last_failure", (IMAGE.id,), {}, Failure(datetime(2012, 5, 6, 7, 8, 9, 10), "saving", "Größer.", "req-1")),
    ("uploads", "last_failure", (IMAGE.id,), {}, None),
    ("uploads", "leases", (3600.0,), {}, [(UPLOAD, True), (UPLOAD, False)]),
    ("uploads", "take_over", (IMAGE.id, "attempt", "fresh", "host/boot/1/2"), {}, False),
    ("locations", "condemn", (0.5,), {}, None),
    ("locations", "condemned", (), {}, [(IMAGE.id, IMAGE.locations[1])]),
    ("locations", "erased", (7,), {}, None),
    ("locations", "named", ([IMAGE.id, "7"],), {}, {IMAGE.id: Standing("deleted", (IMAGE.locations[1],), uploading=True), "7": Standing("queued")}),
    ("locations", "named", ([],), {}, {}),
    ("locations", "claimed", (["file:///images/one", "file:///ü"],), {}, frozenset({"file:///ü"})),
    ("locations", "mark", (7,), {"damaged": True}, True),
    ("members", "list", (CTX, IMAGE.id), {}, MEMBERS),
    ("members", "put", (CTX, IMAGE.id, [Membership("t1", True), Membership("t/2", None)]), {"replace": False, "maximum": 9}, None),
    ("members", "add", (CTX, IMAGE.id, "t/2"), {"maximum": 9}, MEMBERS[1]),
    ("members", "answer", (CTX, IMAGE.id, "t/1 ü%41", "rejected"), {}, MEMBERS[0]),
    ("members", "remove", (CTX, IMAGE.id, "t/1 ü%41"), {}, None),
    ("members", "remove", (CTX, IMAGE.id, ".."), {}, None),
    ("members", "shared_with", (CTX, "a/../b?c#d"), {}, MEMBERS),
    ("duties", "take", ("recovery", "host/boot/1/2", "host/boot/1/1"), {}, "host/boot/1/2"),
    ("audits", "count", (datetime(2012, 5, 6, 7, 8, 9, 10),), {}, 7),
    ("audits", "newest", (), {}, datetime(2012, 5, 6, 7, 8, 9, 10)),
    ("audits", "newest", (), {}, None),
    ("audits", "page", (IMAGE.id, 500, datetime(2012, 5, 6)), {}, [IMAGE, IMAGE]),
    ("audits", "page", ("", 500, None), {}, []),
    ("audits", "noted", ([7, 8],), {}, {7: datetime(2012, 5, 6, 7, 8, 9, 10), 8: datetime(2012, 5, 6)}),
    ("audits", "twins", (), {}, [(IMAGE.id, IMAGE.locations[1])]),
    ("audits", "relocate", (7, "file:///old/one", LOCATION), {}, True),
    ("audits", "forget", (7,), {}, False),
]


def connected(recorder: Recorder) -> HttpRegistry:
    app = RegistryApp(recorder, secret="söcret", default_limit=25, max_limit=1000, anonymous_is_admin=False)
    return HttpRegistry(WsgiTransport(app), secret="söcret")


def bound(part: str, method: str, positional, named):
    """Arguments by name, however they were given."""
    return inspect.signature(getattr(PARTS[part], method)).bind(None, *positional, **named).arguments


@pytest.mark.parametrize(("part", "method", "positional", "named", "answer"), CALLS, ids=[f"{call[0]}.{call[1]}" for call in CALLS])
def test_method_over_the_wire_arrives_with_its_arguments_and_returns_its_answer(recorder, part, method, positional, named, answer):
    recorder.answer = answer
    assert getattr(getattr(connected(recorder), part), method)(*positional, **named) == answer
    [(asked_part, asked_method, asked_positional, asked_named)] = recorder.asked
    assert (asked_part, asked_method) == (part, method)
    assert bound(part, method, asked_positional, asked_named) == bound(part, method, positional, named)


def test_every_method_of_the_protocol_has_one_row_and_one_call_here():
    methods = {(part, name) for part, protocol in PARTS.items() for name in vars(protocol) if not name.startswith("_")}
    rows = [(row.part, row.method) for row in OPERATIONS]
    assert sorted(rows) == sorted(methods)
    assert {call[:2] for call in CALLS} == methods
    assert set(PARTS) == set(inspect.get_annotations(interfaces.Registry))


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: f"{row.part}.{row.method}")
def test_row_for_a_caller_is_a_method_with_context(row):
    parameters = list(inspect.signature(getattr(PARTS[row.part], row.method)).parameters)
    assert row.for_caller == (parameters[1:2] == ["ctx"])


@pytest.mark.parametrize("image_id", ["", "..", "detail", "query", "a/members", "nope'--", "x" * 37, "a\n", "å"])
def test_what_cannot_be_an_image_id_is_not_found_without_asking(recorder, image_id):
    with pytest.raises(errors.ImageNotFound):
        connected(recorder).images.get(CTX, image_id)
    assert recorder.asked == []
