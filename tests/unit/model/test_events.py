"""What consumers of notifications get (spec-v2 11)."""

from __future__ import annotations

from datetime import datetime

from glance.model.events import (
    ImageCreated,
    ImageDamaged,
    ImageDeleted,
    ImagePrepared,
    ImageSent,
    ImageUploaded,
    MemberCreated,
    MemberDeleted,
)
from glance.model.image import Image, Location, Member

NOON = datetime.fromisoformat("2012-04-05T12:00:00.123456")
IMAGE_KEYS = {
    *("id", "name", "status", "created_at", "updated_at", "min_disk", "min_ram", "protected", "checksum", "owner", "disk_format", "container_format"),
    *("size", "virtual_size", "is_public", "visibility", "properties", "tags", "deleted", "deleted_at"),
}
IMAGE = Image(
    "1",
    visibility="public",
    created_at=NOON,
    properties={"os_glance_importing_to_stores": "fast,slow", "os_glance_failed_import": "", "empty": None},
    tags=("a", "b"),
    locations=(Location("file:///secret", "file"),),
)
MEMBER = Member("1", "P2", can_share=True, created_at=NOON, updated_at=NOON)


def test_payload_of_an_image_then_has_the_keys_that_consumers_know() -> None:
    payload = ImageCreated(IMAGE).payload()
    assert payload.keys() == IMAGE_KEYS
    assert (payload["is_public"], payload["created_at"], payload["updated_at"], payload["tags"]) == (True, "2012-04-05T12:00:00Z", None, ["a", "b"])
    assert payload["properties"] == IMAGE.properties
    assert ImageDeleted(IMAGE).payload().keys() == IMAGE_KEYS


def test_payload_about_data_then_names_the_stores() -> None:
    lists = {"os_glance_importing_to_stores": ["fast", "slow"], "os_glance_failed_import": []}
    uploaded, prepared = ImageUploaded(IMAGE).payload(), ImagePrepared(IMAGE, "slow").payload()
    assert {name: uploaded[name] for name in lists} == lists
    assert uploaded.keys() == IMAGE_KEYS | lists.keys()
    assert prepared == {**uploaded, "backend": "slow"}
    damaged = ImageDamaged(IMAGE, "slow")
    assert (damaged.payload(), damaged.priority) == ({**ImageCreated(IMAGE).payload(), "backend": "slow"}, "ERROR")


def test_payload_of_a_download_then_says_who_got_how_much() -> None:
    short = ImageSent(Image("1", owner="P1"), 5, 6, "u", "P2")
    assert (short.priority, ImageSent(IMAGE, 6, 6, None, None).priority) == ("ERROR", "INFO")
    expected = {"bytes_sent": 5, "image_id": "1", "owner_id": "P1", "receiver_tenant_id": "P2", "receiver_user_id": "u"}
    assert short.payload() == expected


def test_payload_of_a_member_then_tells_whether_it_was_removed() -> None:
    noon = "2012-04-05T12:00:00Z"
    there = {"image_id": "1", "member_id": "P2", "status": "pending", "created_at": noon, "updated_at": noon, "deleted": False, "deleted_at": None}
    assert MemberCreated(MEMBER).payload() == there
    assert MemberDeleted(MEMBER).payload() == {**there, "deleted": True, "deleted_at": noon}
