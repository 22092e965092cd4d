"""The acceptance examples of the v2 API on one store: real curl commands against real processes, in order, each building on the ones before.

The numbers are those of the specification's list (section 14). A proxy's identity headers stand for tokens, and a policy file keeps readers from
changing anything. Example 54 is the glance command's own, in tests/compat; what needs several stores, import, tasks, a cache or metadata definitions
is not here.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import Answer
from tests.file_server import offering
from tests.functional.acceptance import Check, Row, World, body, document, headers, listed, remember, row, run_row, step, text

DIGITS_MD5 = "781e5e245d69b566979b86e28d23f2c7"
TEN_MB = 10 * 1024 * 1024
MINORS = ["v2.15", "v2.9", "v2.17", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"]


def caller(project: str, *roles: str) -> str:
    identity = {"X-Identity-Status": "Confirmed", "X-User-Id": f"user of {project}", "X-Tenant-Id": project, "X-Roles": ",".join(roles)}
    return " ".join(f"-H '{name}: {value}'" for name, value in identity.items())


SHORTHANDS = {
    "U1": caller("P1", "member", "reader"),
    "U2": caller("P2", "member", "reader"),
    "R1": caller("P1", "reader"),
    "AD": caller("operators", "admin", "member", "reader"),
    "J": "-H 'Content-Type: application/json'",
    "P": "-H 'Content-Type: application/openstack-images-v2.1-json-patch'",
    "P20": "-H 'Content-Type: application/openstack-images-v2.0-json-patch'",
    "O": "-H 'Content-Type: application/octet-stream'",
    "Z": "0a0a0a0a-0000-4000-8000-000000000001",
    "NONE": "0f0f0f0f-0000-4000-8000-000000000001",
    "LONG": "t" * 256,
}


def shown(*absent: str, **expected: object) -> Check:
    """The body is one image with these values among others, and without the fields that are named ``absent``."""

    def check(world: World, answer: Answer) -> None:
        found = answer.json
        assert {name: found.get(name, "absent") for name in expected} == expected
        assert not set(absent) & set(found)

    return check


def path(expected: object, *keys: str | int) -> Check:
    """What the keys lead to in the body."""

    def check(world: World, answer: Answer) -> None:
        found = answer.json
        for key in keys:
            found = found[key]
        assert found == expected

    return check


def request_id_is_made(world: World, answer: Answer) -> None:
    assert str(answer.header("x-openstack-request-id")).startswith("req-")


def versions(world: World, answer: Answer) -> None:
    ours = [one for one in answer.json["versions"] if one["id"].startswith("v2.")]
    assert [one["id"] for one in ours] == MINORS
    assert [one["id"] for one in ours if one["status"] == "CURRENT"] == ["v2.17"]
    assert {one["status"] for one in ours} == {"CURRENT", "SUPPORTED"}
    assert all(one["links"] == [{"rel": "self", "href": world.fill("$S/v2/")}] for one in ours)


def unauthorized(world: World, answer: Answer) -> None:
    assert answer.header("Content-Type") == "application/json"
    assert set(answer.json) == {"message", "code", "title"}
    assert answer.json["code"] == "401 Unauthorized"


def one_with_next(world: World, answer: Answer) -> None:
    [newest] = answer.json["images"]
    assert answer.json["next"] == f"/v2/images?limit=1&marker={newest['id']}"
    assert answer.json["first"] == "/v2/images?limit=1"


def image_schema(world: World, answer: Answer) -> None:
    schema = answer.json
    assert schema["name"] == "image"
    assert schema["properties"]["disk_format"]["enum"][0] is None
    assert schema["additionalProperties"] == {"type": "string"}
    assert len(schema["links"]) == 3


def hashed_soon(world: World, answer: Answer) -> None:
    def digest() -> object:
        return world.run(get("images/$L")).json["os_hash_value"]

    wait_until(lambda: digest() is not None, "the digest of the image at a location")
    assert digest() == hashlib.sha512(b"0123456789").hexdigest()
    shown(status="active", size=10, checksum=DIGITS_MD5, os_hash_algo="sha512")(world, world.run(get("images/$L")))


def located_at(*urls: str) -> Check:
    """The body is the list of these locations."""

    def check(world: World, answer: Answer) -> None:
        assert answer.json == [{"url": world.fill(url), "metadata": {"store": "http"}} for url in urls]

    return check


def create(who: str, document_: str) -> str:
    return f"curl -i {who} $J -d '{document_}' $S/v2/images"


def change(name: str, operations: str, who: str = "$U1", dialect: str = "$P") -> str:
    return f"curl -i -X PATCH {who} {dialect} -d '{operations}' $S/v2/images/{name}"


def upload(name: str, data: str, *options: str, content_type: str = "$O", to: str = "file") -> str:
    return f"curl -i -X PUT $U1 {content_type} {' '.join(options)} --data-binary {data} $S/v2/images/{name}/{to}"


def get(path_: str, who: str = "$U1", *options: str) -> str:
    return f"curl -i {who} {' '.join(options)} '$S/v2/{path_}'"


def post(path_: str, document_: str, who: str = "$U1") -> str:
    return f"curl -i {who} $J -d '{document_}' $S/v2/{path_}"


def act(name: str, action: str, *options: str) -> str:
    return f"curl -i -X POST $U1 {' '.join(options)} $S/v2/images/{name}/actions/{action}"


def delete(path_: str, who: str = "$U1") -> str:
    return f"curl -i -X DELETE {who} $S/v2/{path_}"


def answer_membership(status: str, who: str) -> str:
    return f'curl -i -X PUT {who} $J -d \'{{"status":"{status}"}}\' $S/v2/images/$Q/members/P2'


CHUNKED = "-H 'Transfer-Encoding: chunked'"
RAW = '"disk_format":"raw","container_format":"bare"'
AT_DIGITS = '{"url":"$W/digits","metadata":{}}'
AT_MIRROR = '{"url":"$W/mirror","metadata":{}}'

ROWS = (
    row(1, "root", step("curl -i $S/", 300, versions)),
    row(2, "versions", step("curl -i $S/versions", 200, versions)),
    row(
        3,
        "no-token",
        step("curl -i $S/v2/images", 401, headers(Content_Type="text/html; charset=UTF-8")),
        step("curl -i -H 'Accept: application/json' $S/v2/images", 401, unauthorized),
    ),
    row(4, "outside-of-versions", step("curl -i $S/healthcheck", 200, text("OK")), step("curl -i $S/v9", 300, versions)),
    row(
        5,
        "empty-list",
        step(get("images"), 200, document({"images": [], "first": "/v2/images", "schema": "/v2/schemas/images"}), request_id_is_made),
    ),
    row(
        6,
        "limit-0",
        step(
            get("images?limit=0", "$U1", "-H 'X-OpenStack-Request-ID: req-abc'"),
            200,
            headers(X_OpenStack_Request_ID="req-abc"),
            path("/v2/images?limit=0", "first"),
        ),
    ),
    row(
        7,
        "create",
        step(
            create("$U1", f'{{"name":"a",{RAW},"foo":"bar","tags":["x","y","x"]}}'),
            201,
            remember("A", "Location"),
            headers(Location="$S/v2/images/$A", OpenStack_image_store_ids=None),
            shown("stores", name="a", status="queued", visibility="shared", tags=["x", "y"], foo="bar", size=None, owner="P1"),
        ),
    ),
    row(
        8,
        "chosen-id",
        step(create("$U1", '{"id":"zzz"}'), 400),
        step(create("$U1", '{"id":"$Z"}'), 201),
        step(create("$U1", '{"id":"$Z"}'), 409, text("$Z")),
    ),
    row(
        9,
        "refused-bodies",
        step(create("$U1", '{"size":5}'), 403, text("read-only")),
        step(create("$U1", '{"os_glance_x":"x"}'), 403, text("reserved")),
        step(create("$U1", '{"foo":5}'), 400),
        step(create("$U1", "{bad"), 400),
        step("curl -i -X POST $U1 $J $S/v2/images", 400),
        step(create("$U1", "3"), 400),
    ),
    row(
        10,
        "visibility",
        step(create("$U1", '{"visibility":"public"}'), 403, text("publicize_image")),
        step(create("$AD", '{"visibility":"public"}'), 201, shown(visibility="public")),
        step(create("$U1", '{"visibility":"community"}'), 201, shown(visibility="community")),
    ),
    row(
        11,
        "not-allowed",
        step(create("$U1", '{"owner":"other"}'), 403),
        step(create("$R1", '{"name":"r"}'), 403, text("add_image")),
    ),
    row(
        12,
        "pages",
        step(get("images?limit=-1"), 400),
        step(get("images?limit=1"), 200, one_with_next),
        step(get("images?marker=$NONE"), 400),
        needs=(7,),
    ),
    row(
        13,
        "bad-parameters",
        *(
            step(get(f"images?{query}"), 400)
            for query in (
                "sort_key=foo",
                "sort=name&sort_key=id",
                "visibility=zz",
                "os_hidden=zz",
                "created_at=gt:zz",
                "name=zz:a",
                "size_min=a",
                "changes-since=2020-01-01T00:00:00Z",
            )
        ),
    ),
    row(
        14,
        "filters",
        step(get("images?name=in:a,b"), 200, listed("a")),
        step(get("images?tag=x&tag=y"), 200, listed("a")),
        step(get("images?foo=bar"), 200, listed("a")),
        step(get("images?status=queued"), 200, listed(None, None, None, "a")),
        step(get("images?created_at=lt:2100-01-01T00:00:00Z"), 200, listed(None, None, None, "a")),
        needs=(7, 8, 10),
    ),
    row(
        15,
        "invisible",
        step(get("images/nope"), 404, text("nope")),
        step(get("images/$A", "$U2"), 404, text("$A")),
        needs=(7,),
    ),
    row(
        16,
        "patch-types",
        step(
            change("$A", "[]", dialect="$J"),
            415,
            headers(Accept_Patch="application/openstack-images-v2.0-json-patch, application/openstack-images-v2.1-json-patch"),
        ),
        step(change("$A", "{}"), 400),
        step(change("$A", "[]"), 200, shown(name="a", foo="bar", tags=["x", "y"], status="queued")),
        needs=(7,),
    ),
    row(
        17,
        "patch",
        step(
            change(
                "$A",
                '[{"op":"replace","path":"/name","value":"n"},{"op":"add","path":"/a~1b","value":"q"},{"op":"remove","path":"/foo"}]',
            ),
            200,
            shown("foo", **{"name": "n", "a/b": "q"}),
        ),
        needs=(7,),
    ),
    row(
        18,
        "patch-of-2.0",
        step(change("$A", '[{"add":"/k","value":"v"}]', dialect="$P20"), 200, shown(k="v")),
        step(change("$A", '[{"add":"/k","value":"v"}]', dialect="$P20"), 409),
        step(change("$A", '[{"replace":"/k","value":"w"},{"remove":"/k"}]', dialect="$P20"), 200, shown("k")),
        needs=(7,),
    ),
    row(
        19,
        "refused-patches",
        step(change("$A", '[{"op":"replace","path":"/size","value":5}]'), 403),
        step(change("$A", '[{"op":"replace","path":"/nope","value":"x"}]'), 409),
        step(change("$A", '[{"op":"remove","path":"/name"}]'), 403),
        step(change("$A", '[{"op":"replace","path":"/visibility","value":"zz"}]'), 400),
        step(change("$A", '[{"op":"replace","path":"/owner","value":"P2"}]'), 403),
        step(change("$A", '[{"op":"replace","path":"name","value":"x"}]'), 400),
        needs=(7,),
    ),
    row(
        20,
        "format-of-active-image",
        step(create("$U1", f'{{"name":"f",{RAW}}}'), 201, remember("F", "Location")),
        step(upload("$F", "abc"), 204),
        step(change("$F", '[{"op":"replace","path":"/disk_format","value":"qcow2"}]'), 403, text("disk_format")),
    ),
    row(
        21,
        "refused-uploads",
        step(upload("$A", "abc", content_type="$J"), 415),
        step(upload("$Z", "abc"), 400),
        step(upload("$A", "abc", "-H 'x-openstack-image-size: 99'", CHUNKED), 400),
        step(get("images/$A"), 200, shown(status="queued", size=None)),
        needs=(7, 8),
    ),
    row(
        22,
        "upload",
        step(upload("$A", "0123456789", CHUNKED), 204, body(b"")),
        step(get("images/$A"), 200, shown(status="active", size=10, virtual_size=10, checksum=DIGITS_MD5, os_hash_algo="sha512")),
        step(upload("$A", "0123456789"), 409),
        needs=(7,),
    ),
    row(
        23,
        "download",
        step(get("images/$A/file"), 200, body(b"0123456789"), headers(Content_MD5=DIGITS_MD5, Content_Length="10")),
        step(get("images/$Z/file"), 204, body(b"")),
        needs=(8, 22),
    ),
    row(
        24,
        "ranges",
        step(get("images/$A/file", "$U1", "-H 'Range: bytes=2-4'"), 206, headers(Content_Range="bytes 2-4/10"), body(b"234")),
        step(get("images/$A/file", "$U1", "-H 'Range: bytes=-3'"), 206, body(b"789")),
        step(get("images/$A/file", "$U1", "-H 'Range: bytes=0-0,2-3'"), 400),
        step(get("images/$A/file", "$U1", "-H 'Range: bytes=90-'"), 416),
        needs=(22,),
    ),
    row(
        25,
        "deactivate",
        step(act("$A", "deactivate"), 204),
        step(get("images/$A/file"), 403),
        step(get("images/$A/file", "$AD"), 200, body(b"0123456789")),
        step(act("$A", "reactivate", "$J", "-d '{}'"), 400),
        step(act("$A", "reactivate"), 204),
        step(get("images/$A/file"), 200),
        step(act("$Z", "deactivate"), 403),
        needs=(8, 22),
    ),
    row(
        26,
        "inspection",
        step(create("$U1", '{"name":"q","disk_format":"qcow2","container_format":"bare"}'), 201, remember("G", "Location")),
        step(upload("$G", "@plain.qcow2"), 204),
        step(get("images/$G"), 200, shown(status="active", virtual_size=TEN_MB)),
        step(create("$U1", '{"name":"v","disk_format":"vmdk","container_format":"bare"}'), 201, remember("V", "Location")),
        step(upload("$V", "@plain.qcow2"), 415),
        step(get("images/$V"), 200, shown(status="queued", size=None, virtual_size=None, checksum=None, os_hash_value=None)),
    ),
    row(
        27,
        "unsafe",
        step(change("$V", '[{"op":"replace","path":"/disk_format","value":"qcow2"}]'), 200),
        step(upload("$V", "@backed.qcow2"), 415, text("safety check")),
        step(change("$V", '[{"op":"replace","path":"/disk_format","value":"raw"}]'), 200),
        step(upload("$V", "@backed.qcow2"), 415),
        step(upload("$V", "''"), 204),
        step(get("images/$V"), 200, shown(status="active", size=0)),
        needs=(26,),
    ),
    row(
        28,
        "hidden",
        step(change("$A", '[{"op":"replace","path":"/os_hidden","value":true}]'), 200, shown(os_hidden=True)),
        step(get("images?name=n"), 200, listed()),
        step(get("images?name=n&os_hidden=true"), 200, listed("n")),
        step(get("images?name=n&os_hidden=True"), 200, listed("n")),
        step(get("images/$A"), 200, shown(name="n")),
        needs=(17,),
    ),
    row(
        30,
        "delete-by-others",
        step(delete("images/$A", "$R1"), 403),
        step(delete("images/$A", "$U2"), 404),
        step(get("images/$A"), 200),
        needs=(7,),
    ),
    row(
        29,
        "protected",
        step(change("$A", '[{"op":"replace","path":"/protected","value":true}]'), 200),
        step(delete("images/$A"), 403, text("protected")),
        step(change("$A", '[{"op":"replace","path":"/protected","value":false}]'), 200),
        step(delete("images/$A"), 204, body(b"")),
        step(delete("images/$A"), 404),
        step(get("images/$A", "$AD"), 404),
        needs=(30,),
    ),
    row(
        31,
        "stage",
        step(create("$U1", f'{{"name":"s",{RAW}}}'), 201, remember("T", "Location")),
        step(upload("$T", "0123456789", to="stage"), 204, body(b"")),
        step(get("images/$T"), 200, shown(status="uploading", size=10, checksum=None)),
        step(upload("$T", "0123456789", to="stage"), 409),
        step(upload("$F", "0123456789", to="stage"), 409),
        needs=(20,),
    ),
    row(
        38,
        "add-member",
        step(create("$U1", f'{{"name":"m",{RAW}}}'), 201, remember("Q", "Location")),
        step(post("images/$Q/members", '{"member":"P2"}'), 200, shown(member_id="P2", status="pending", schema="/v2/schemas/member")),
        step(post("images/$Q/members", '{"member":"P2"}'), 409),
        step(post("images/$Q/members", "{}"), 400),
        step(create("$U1", '{"visibility":"private"}'), 201, remember("X", "Location")),
        step(post("images/$X/members", '{"member":"P2"}'), 403),
    ),
    row(
        39,
        "membership",
        step(get("images?name=m", "$U2"), 200, listed()),
        step(get("images?name=m&visibility=shared&member_status=pending", "$U2"), 200, listed("m")),
        step(get("images/$Q", "$U2"), 200, shown(name="m")),
        step(answer_membership("accepted", "$U1"), 403),
        step(answer_membership("accepted", "$U2"), 200, shown(member_id="P2", status="accepted")),
        step(get("images?name=m", "$U2"), 200, listed("m")),
        step(delete("images/$Q/members/P2", "$U2"), 403),
        step(delete("images/$Q/members/P2"), 204),
        needs=(38,),
    ),
    row(
        40,
        "tags",
        step("curl -i -X PUT $U1 $S/v2/images/$Q/tags/aa", 204, body(b"")),
        step("curl -i -X PUT $U1 $S/v2/images/$Q/tags/$LONG", 400),
        step(delete("images/$Q/tags/zz"), 404),
        step(get("images/$Q/tags/aa"), 405, headers(Allow="PUT, DELETE")),
        step(get("images/$Q"), 200, shown(tags=["aa"])),
        needs=(38,),
    ),
    row(41, "schemas", step(get("schemas/image"), 200, image_schema), step(get("schemas/bogus"), 404)),
    row(
        42,
        "info",
        step(get("info/import"), 200, path("array", "import-methods", "type")),
        step(get("info/stores"), 404),
        step(get("info/stores/detail"), 404),
        step(get("info/usage"), 200, document({"usage": {}})),
    ),
    row(
        46,
        "locations",
        step(create("$U1", f'{{"name":"l",{RAW}}}'), 201, remember("L", "Location"), shown(locations=[])),
        step(post("images/$L/locations", '{"url":"file:///etc/passwd"}'), 403),
        step(post("images/$L/locations", '{"url":"$W/digits","validation_data":{"os_hash_algo":"sha512"}}'), 400),
        step(post("images/$L/locations", '{"url":"$W/digits","validation_data":{"os_hash_algo":"sha512","os_hash_value":"00"}}'), 400),
        step(post("images/$L/locations", '{"url":"$W/digits"}'), 202, body(b""), hashed_soon),
        step(post("images/$L/locations", '{"url":"$W/digits"}'), 409),
        step(get("images/$L/locations"), 403),
        step(get("images/$L/locations", "$AD"), 200, located_at("$W/digits")),
        step(get("images/$L/file"), 200, body(b"0123456789")),
    ),
    row(
        47,
        "locations-by-patch",
        step(change("$L", f'[{{"op":"add","path":"/locations/-","value":{AT_DIGITS}}}]'), 400),
        step(change("$L", f'[{{"op":"add","path":"/locations/-","value":{AT_MIRROR}}}]'), 200),
        step(change("$L", f'[{{"op":"replace","path":"/locations","value":[{AT_MIRROR}]}}]'), 400),
        step(get("images/$L/locations", "$AD"), 200, located_at("$W/digits", "$W/mirror")),
        step(change("$L", '[{"op":"remove","path":"/locations/0"}]'), 403),
        step(change("$L", '[{"op":"remove","path":"/locations/0"}]', who="$AD"), 200),
        step(change("$L", '[{"op":"remove","path":"/locations/0"}]', who="$AD"), 403),
        step(get("images/$L/locations", "$AD"), 200, located_at("$W/mirror")),
        needs=(46,),
    ),
    row(
        53,
        "wrong-methods",
        step("curl -i -X HEAD $U1 $S/v2/images/$Q", 405, headers(Allow="GET, PATCH, DELETE")),
        step(delete("images"), 405, headers(Allow="GET, POST")),
        step(get("zzz"), 404),
        needs=(38,),
    ),
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the examples send or point to."""
    directory = tmp_path_factory.mktemp("acceptance-v2")
    for command in ("qcow2 plain.qcow2 10M", "raw base.raw 10M", "qcow2 -b base.raw -F raw backed.qcow2"):
        subprocess.run(["qemu-img", "create", "-q", "-f", *command.split()], cwd=directory, timeout=30, check=True)
    for name in ("digits", "mirror"):
        (directory / name).write_bytes(b"0123456789")
    return directory


@pytest.fixture(scope="module")
def web(directory: Path) -> Iterator[str]:
    """Where a web server offers these files."""
    with offering(directory) as url:
        yield url


@pytest.fixture(scope="module")
def world(directory: Path, web: str, local_sources: dict[str, dict[str, str]]) -> Iterator[World]:
    options = {
        "DEFAULT": {**local_sources["DEFAULT"], "show_multiple_locations": True, "show_image_direct_url": True},
        "glance_store": {"stores": "file,http", "default_store": "file"},
    }
    with Glance(directory / "glance", flavor="trusted-auth", api_options=options) as glance:
        yield World(glance, directory, {**SHORTHANDS, "S": glance.url, "W": web})


@pytest.mark.parametrize("example", ROWS, ids=lambda example: f"{example.number:02}-{example.title}")
def test_example_when_run_in_order_then_answers_as_specified(world: World, example: Row) -> None:
    run_row(world, example)
