"""Attacks on version 2 over raw sockets: JSON, pointers, unicode, SQL, numbers, storms. The numbers (G..) are those of the list of attacks."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from glance.testing.servers import Glance
from glance.testing.wire import Answer, request_bytes
from tests.functional.attacks import Attack, attack
from tests.functional.conftest import VICTIM

if TYPE_CHECKING:
    from tests.functional.conftest import Target

KIB, MIB = 1024, 1024 * 1024
ARABIC_FIVE = "\u0665"  # a digit to str.isdigit and int
PATCH_TYPE = "application/openstack-images-v2.1-json-patch"
INJECTIONS = ("' OR 1=1--", '"; DROP TABLE images', "%", "_", "\\")
FORMATS = "%s%s%n {0.__class__} ${jndi:x}"


def get(path: str) -> bytes:
    return request_bytes(f"GET {path} HTTP/1.1")


def send(method: str, path: str, body: bytes, media_type: str = "application/json", *headers: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return request_bytes(f"{method} {path} HTTP/1.1", f"Content-Type: {media_type}", f"Content-Length: {size}", *headers, body=body)


def create(body: object) -> bytes:
    """``body`` is sent as it is where it is bytes, as JSON otherwise."""
    return send("POST", "/v2/images", body if isinstance(body, bytes) else json.dumps(body).encode())


def patch(body: object, media_type: str = PATCH_TYPE) -> bytes:
    """A change of the victim, which must not come to pass."""
    return send("PATCH", f"/v2/images/{VICTIM}", body if isinstance(body, bytes) else json.dumps(body).encode(), media_type)


def change(path: object, value: object = "x") -> bytes:
    return patch([{"op": "add", "path": path, "value": value}])


def listing(**parameters: object) -> bytes:
    return get("/v2/images?" + "&".join(f"{name}={quote(str(value))}" for name, value in parameters.items()))


MALFORMED = "Malformed JSON in request body."
ODD_JSON = {
    "twice": b'{"name": "a", "name": "b"}',
    "nan": b'{"p": NaN}',
    "infinity": b'{"p": -Infinity}',
    "huge-float": b'{"min_ram": 1e999}',
    "surrogate": b'{"name": "\\ud800"}',
    "surrogates-reversed": b'{"name": "\\udc00\\ud800"}',
    "byte-order-mark": b'\xef\xbb\xbf{"name": "a"}',
    "utf-16": '{"name": "a"}'.encode("utf-16"),
    "latin-1": b'{"name": "caf\xe9"}',
    "trailing": b'{"name": "a"} {}',
    "comment": b'{"name": "a"} // b',
    "single-quotes": b"{'name': 'a'}",
    "half": b'{"name": "a',
    "nul": b'{"name": "a"}\0',
}

JSON = [
    attack("G20-deep-create", create(b"[" * 100_000), 400, tells=MALFORMED),
    attack("G20-deep-create-whole", create(b"[" * 50_000 + b"]" * 50_000), 400, tells=MALFORMED),
    attack("G20-deep-objects", create(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), 400, tells=MALFORMED),
    attack("G20-deep-patch", patch(b"[" * 100_000), 400, tells=MALFORMED),
    attack("G20-deep-member", send("POST", f"/v2/images/{VICTIM}/members", b"[" * 100_000), 400, tells=MALFORMED),
    attack("G21-64-mib", send("POST", "/v2/images", b" " * 2 * MIB, length=64 * MIB), 413, tells=f"longer than {MIB} bytes"),
    attack(
        "G21-64-mib-patch", send("PATCH", f"/v2/images/{VICTIM}", b" " * 2 * MIB, PATCH_TYPE, length=64 * MIB), 413, tells=f"longer than {MIB} bytes"
    ),
    *(attack(f"G22-{name}", create(body), 400, tells=MALFORMED) for name, body in ODD_JSON.items()),
    *(
        attack(f"G22-patch-{name}", patch(b"[" + body + b"]"), 400, tells=MALFORMED)
        for name, body in ODD_JSON.items()
        if name in {"twice", "nan", "half"}
    ),
    *(attack(f"G22-create-{document}", create(document.encode()), 400, tells="JSON object") for document in ("[]", '"a"', "null", "1", "true")),
    *(attack(f"G22-patch-{document}", patch(document.encode()), 400, tells="JSON array") for document in ("{}", '"a"', "null", "1")),
    *(
        attack(f"G22-patch-of-{document}", patch(document.encode()), 400, tells="must be JSON objects")
        for document in ("[1]", "[null]", "[[]]", '["a"]')
    ),
    attack("G22-empty-create", create(b""), 400, tells="Body expected"),
]

POINTERS = [
    attack("G23-two-levels", change("/a/b"), 400, tells="Invalid JSON pointer"),
    attack("G23-escape", change("/~0~1~2"), 400, tells="recognized escape sequence"),
    attack("G23-escape-at-the-end", change("/a~"), 400, tells="recognized escape sequence"),
    attack("G23-adjacent", change("//"), 400, tells="adjacent"),
    attack("G23-ends-with-slash", change("/a/"), 400, tells="ends with"),
    attack("G23-empty", change(""), 400, tells="does not start with"),
    attack("G23-no-slash", change("name"), 400, tells="does not start with"),
    attack("G23-no-text", change(["name"]), 400, tells="must be a text"),
    attack("G23-locations-beyond", change("/locations/99999999999999999999", {"url": "http://127.0.0.1/", "metadata": {}}), 400, 403),
    attack("G23-locations-negative", change("/locations/-1", {"url": "http://127.0.0.1/", "metadata": {}}), 400, 403),
    attack("G23-1-mib-path", change("/" + "a" * (MIB - 100)), 400, tells="A property name has 1 to 255 characters"),
    attack("G23-beyond-1-mib", change("/" + "a" * MIB), 413, tells="longer than"),
    attack("G23-10000-operations", patch([{"op": "add", "path": "/a", "value": "b"}] * 10_000), 413, tells="at most 1000 operations"),
    attack("G23-unknown-operation", patch([{"op": "test", "path": "/a", "value": "b"}]), 400, tells="Invalid operation"),
    attack("G23-operation-of-a-list", patch([{"op": ["add"], "path": "/a", "value": "b"}]), 400, tells="Invalid operation"),
    attack("G23-no-value", patch([{"op": "add", "path": "/a"}]), 400, tells="needs a member 'value'"),
    attack("G23-both-dialects", patch([{"add": "/a", "remove": "/a", "value": "b"}], PATCH_TYPE.replace("2.1", "2.0")), 400, tells="exactly one"),
]

TEXTS = [
    attack("G24-name-of-256", create({"name": "é" * 256}), 400, tells="can't exceed 255 characters"),
    attack("G24-name-of-256-emoji", create({"name": "\U0001f427" * 256}), 400, tells="can't exceed 255 characters"),
    attack("G24-tag-of-256", create({"tags": ["é" * 256]}), 400, tells="255"),
    attack("G24-tag-of-256-in-path", send("PUT", f"/v2/images/{VICTIM}/tags/{quote('é' * 256)}", b""), 400, tells="255"),
    attack("G24-property-name-of-256", create({"é" * 256: "x"}), 400, tells="A property name has 1 to 255 characters"),
    attack("G24-tag-of-bad-utf-8", send("PUT", f"/v2/images/{VICTIM}/tags/%ff", b""), 400, tells="UTF-8"),
    attack("G24-filter-of-bad-utf-8", get("/v2/images?name=%ff"), 400, tells="UTF-8"),
    attack("G24-filter-of-nul", get("/v2/images?p=%00"), 400, tells="NUL"),
    attack("G49-filter", listing(name=f"eq:{FORMATS}", **{"%s": "%n"}), 200, shows='"images": []'),
    attack("G49-path", get(f"/v2/images/{quote(FORMATS)}"), 404),
    attack("G49-sort", listing(sort_key=FORMATS), 400, tells="Invalid sort key"),
]

FILTERS = [
    *(
        attack(f"G25-{name}-{number}", listing(**{name: value}), 200, shows='"images": []')
        for name in ("name", "status", "owner", "checksum", "os_hash_value", "tag", "p", "id", "disk_format")
        for number, value in enumerate(INJECTIONS)
    ),
    *(attack(f"G25-in-{number}", listing(name=f"in:{value}"), 200, 400) for number, value in enumerate(INJECTIONS)),
    *(
        attack(f"G25-{name}-{number}", listing(**{name: value}), 400, tells=tells)
        for name, tells in {
            "member_status": "Invalid status",
            "visibility": "Invalid visibility value",
            "sort_key": "Invalid sort key",
            "sort_dir": "Invalid sort direction",
            "sort": "Invalid sort",
            "marker": "Invalid marker",
            "limit": "limit param must be an integer",
            "os_hidden": "Invalid value",
            "protected": "Invalid value",
            "created_at": "created_at",
            "size_min": "non-numeric value",
            "min_ram": "is no number",
        }.items()
        for number, value in enumerate(INJECTIONS)
    ),
    *(
        attack(f"G26-sort-{key}", listing(sort_key=key), 400, tells="Invalid sort key")
        for key in ("password", "locations", "__class__", "", "name,id")
    ),
    attack("G26-100-keys", get("/v2/images?" + "&".join(f"sort_key=k{n}" for n in range(100))), 400, tells="Invalid sort key"),
    attack("G26-100-times-one-key", get("/v2/images?" + "&".join(["sort_key=name"] * 100)), 200),
    attack(
        "G26-fewer-directions", get("/v2/images?sort_key=name&sort_key=size&sort_key=id&sort_dir=asc&sort_dir=asc"), 400, tells="Number of sort dirs"
    ),
    attack("G26-both-syntaxes", get("/v2/images?sort=name&sort_key=name"), 400, tells="cannot be combined"),
    attack("G26-many-entries", listing(sort="," * 2000), 400, tells="Invalid sort key"),
]

NUMBERS = [
    *(
        attack(f"G27-limit-{value}", listing(limit=value), 400, tells="limit param must be")
        for value in ("-1", "1e3", " 5", "+5", ARABIC_FIVE, "x", "0x5", "1_0", "")
    ),
    attack("G27-limit-0", listing(limit=0), 200, shows='"images": []'),
    attack("G27-limit-huge", listing(limit=10**30), 200),
    attack("G27-limit-of-5000-digits", listing(limit="9" * 5000), 400, tells="limit param must be an integer"),
    *(
        attack(f"G27-size_min-{value}", listing(size_min=value), 400, tells="non-numeric value")
        for value in ("-1", "abc", "1.5", ARABIC_FIVE, "", "1_0")
    ),
    attack("G27-size_min-huge", listing(size_min=10**30), 200, shows='"images": []'),
    attack("G27-min_ram-huge", listing(min_ram=10**30), 200, shows='"images": []'),
    *(
        attack(f"G27-{name}-{number}", create(f'{{"{name}": {value}}}'.encode()), 400, tells=name)
        for name in ("min_disk", "min_ram")
        for number, value in enumerate((2**31, 2**63, 10**300, -1, 1.5, "true", "1e3", '"5"', "null", "[]", "{}"))
    ),
    attack("G27-number-of-100000-digits", create(b'{"min_ram": ' + b"9" * 100_000 + b"}"), 400),
    attack("G27-patch-number", change("/min_ram", 2**63), 400, tells="min_ram"),
    *(attack(f"G27-protected-{value}", create(f'{{"protected": {value}}}'.encode()), 400, tells="protected") for value in ("1", '"true"', "null")),
]

STORMS = [
    attack("G28-100000-properties", create({f"p{n}": "" for n in range(100_000)}), 413),
    attack("G28-properties-over-the-quota", create({f"p{n}": "v" for n in range(129)}), 413, tells="128"),
    attack("G28-properties-over-the-quota-by-patch", patch([{"op": "add", "path": f"/p{n}", "value": "v"} for n in range(129)]), 413, tells="128"),
    attack("G28-value-of-65536", create({"p": "v" * 65536}), 400, tells="65535"),
    attack("G28-empty-key", create({"": "v"}), 400, tells="A property name has 1 to 255 characters"),
    *(
        attack(f"G28-value-{number}", create({"p": value}), 400, tells="must be of type string")
        for number, value in enumerate((None, [], {}, 1, 1.5, True))
    ),
    attack("G28-tags-over-the-quota", create({"tags": [f"t{n}" for n in range(129)]}), 413, tells="128"),
    *(
        attack(f"G28-tags-{number}", create({"tags": tags}), 400, tells="tags")
        for number, tags in enumerate(("a", {"a": 1}, [1], [None], [["a"]], [""], None))
    ),
    attack("G29-5000-parameters", get("/v2/images?" + "&".join(f"p{n}=1" for n in range(5000))), 400, 414),
    attack("G29-900-parameters", get("/v2/images?" + "&".join(f"p{n}=1" for n in range(900))), 400, tells="At most 128 properties or tags"),
    attack("G29-900-tags", get("/v2/images?" + "&".join(f"tag={n}" for n in range(900))), 400, tells="At most 128 properties or tags"),
    attack("G29-128-tags-and-properties", get("/v2/images?" + "&".join(f"tag={n}&p{n}=1" for n in range(128))), 200, shows='"images": []'),
    attack("G29-in-of-256", get("/v2/images?name=in:" + ",".join(str(n) for n in range(256))), 200, shows='"images": []'),
    attack("G29-in-of-many", get("/v2/images?name=in:" + ",".join(str(n) for n in range(1500))), 400, tells="At most 256 values"),
    attack("G29-in-of-10000", get("/v2/images?name=in:" + ",".join(str(n) for n in range(10_000))), 400, 414),
    attack("G29-1-mib-query", get("/v2/images?name=" + "a" * MIB), 400, 414),
    attack("G29-quote-without-end", listing(name='in:"a'), 400, tells="quoting"),
    attack("G30-marker-unknown", listing(marker=uuid.uuid4()), 400, tells="Invalid marker"),
]

TYPES = [
    *(
        attack(f"G36-{number}", patch([], media_type), 415, tells="application/openstack-images-v2.1-json-patch")
        for number, media_type in enumerate(("application/json", "application/json-patch+json", "text/plain", "a" * KIB, "application/", "*/*"))
    ),
    attack("G36-missing", request_bytes(f"PATCH /v2/images/{VICTIM} HTTP/1.1", "Content-Length: 2", body=b"[]"), 415, tells="json-patch"),
    attack("G36-utf-7", patch([], f"{PATCH_TYPE}; charset=utf-7"), 200, 400, 415),
    *(
        attack(f"G36-data-{number}", send("PUT", f"/v2/images/{VICTIM}/file", b"x", media_type), 415, tells="application/octet-stream")
        for number, media_type in enumerate(("application/json", "text/plain", "a" * KIB, ""))
    ),
    attack("G37-encoded-data", send("PUT", f"/v2/images/{VICTIM}/file", b"x", "application/octet-stream", "Content-Encoding: gzip"), 415),
]

READ_ONLY = (
    "status",
    "size",
    "virtual_size",
    "checksum",
    "created_at",
    "updated_at",
    "os_hash_algo",
    "os_hash_value",
    "self",
    "file",
    "schema",
    "direct_url",
)
RESERVED = ("deleted", "deleted_at", "location", "locations", "stores", "os_glance_import_task", "os_glance_", "os_glance_stage_host")

ATTRIBUTES = [
    attack("G46-taken-id", create({"id": VICTIM}), 409),
    *(
        attack(f"G02-id-{number}", create({"id": value}), 400, tells="id")
        for number, value in enumerate(("../x", "", 1, None, [], VICTIM.replace("-", ""), VICTIM + "\n"))
    ),
    *(attack(f"G47-create-{name}", create({name: "x"}), 403, tells=f"'{name}' is re") for name in (*READ_ONLY, *RESERVED) if name != "locations"),
    *(attack(f"G47-patch-{name}", change(f"/{name}"), 403, tells=name) for name in (*READ_ONLY, *RESERVED, "id") if name != "locations"),
    attack("G47-locations", create({"locations": [{"url": "file:///etc/passwd", "metadata": {}}]}), 400, 403),
    attack("G47-unknown", create({"_sa_instance_state": "x", "is_admin": "true"}), 201, shows='"is_admin": "true"'),
    *(
        attack(f"G51-{name}-{number}", listing(**{name: value}), 400, tells=name)
        for name in ("created_at", "updated_at")
        for number, value in enumerate(
            ("9999-12-31T23:59:60Z", "0000", "gt:x", "gt:", ":", "gt:gt:2012-01-01", "never:2012-01-01", "2012-13-45", "gt:" + "1" * 4000)
        )
        if not value.startswith("never")
    ),
    attack("G51-operator", listing(created_at="never:2012-01-01"), 400, tells="unknown operator"),
    attack("G51-before-the-calendar", listing(created_at="gt:0001-01-01T00:00:00+14:00"), 400, tells="created_at"),
    attack("G51-changes-since", listing(**{"changes-since": "9999-12-31T23:59:60Z"}), 400, tells="changes-since"),
    attack("G50-sort", listing(sort="a" * 7000), 400, tells="Invalid sort key"),
    attack("G50-time", listing(created_at="gt:" + "2012-01-01T" * 600), 400, tells="created_at"),
    attack("G50-quotes", listing(name="in:" + '"' * 2400), 200, 400),
    attack("G50-pointer", change("/" + "~0" * (50 * KIB)), 400, tells="property name"),
    attack("G50-100-kib-name", create({"name": "a" * 100 * KIB}), 400, tells="can't exceed 255 characters"),
    attack("G50-100-kib-id", create({"id": "0" * 100 * KIB}), 400, tells="id"),
]

ATTACKS = [*JSON, *POINTERS, *TEXTS, *FILTERS, *NUMBERS, *STORMS, *TYPES, *ATTRIBUTES]


@pytest.mark.parametrize("one", ATTACKS, ids=lambda one: one.name)
def test_attack_when_sent_then_answered_once_and_harmless(target: Target, one: Attack) -> None:
    one.run(target)


def test_attacks_then_left_the_victim_as_it_was(target: Target) -> None:
    """After everything above: no tag, no property, no other value."""
    shown = target.glance.request("GET", f"/v2/images/{VICTIM}").json
    assert (shown["status"], shown["tags"], shown["min_ram"]) == ("active", [], 0)
    assert not {"a", "p", "p0", "locations"} & set(shown)


UNICODE = {
    "emoji": "\U0001f427\U0001f9d1\u200d\U0001f4bb",
    "right-to-left": "\u202eabc\u202c",
    "combining": "e" + "\u0301" * 200,
    "composed": "caf\u00e9",
    "decomposed": "cafe\u0301",
    "255-emoji": "\U0001f427" * 255,
    "quotes": "'\"`\\",
    "markup": "<script>alert(1)",
    "formats": FORMATS,
    "percent": "%41%00%",
}


@pytest.mark.parametrize("text", UNICODE.values(), ids=UNICODE)
def test_g24_text_when_stored_then_found_and_returned_as_it_was(target: Target, text: str) -> None:
    document = {"name": text, "tags": [text], "p": text}
    made = ask(target.glance, "POST", "/v2/images", document).json
    shown = ask(target.glance, "GET", f"/v2/images/{made['id']}").json
    assert (shown["name"], shown["tags"], shown["p"]) == (text, [text], text)
    for name in ("name", "tag", "p"):
        found = ask(target.glance, "GET", f"/v2/images?{name}={quote(f'eq:{text}' if name == 'name' else text, safe='')}").json["images"]
        assert [one["id"] for one in found] == [made["id"]]
    assert target.glance.request("HEAD", f"/v1/images/{made['id']}").header("x-image-meta-name") == text
    assert ask(target.glance, "DELETE", f"/v2/images/{made['id']}/tags/{quote(text, safe='')}").status == 204
    assert target.glance.request("DELETE", f"/v2/images/{made['id']}").status == 204


def ask(glance: Glance, method: str, path: str, document: Any = None, **identity: str) -> Answer:
    """One request with a JSON body, where there is one."""
    body = None if document is None else json.dumps(document).encode()
    return glance.request(method, path, {"Content-Type": "application/json", **identity}, body)


def of_project(project: str, roles: str = "member") -> dict[str, str]:
    return {"X-Identity-Status": "Confirmed", "X-User-Id": "u", "X-Tenant-Id": project, "X-Roles": roles}


def without_id(answer: Answer, image_id: str) -> tuple[int, str, list[str]]:
    """What two answers must have in common: all but the id that was asked for, the request's own, and the time."""
    return answer.status, answer.text.replace(image_id, "ID"), sorted(name for name, _ in answer.headers)


