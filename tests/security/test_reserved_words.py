"""Names that only the service gives a meaning to: S15. Clients neither set them in v2, nor smuggle them in by v1."""

from __future__ import annotations

from typing import Any

import pytest

from tests.security.matrix import FORMATS, Case

#: What the service writes itself, or where data are.
INTERNAL = ("stores", "locations", "location", "os_glance_import_task", "os_glance_stage_host", "direct_url", "self", "file", "schema")
#: Attributes of v2 that no client sets.
FIXED = ("status", "checksum", "size", "os_hash_algo", "os_hash_value", "virtual_size", "created_at", "updated_at", "deleted", "deleted_at")
#: Attributes that some callers may set, sometimes.
SETTABLE = ("owner", "id", "visibility", "os_hidden", "tags", "protected", "min_disk")
MARK = "zqforged"


def shown(case: Case, image_id: str) -> dict[str, Any]:
    """An image of v2 without what differs between any two."""
    image = case.ask("A", "GET", f"/v2/images/{image_id}").json
    return {name: str(value).replace(image_id, "ID") for name, value in image.items() if not name.endswith("_at")}


def images(case: Case) -> int:
    return len(case.ask("A", "GET", f"/v2/images?name={MARK}").json["images"])


@pytest.mark.parametrize("who", ["A", "ADM"])
def test_reserved_word_when_v2_sends_it_then_403_and_nothing_happens(case: Case, who: str) -> None:
    """S15, LP 1889676, 1912001 and 2085321: not even an administrator sets them."""
    image_id = case.queued("A")
    before = shown(case, image_id)
    for name in (*INTERNAL, *FIXED):
        assert case.json(who, "POST", "/v2/images", {"name": MARK, name: "x"}).status == 403, name
        # Pointers into locations are another matter: S05 and S06.
        for op in case.some(("add", "replace", "remove")):
            operations = [{"op": "replace", "path": "/name", "value": MARK}, {"op": op, "path": f"/{name}", "value": "x"}]
            assert case.json(who, "PATCH", f"/v2/images/{image_id}", operations).status == 403, (op, name)
    assert (shown(case, image_id), images(case)) == (before, 0)
    words = len(INTERNAL) + len(FIXED)
    case.saw(f"{words} words in POST and PATCH ({case.how_many} of 3 operations) of v2 by {who}: 403, nothing made or changed")


def test_owner_and_id_when_v2_sends_them_then_as_they_may(case: Case) -> None:
    """S15: an owner is chosen by administrators, an id by whoever creates the image, and never afterwards."""
    image_id = case.queued("A")
    other = case.project("B")
    made = case.json("A", "POST", "/v2/images", {"owner": other}).status
    moved = case.json("A", "PATCH", f"/v2/images/{image_id}", [{"op": "replace", "path": "/owner", "value": other}]).status
    renamed = [case.json(who, "PATCH", f"/v2/images/{image_id}", [{"op": "add", "path": "/id", "value": image_id}]).status for who in ("A", "ADM")]
    assert (made, moved, renamed) == ((201, 200, [403, 403]) if case.everybody_is_admin else (403, 403, [403, 403]))
    case.saw(f"A gives an image to another project: POST {made}, PATCH {moved}; PATCH of the id: 403, ADM too")


def test_reserved_word_when_v1_gives_it_to_a_property_then_inert(case: Case) -> None:
    """S15: v1 keeps what it is sent, as a property of that name; v2 shows its own fields only, in lists too, and finds no image by it."""
    expected = shown(case, case.image("A", data=b"data").id)
    words = (*INTERNAL, *FIXED, *SETTABLE)
    for names in [(name,) for name in words] if case.in_full else [words]:
        headers = {f"x-image-meta-{key}": value for key, value in FORMATS.items()}
        properties = {f"x-image-meta-property-{name}": MARK for name in names}
        created = case.ask("A", "POST", "/v1/images", {**headers, **properties}, b"data")
        assert created.status == 201, names
        image_id = created.json["image"]["id"]
        kept = case.ask("A", "HEAD", f"/v1/images/{image_id}")
        assert {kept.header(name) for name in properties} == {MARK}
        private = [{"op": "replace", "path": "/visibility", "value": "private"}]
        assert case.json("A", "PATCH", f"/v2/images/{image_id}", private).status == 200
        assert shown(case, image_id) == expected, names
        assert MARK not in case.ask("A", "GET", "/v2/images").text
        assert case.ask("A", "DELETE", f"/v2/images/{image_id}").status == 204
    how = "one by one" if case.in_full else "all in one image"
    case.saw(f"{len(words)} words as properties by v1, {how}: stored, shown by v1 alone; v2 shows the image as if they were not there")


def test_reserved_word_of_v1_when_v2_changes_the_image_then_stays_inert(case: Case) -> None:
    """S15: what v1 has stored under such a name is neither promoted nor changed by v2."""
    for name in INTERNAL:
        created = case.ask("A", "POST", "/v1/images", {f"x-image-meta-property-{name}": MARK})
        image = f"images/{created.json['image']['id']}"
        assert case.json("A", "PATCH", f"/v2/{image}", [{"op": "add", "path": "/p", "value": "new"}]).status == 200
        assert case.json("A", "PATCH", f"/v2/{image}", [{"op": "replace", "path": f"/{name}", "value": "x"}]).status == 403
        kept = case.ask("A", "HEAD", f"/v1/{image}")
        assert (kept.header(f"x-image-meta-property-{name}"), kept.header("x-image-meta-property-p")) == (MARK, "new")
        assert case.ask("A", "PUT", f"/v2/{image}/file", body=b"data").status in {204, 400}
        assert MARK not in case.ask("A", "GET", f"/v2/{image}").text
        assert case.ask("A", "DELETE", f"/v2/{image}").status == 204
    case.saw(f"{len(INTERNAL)} words stored by v1: v2 PATCH of them 403, of others 200; still properties of v1 and no fields of v2")


def test_reserved_word_when_sent_by_an_import_or_to_the_registry_then_there_is_no_way(case: Case) -> None:
    """S15: imports do not exist yet; the registry answers nobody but glance-api."""
    image_id = case.queued("A")
    wished = {"type": "import", "input": {"import_from": "http://127.0.0.1:9/", "image_properties": {"os_glance_import_task": MARK}}}
    assert case.json("A", "POST", "/v2/tasks", wished).status == 404
    assert case.json("A", "POST", f"/v2/images/{image_id}/import", {"method": {"name": "web-download"}}).status == 404
    if case.registry == "http":
        body = b'{"image": {"properties": {"stores": "%s"}}}' % MARK.encode()
        assert case.ask_registry("A", "PUT", f"/images/{image_id}", {"Content-Type": "application/json"}, body).status == 401
    assert MARK not in case.ask("A", "GET", f"/v1/images/{image_id}").text
    case.saw("imports and tasks 404, no such routes yet" + ("; PUT at the registry 401" if case.registry == "http" else ""))
