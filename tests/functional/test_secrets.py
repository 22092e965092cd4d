"""Nothing that real processes write, answer or show of themselves holds a secret, whatever happens to them.

Every secret of the configuration is a word that occurs nowhere else; after each story all that can be seen from outside is searched for it. This is
rows S23, S25, S26, S27, S28, S29 and S31 of the list of security issues that the project keeps. S32 and S33 (credentials go to the configured hosts
only, certificates are checked) are in ``tests/contract/test_store_s3.py``, ``test_store_swift.py`` and ``test_store_swift_answers.py``, and for
sources in ``tests/unit/test_egress.py``.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from glance.testing.servers import Glance, ServerFailure, free_ports
from glance.testing.wire import Answer
from tests.certificates import Certificate, certificate
from tests.http_front import Front, Handler
from tests.running import running
from tests.spellings import spellings
from tests.swift_server import SwiftServer

__all__ = ["certificate"]

MIB = 1 << 20
FORMATS = {"disk_format": "raw", "container_format": "bare"}
V1 = {f"x-image-meta-{name}": value for name, value in FORMATS.items()}
BYTES = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
STORES = ("swift", "s3")
#: One object, and several segments or parts.
SIZES = (1000, 6 * MIB)

SECRETS = {
    "user of Swift": SwiftServer.marked,
    "account of Swift": SwiftServer.marked.partition(":")[0],
    "key of Swift": SwiftServer.marked_key,
    "wrong key": "zqwrongkey",
    "access key of S3": SwiftServer.marked_s3,
    "account of S3": SwiftServer.marked_s3.partition(":")[0],
    "secret key of S3": SwiftServer.marked_s3_key,
    "password of the message bus": "zqbuspassword",
    "password of the database": "zqdatabasepassword",
    "password in a URL of a client": "zqurlpassword",
    "token of a client": "zqtoken",
}

#: The operator's own logging file, which lets every library tell what it likes.
EVERYTHING = """\
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys = line
[logger_root]
level = DEBUG
handlers = file
[handler_file]
class = FileHandler
args = ({path!r},)
formatter = line
[formatter_line]
format = %(asctime)s %(levelname)s [%(name)s] %(message)s
"""


@dataclass
class Witness:
    """A service, and everything that it lets be seen."""

    glance: Glance
    answers: list[Answer] = field(default_factory=list)

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | Iterator[bytes] | None = None) -> Answer:
        """A request of somebody with a token; the answer is kept."""
        token = {"X-Auth-Token": SECRETS["token of a client"]}
        self.answers.append(self.glance.request(method, path, {**token, **(headers or {})}, body, timeout=60))
        return self.answers[-1]

    def send_json(self, method: str, path: str, document: object, headers: Mapping[str, str] | None = None) -> Answer:
        return self.request(method, path, headers or {"Content-Type": "application/json"}, json.dumps(document).encode())

    def seen(self) -> Iterator[tuple[str, bytes]]:
        """(what, content): answers, files but for the configuration, and what anybody on the machine sees of the processes."""
        for answer in self.answers:
            yield "an answer", repr(answer.headers).encode() + answer.body
        configuration = {self.glance.conf("api"), self.glance.conf("registry")}
        for path in self.glance.directory.rglob("*"):
            yield "a name", str(path).encode()
            if path.is_file() and path not in configuration:
                yield str(path), path.read_bytes()
        for pid in self.glance.pids():
            for name in ("cmdline", "environ"):
                yield f"{name} of a process", Path(f"/proc/{pid}/{name}").read_bytes()
            yield "what crashes left", "".join(path.name for path in Path(f"/proc/{pid}/cwd").glob("core*")).encode()

    def leaks(self) -> list[tuple[str, str]]:
        """(which secret, where)."""
        secrets = {**SECRETS, "secret of the registry": self.glance.registry_secret}
        wanted = {name: spellings(secret) for name, secret in secrets.items()}
        return [(name, what) for what, content in self.seen() for name, forms in wanted.items() if any(form in content for form in forms)]

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in (self.glance.directory / "log").iterdir())


@pytest.fixture
def front(swift_server: SwiftServer) -> Iterator[Front]:
    """What stands between the service and its Swift and S3."""
    with running(Front(swift_server.port)) as server:
        yield server


def options(url: str) -> dict[str, dict[str, object]]:
    """A service with all its secrets, that tells where its data are, and debugs."""
    return {
        "DEFAULT": {"debug": True, "workers": 1, "show_multiple_locations": True, "show_image_direct_url": True},
        "database": {"connection": f"mysql://glance:{SECRETS['password of the database']}@127.0.0.1:1/glance"},
        "oslo_messaging_notifications": {
            "driver": "log,messagingv2",
            "transport_url": f"rabbit://glance:{SECRETS['password of the message bus']}@127.0.0.1:{free_ports(1)[0]}/",
        },
        "glance_store": {
            "stores": "file,http,swift,s3",
            "swift_store_auth_address": f"{url}/auth/v1.0",
            "swift_store_user": SwiftServer.marked,
            "swift_store_key": SwiftServer.marked_key,
            "swift_store_create_container_on_put": True,
            "swift_store_large_object_size": 1,
            "swift_store_large_object_chunk_size": 1,
            "s3_store_host": url,
            "s3_store_access_key": SwiftServer.marked_s3,
            "s3_store_secret_key": SwiftServer.marked_s3_key,
            "s3_store_bucket": "secretive",
            "s3_store_create_bucket_on_put": True,
            "s3_store_bucket_url_format": "path",
            "s3_store_large_object_size": 5,
            "s3_store_large_object_chunk_size": 5,
        },
    }


@pytest.fixture
def prepare(tmp_path: Path) -> Iterator[Callable[..., Witness]]:
    """Makes services that are not started yet, daemons under glance-control or children of the test."""
    made: list[Glance] = []

    def prepare(url: str, *, control: bool = False) -> Witness:
        made.append(Glance(tmp_path / "glance", control=control, api_options=options(url)))
        return Witness(made[-1])

    yield prepare
    for one in made:
        one.kill()


@pytest.fixture(params=["debug", "libraries too"])
def witness(request: pytest.FixtureRequest, prepare: Callable[..., Witness], front: Front) -> Witness:
    """A service that logs all it has to say, and one whose operator lets libraries log as well."""
    witness = prepare(front.url, control=True)
    if request.param == "libraries too":
        logging = witness.glance.directory / "logging.conf"
        logging.write_text(EVERYTHING.format(path=str(witness.glance.directory / "log" / "all.log")))
        logging.chmod(0o640)
        for service in ("api", "registry"):
            witness.glance.add_options(service, {"DEFAULT": {"log_config_append": logging}})
    witness.glance.start()
    return witness


def uploads(witness: Witness, store: str, size: int) -> tuple[Answer, Answer]:
    """The answers to uploads by both versions."""
    first = witness.request("POST", "/v1/images", {**V1, **BYTES, "x-image-meta-store": store}, bytes(size))
    image_id = witness.send_json("POST", "/v2/images", FORMATS).json["id"]
    return first, witness.request("PUT", f"/v2/images/{image_id}/file", {**BYTES, "x-image-meta-store": store}, bytes(size))


def life_of_images(witness: Witness, store: str, size: int) -> None:
    """Uploads, looks at everything, reads and deletes."""
    first, second = uploads(witness, store, size)
    assert (first.status, second.status) == (201, 204)
    for image in witness.request("GET", "/v2/images").json["images"]:
        assert image["locations"]
        for path in ("", "/locations", "/file"):
            assert witness.request("GET", f"/v2/images/{image['id']}{path}").status == 200
        for method in ("HEAD", "GET"):
            assert witness.request(method, f"/v1/images/{image['id']}").status == 200
        assert witness.request("GET", f"/v2/images/{image['id']}/file", {"Range": "bytes=1-5"}).status == 206
        assert witness.request("DELETE", f"/v2/images/{image['id']}").status == 204
    witness.request("GET", "/v1/images/detail")
    for path in ("/v2/info/stores", "/v2/info/stores/detail"):
        witness.request("GET", path)


def refused_sources(witness: Witness, front: Front) -> None:
    """Clients that send passwords where none may be."""
    host = front.url.removeprefix("http://")
    login = f"glance:{SECRETS['password in a URL of a client']}"
    image_id = witness.send_json("POST", "/v2/images", FORMATS).json["id"]
    for url in (f"http://{login}@{host}/x", f"swift+http://{login}@{host}/auth/v1.0/glance/x", f"s3+http://{login}@{host}/secretive/x"):
        for header in ("x-image-meta-location", "x-glance-api-copy-from"):
            assert witness.request("POST", "/v1/images", {**V1, header: url}).status == 400
        location = {"url": url, "metadata": {}}
        add = [{"op": "add", "path": "/locations/-", "value": location}]
        assert witness.send_json("PATCH", f"/v2/images/{image_id}", add, PATCH).status == 400
        assert witness.send_json("POST", f"/v2/images/{image_id}/locations", {"url": url}).status in (400, 403)
    witness.request("DELETE", f"/v2/images/{image_id}")


def refusal(request: Handler) -> tuple[int, dict[str, str], bytes]:
    """Servers like to repeat what they were sent."""
    told = "".join(f"<p>{secret}</p>" for secret in SECRETS.values())
    return 403, {"Content-Type": "application/xml"}, f"<Error><Code>SignatureDoesNotMatch</Code><Message>{told}</Message></Error>".encode()


#: How the other side may fail: an answer instead of its own, and whether its answers get lost.
FAILURES: dict[str, tuple[Callable[[Handler], tuple[int, dict[str, str], bytes] | None], bool]] = {
    "wrong password": (lambda request: (401, {}, SECRETS["key of Swift"].encode()), False),
    "forbidden": (refusal, False),
    "out of order": (lambda request: (503, {}, b""), False),
    "garbage": (lambda request: (200, {"Content-Type": "application/xml"}, b"<<<" + SECRETS["key of Swift"].encode()), False),
    "elsewhere": (lambda request: (307, {"Location": f"http://{SECRETS['key of Swift']}@127.0.0.1:1/"}, b""), False),
    "no answer": (lambda request: None, True),
}


def failing_stores(witness: Witness, front: Front, store: str) -> None:
    """Uploads, downloads and deletes while the other side fails in every way, and once it has recovered."""
    kept = witness.request("POST", "/v1/images", {**V1, **BYTES, "x-image-meta-store": store}, bytes(SIZES[1]))
    image_id = kept.json["image"]["id"]
    for answer, lost in FAILURES.values():
        front.answer, front.lose = answer, lambda request, lost=lost: lost
        assert all(answer.status >= 400 for answer in uploads(witness, store, SIZES[0]))
        for path in (f"/v1/images/{image_id}", f"/v2/images/{image_id}/file"):
            assert witness.request("GET", path).status in (404, 503)
    assert witness.request("DELETE", f"/v1/images/{image_id}").status == 200
    front.answer, front.lose = lambda request: None, lambda request: False
    assert [answer.status for answer in uploads(witness, store, SIZES[0])] == [201, 204]


def test_secrets_then_are_found_where_they_are(prepare: Callable[..., Witness], front: Front) -> None:
    """The search itself: everything is found in the configuration."""
    witness = prepare(front.url)
    witness.glance.add_options("api", {"DEFAULT": {"one_more": f"{SECRETS['token of a client']} {SECRETS['wrong key']}"}})
    text = witness.glance.conf("api").read_text() + SECRETS["password in a URL of a client"]
    for encoded in (text.encode(), b64encode(text.encode()), quote(text, safe="").encode(), text.encode().hex().encode()):
        (witness.glance.directory / "log" / "api.log").write_bytes(encoded)
        assert {name for name, _where in witness.leaks()} == {*SECRETS, "secret of the registry"}


def test_life_of_images_then_tells_no_secret(witness: Witness, front: Front) -> None:
    for store in STORES:
        for size in SIZES:
            life_of_images(witness, store, size)
    refused_sources(witness, front)
    assert witness.leaks() == []
    witness.glance.stop()
    assert witness.leaks() == []
    log = witness.log()
    assert "image.activate" in log
    assert not (witness.glance.directory / "logging.conf").exists() or "DEBUG [stevedore" in log, "libraries tell nothing"
    assert "swift_store_key" in log
    assert "DEBUG [glance." in log


def test_stores_when_they_fail_in_every_way_then_tell_no_secret(witness: Witness, front: Front) -> None:
    for store in STORES:
        failing_stores(witness, front, store)
    assert witness.leaks() == []
    witness.glance.stop()
    assert witness.leaks() == []
    assert all(f"The store '{store}' failed" in witness.log() for store in STORES)


def test_old_location_with_a_key_then_read_and_shown_without_it(witness: Witness, front: Front) -> None:
    """Of all that can be seen only the database holds the key, since it did before."""
    image_id = witness.request("POST", "/v1/images", {**V1, **BYTES, "x-image-meta-store": "swift"}, b"of old").json["image"]["id"]
    login = f"{quote(SwiftServer.marked, safe='')}:{SwiftServer.marked_key}"
    url = f"swift+http://{login}@{front.url.removeprefix('http://')}/auth/v1.0/glance/{image_id}"
    with closing(sqlite3.connect(witness.glance.database)) as database, database:
        database.execute("UPDATE image_locations SET value = ?, store = NULL WHERE image_id = ?", (url, image_id))

    for path in (f"/v1/images/{image_id}", f"/v2/images/{image_id}/file"):
        assert witness.request("GET", path).body == b"of old"
    shown = witness.request("GET", f"/v2/images/{image_id}").json
    assert shown["direct_url"] == f"{url.partition('://')[0]}://{url.partition('@')[2]}"
    for path in ("/v2/images", f"/v2/images/{image_id}/locations", "/v1/images/detail"):
        assert witness.request("GET", path).status == 200
    front.answer = refusal
    assert witness.request("GET", f"/v2/images/{image_id}/file").status == 503
    assert witness.request("DELETE", f"/v1/images/{image_id}").status == 200
    witness.glance.stop()
    assert {where.removesuffix("-wal") for _name, where in witness.leaks()} == {str(witness.glance.database)}


def test_stores_when_their_certificate_is_not_believed_then_out_of_reach_and_no_secret_is_told(
    prepare: Callable[..., Witness], front: Front, certificate: Certificate
) -> None:
    front.encrypt(certificate.public, certificate.key)
    witness = prepare(front.url.replace("http://", "https://"))
    witness.glance.start()
    for store in STORES:
        assert [answer.status for answer in uploads(witness, store, SIZES[0])] == [503, 503]
    assert front.seen == []
    assert "its certificate is not believed" in witness.log()
    assert witness.leaks() == []


WRONG_KEYS = {
    "swift": ("swift_store_key", "The authentication of store 'swift' refuses this service: look at its user, key, and auth version."),
    "s3": ("s3_store_secret_key", "The store 's3' was refused its bucket: check access key, secret key, region and the name."),
}


@pytest.mark.parametrize("store", STORES)
def test_start_when_the_key_is_wrong_then_tells_why_but_no_secret(prepare: Callable[..., Witness], front: Front, store: str) -> None:
    witness = prepare(front.url)
    option, told = WRONG_KEYS[store]
    witness.glance.add_options("api", {"glance_store": {"default_store": store, option: SECRETS["wrong key"]}})
    assert told in failure(witness)
    witness.glance.kill()
    witness.glance.add_options("api", {"glance_store": {"default_store": "file"}})
    witness.glance.start()
    assert f"The store '{store}' cannot be used and is left out: {told}" in witness.log()
    assert witness.leaks() == []


def test_start_when_the_database_is_away_then_tells_why_but_no_secret(prepare: Callable[..., Witness], front: Front) -> None:
    witness = prepare(front.url)
    witness.glance.add_options("registry", {"database": {"connection": options(front.url)["database"]["connection"], "max_retries": 0}})
    assert "The database mysql+pymysql://glance:***@127.0.0.1:1/glance cannot be used" in failure(witness)


def failure(witness: Witness) -> str:
    """What is told where the service does not start; no secret is in it, nor anywhere else."""
    with pytest.raises(ServerFailure) as caught:
        witness.glance.start()
    witness.answers.append(Answer(0, (), str(caught.value).encode()))
    assert witness.leaks() == []
    return str(caught.value) + witness.log()