ORACLES: list[tuple[str, str, str, Any]] = [
    ("GET", "/v2/images/{}", "", None),
    ("HEAD", "/v2/images/{}", "", None),
    ("DELETE", "/v2/images/{}", "", None),
    ("PATCH", "/v2/images/{}", PATCH_TYPE, [{"op": "add", "path": "/name", "value": "x"}]),
    ("GET", "/v2/images/{}/file", "", None),
    ("PUT", "/v2/images/{}/file", "application/octet-stream", "data"),
    ("PUT", "/v2/images/{}/stage", "application/octet-stream", "data"),
    ("POST", "/v2/images/{}/actions/deactivate", "", None),
    ("POST", "/v2/images/{}/actions/reactivate", "", None),
    ("PUT", "/v2/images/{}/tags/t", "", None),
    ("DELETE", "/v2/images/{}/tags/t", "", None),
    ("GET", "/v2/images/{}/members", "", None),
    ("POST", "/v2/images/{}/members", "application/json", {"member": "a"}),
    ("GET", "/v2/images/{}/members/a", "", None),
    ("PUT", "/v2/images/{}/members/a", "application/json", {"status": "accepted"}),
    ("DELETE", "/v2/images/{}/members/a", "", None),
    ("GET", "/v2/images/{}/locations", "", None),
    ("POST", "/v2/images/{}/locations", "application/json", {"url": "http://127.0.0.1:1/x"}),
    ("GET", "/v1/images/{}", "", None),
    ("HEAD", "/v1/images/{}", "", None),
    ("PUT", "/v1/images/{}", "", None),
    ("PUT", "/v1/images/{}", "application/octet-stream", "data"),
    ("DELETE", "/v1/images/{}", "", None),
    ("GET", "/v1/images/{}/members", "", None),
    ("PUT", "/v1/images/{}/members/a", "", None),
    ("DELETE", "/v1/images/{}/members/a", "", None),
]


