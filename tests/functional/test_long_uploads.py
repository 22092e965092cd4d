"""Uploads that outlast the token with which they began: it is looked at once, when the request comes, whatever the store and the version."""

from __future__ import annotations

import http.client
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from keystoneauth1.exceptions import Unauthorized

from glance.identity import issuing
from glance.testing.servers import PATIENCE, Glance, wait_until
from tests.functional.test_callers import SECRET, write_users
from tests.keystone_server import KeystoneServer, User
from tests.remote_stores import s3_options, swift_options
from tests.swift_server import SwiftServer

MIB = 1 << 20
#: More than a segment of Swift and a part of S3, of 5 MB each, are complete when the token ends.
DATA = bytes(range(256)) * (16 * MIB // 256)
FIRST, REST = DATA[: 11 * MIB], DATA[11 * MIB :]
STORES = ("disk", "swift", "s3")
#: Where each version takes the data of an image.
PATHS = {"v1": "/v1/images/{}", "v2": "/v2/images/{}/file"}
RAW = b'{"disk_format": "raw", "container_format": "bare"}'

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Proof:
    """What a caller shows at first, what makes it worthless, and what is good afterwards."""

    shown: Headers
    end: Callable[[], object]
    later: Callable[[], Headers]


@dataclass(frozen=True)
class Site:
    """A service of several stores, with its registry over HTTP, and how its callers prove who they are."""

    glance: Glance
    prove: Callable[[], Proof]

    def create(self, who: Headers) -> str:
        answer = self.glance.request("POST", "/v2/images", {**who, "Content-Type": "application/json"}, RAW)
        assert answer.status == 201, answer.text
        return str(answer.json["id"])

    def begin(self, path: str, who: Headers, store: str) -> http.client.HTTPConnection:
        """An upload of which the first part is sent."""
        upload = http.client.HTTPConnection(self.glance.api_host, self.glance.api_port, timeout=PATIENCE)
        upload.putrequest("PUT", path)
        fields = {**who, "Content-Type": "application/octet-stream", "Content-Length": str(len(DATA)), "X-Image-Meta-Store": store}
        for name, value in fields.items():
            upload.putheader(name, value)
        upload.endheaders(FIRST)
        return upload

    def status(self, who: Headers) -> int:
        return self.glance.request("GET", "/v2/images", who).status


def of_keystone(keystone: KeystoneServer) -> Callable[[], Proof]:
    user = keystone.user("member")

    def prove() -> Proof:
        token = keystone.token(user)
        return Proof({"X-Auth-Token": token}, lambda: keystone.revoke(token), lambda: {"X-Auth-Token": keystone.token(user)})

    return prove


def of_tokens(glance: Glance) -> Callable[[], Proof]:
    path = glance.directory / "tokens.json"

    def prove() -> Proof:
        secret, token = issuing.create(path, "alice", "web", ["member"])
        return Proof(
            {"X-Auth-Token": secret},
            lambda: issuing.revoke(path, [token.id]),
            lambda: {"X-Auth-Token": issuing.create(path, "alice", "web", ["member"])[0]},
        )

    return prove


def of_http_basic(glance: Glance) -> Callable[[], Proof]:
    def authorization(password: str) -> Headers:
        return {"Authorization": f"Basic {b64encode(f'alice:{password}'.encode()).decode()}"}

    def prove() -> Proof:
        write_users(glance)
        return Proof(authorization(SECRET), lambda: write_users(glance, "another"), lambda: authorization("another"))

    return prove


@pytest.fixture(scope="module", params=["keystone", "tokens", "http_basic"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, swift_server: SwiftServer) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp(request.param)
    name = f"long-uploads-{request.param.replace('_', '-')}"
    options: dict[str, Mapping[str, object]] = {
        "DEFAULT": {"enabled_backends": "disk:file, swift:swift, s3:s3", "workers": "1"},
        "glance_store": {"default_backend": "disk"},
        "disk": {"filesystem_store_datadir": directory / "images"},
        "os_glance_staging_store": {"filesystem_store_datadir": directory / "staging"},
        "swift": of_store(swift_options(swift_server, name, 5)),
        "s3": of_store(s3_options(swift_server, f"{name}-s3", 5)),
    }
    if request.param == "keystone":
        keystone: KeystoneServer = request.getfixturevalue("keystone_server")
        glance = Glance(directory, flavor="keystone", api_options={**options, **keystone.options()})
        prove = of_keystone(keystone)
    else:
        glance = Glance(directory, flavor=request.param, api_options=options)
        prove = {"tokens": of_tokens, "http_basic": of_http_basic}[request.param](glance)
    with glance:
        yield Site(glance, prove)


def of_store(options: Mapping[str, object]) -> Mapping[str, object]:
    """Options of one of several stores: without those that say which there are."""
    return {name: value for name, value in options.items() if name not in {"stores", "default_store"}}


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("version", PATHS)
def test_upload_when_what_proved_the_caller_ends_meanwhile_then_succeeds(site: Site, version: str, store: str) -> None:
    proof = site.prove()
    image_id = site.create(proof.shown)
    upload = site.begin(PATHS[version].format(image_id), proof.shown, store)
    wait_until(lambda: is_saving(site, image_id, proof.shown), "the upload to begin")

    proof.end()
    assert site.status(proof.shown) == 401
    later = proof.later()
    check_completed(site, upload, image_id, version, later)
    assert site.glance.request("GET", f"/v2/images/{image_id}", later).json["stores"] == store


def check_completed(site: Site, upload: http.client.HTTPConnection, image_id: str, version: str, later: Headers) -> None:
    """Sends the rest: the upload ends as if nothing had happened."""
    upload.send(REST)
    answer = upload.getresponse()
    text = answer.read()
    upload.close()
    assert answer.status == (204 if version == "v2" else 200), text
    assert site.glance.request("GET", f"/v2/images/{image_id}", later).json["status"] == "active"
    assert site.glance.request("GET", f"/v2/images/{image_id}/file", later).body == DATA


@pytest.mark.parametrize("version", PATHS)
def test_upload_when_its_token_expires_meanwhile_then_succeeds(keystone_glance: Glance, keystone_server: KeystoneServer, version: str) -> None:
    site = Site(keystone_glance, of_keystone(keystone_server))
    user = keystone_server.user("member")
    lasting = {"X-Auth-Token": keystone_server.token(user)}
    token, image_id, upload = begin_with_a_brief_token(site, keystone_server, user, lasting, version)

    wait_until(lambda: not keystone_server.knows(token), "the end of the token", 120)
    assert site.status({"X-Auth-Token": token}) == 401
    check_completed(site, upload, image_id, version, lasting)


def begin_with_a_brief_token(
    site: Site, keystone: KeystoneServer, user: User, lasting: Headers, version: str
) -> tuple[str, str, http.client.HTTPConnection]:
    """A token that soon ends, and the upload that began with it; a busy machine may need several attempts."""
    for seconds in (5, 20, 60):
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        image_id = site.create(lasting)
        try:
            token = keystone.token_of_credential(keystone.application_credential(user, expires_at=end.strftime("%Y-%m-%dT%H:%M:%S.%f")))
        except Unauthorized:
            continue
        upload = site.begin(PATHS[version].format(image_id), {"X-Auth-Token": token}, "file")
        try:
            wait_until(lambda: is_saving(site, image_id, lasting), "the upload to begin", seconds)  # noqa: B023 - called at once
        except TimeoutError:
            upload.close()
        else:
            return token, image_id, upload
    raise TimeoutError("no upload began before its token had ended")


def is_saving(site: Site, image_id: str, who: Headers) -> bool:
    return bool(site.glance.request("GET", f"/v2/images/{image_id}", who).json["status"] == "saving")