@pytest.fixture(scope="module")
def secrets(trusted_glance: Glance) -> list[str]:
    """Images of project b that a must not know: private, shared with nobody, and active."""
    made = [
        ask(trusted_glance, "POST", "/v2/images", {"visibility": visibility}, **of_project("b")).json["id"] for visibility in ("private", "shared")
    ]
    upload = {
        **of_project("b"),
        "Content-Type": "application/octet-stream",
        "x-image-meta-disk_format": "raw",
        "x-image-meta-container_format": "bare",
    }
    active = trusted_glance.request("POST", "/v1/images", upload, b"secret")
    return [*made, active.json["image"]["id"]]


@pytest.mark.parametrize(("method", "path", "media_type", "document"), ORACLES, ids=[f"{row[0]}-{row[1]}-{row[2]}" for row in ORACLES])
def test_g45_image_of_others_when_asked_for_then_looks_like_none(
    trusted_glance: Glance, secrets: list[str], method: str, path: str, media_type: str, document: Any
) -> None:
    headers = {**of_project("a"), **({"Content-Type": media_type} if media_type else {})}
    body = None if document is None else json.dumps(document).encode()
    nothing = str(uuid.uuid4())
    expected = without_id(trusted_glance.request(method, path.format(nothing), headers, body), nothing)
    for image_id in secrets:
        assert without_id(trusted_glance.request(method, path.format(image_id), headers, body), image_id) == expected
    assert 400 <= expected[0] < 500


def test_g46_id_of_others_when_claimed_then_409_that_says_no_more(trusted_glance: Glance, secrets: list[str]) -> None:
    burnt = ask(trusted_glance, "POST", "/v2/images", {}, **of_project("b")).json["id"]
    assert trusted_glance.request("DELETE", f"/v2/images/{burnt}", of_project("b")).status == 204
    mine = ask(trusted_glance, "POST", "/v2/images", {}, **of_project("a")).json["id"]
    answers = {without_id(ask(trusted_glance, "POST", "/v2/images", {"id": one}, **of_project("a")), one)[:2] for one in (*secrets, burnt, mine)}
    assert [status for status, _text in answers] == [409]


def test_g30_marker_of_others_then_looks_like_an_unknown_one(trusted_glance: Glance, secrets: list[str]) -> None:
    unknown = str(uuid.uuid4())
    for version in ("v1", "v2"):
        answers = {
            without_id(ask(trusted_glance, "GET", f"/{version}/images?marker={one}", **of_project("a")), one)[:2] for one in (*secrets, unknown)
        }
        assert [status for status, _text in answers] == [400]


def test_g30_pages_when_walked_then_show_each_image_once(trusted_glance: Glance) -> None:
    made = {ask(trusted_glance, "POST", "/v2/images", {"name": "same", "min_ram": 77}, **of_project("walker")).json["id"] for _ in range(23)}
    for sort in ("name", "size", "created_at:asc", "status,name:asc"):
        path, seen = f"/v2/images?limit=5&min_ram=77&sort={sort}", []
        while path:
            page = ask(trusted_glance, "GET", path, **of_project("walker")).json
            seen += [one["id"] for one in page["images"]]
            path = page.get("next")
        assert (len(seen), set(seen)) == (len(made), made)


def test_g48_line_breaks_then_make_no_lines_in_the_log(target: Target) -> None:
    forged = "2026-01-01 00:00:00 ERROR forged"
    for text in (f"\n{forged}", f"\r\n{forged}", f"\x1b[31m{forged}", f"\u2028{forged}", f"\x85{forged}"):
        ask(target.glance, "GET", f"/v2/images/{quote(text)}")
        ask(target.glance, "GET", f"/v2/images?name={quote(text)}&sort_key={quote(text)}")
        ask(target.glance, "POST", "/v2/images", {"name": text, "p": text, text: "v", "tags": [text]})
    target.glance.request("GET", "/v2/images", {"User-Agent": "a" * 8000})
    target.check_logs()
    logs = "".join(path.read_text(errors="replace") for path in (target.glance.directory / "log").iterdir())
    assert not [line for line in logs.splitlines() if line.startswith(("2026-01-01 00:00:00 ERROR", "\x1b"))]
    assert max(map(len, logs.splitlines())) <= 10_000
