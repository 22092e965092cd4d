"""Every form of an address that clients must not make the service connect to, by every way that they have: refused alike, and nobody was asked.

Rows S35, S36 and S38 to S42 of the list of security issues that the project keeps, and its forms of addresses (2.3b). What the guard does with places
that are permitted stands in ``tests/unit/test_egress.py``.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from glance import errors
from glance.api.settings import ApiSettings
from glance.context import unauthenticated
from glance.db.registry import SqlRegistry
from glance.egress import Egress, EgressSettings, shown
from glance.model.image import ImageChanges, Location, LocationChange
from glance.service import Services
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.drivers.http import HttpStore
from glance.store.drivers.s3.settings import S3StoreSettings
from glance.store.drivers.s3.store import S3Store
from glance.store.drivers.swift.settings import SwiftReference, SwiftStoreSettings
from glance.store.drivers.swift.store import SwiftStore
from glance.store.staging import StagingStore
from glance.store.stores import StoreSet
from glance.testing.wire import Answer
from tests.api.conftest import RAW, Api, http_sender, pipeline, served
from tests.canaries import CANARY, PERMITTED, FakeDns, Listener, marker, only_loopback, reply
from tests.certificates import Certificate, certificate
from tests.databases import SqliteFiles
from tests.services import make_services

__all__ = ["certificate", "only_loopback"]

# What is refused

#: Hosts, each with http and https, with and without a port; names are those of ``tests.canaries.NAMES``.
HOSTS = [
    # Loopback, in all the ways that C libraries and browsers read numbers.
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "00000177.0.0.1", "017700000001", "0", "0.0.0.0",
    "localhost", "localhost.", "LOCALHOST", "127.0.0.1.", "[::]", "[::1]", "[0:0:0:0:0:0:0:1]",
    # IPv4 inside IPv6: mapped, compatible, NAT64 (well-known and local prefix), 6to4, Teredo.
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::ffff:8.8.8.8]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001::7f00:1]",
    # Link-local, with zone ids; unique local; multicast; documentation.
    "[fe80::1]", "[fe80::1%25lo]", "[fe80::1%lo]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]", "[3fff::1]",
    # IPv4 that is not on the public internet: metadata service, shared, private, IETF, relays, benchmarks, documentation, multicast, reserved.
    "169.254.169.254", "100.64.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "192.0.0.1", "192.88.99.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.5", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    # Names that lead inward, as one address of several too, or nowhere, and the site's own.
    "inward", "inward.", "both", "mapped", "sixes", "canonical.example", "unknown.example", "public.site.example",
    # No host at all.
    "[", "[]", "[127.0.0.1]", "[::1", "::1", ".", "..", "a..b", "-a", "a%2eb", "good%00", "x" * 64 + ".example", "127.0.0.1\\good",
    "good\\.127.0.0.1", "good#@127.0.0.1", "a b", "\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460", "127\u30020\u30020\u30021",
]  # fmt: skip

#: Whole URLs of web addresses that are none, or of another port than the guard lets through. {port} is the canaries'.
URLS = [
    "http:///x", "http://{host}:{other}/x", "http://permitted.example:{other}/x", "http://good:0/", "http://good:/", "http://good:65536/",
    "http://good:99999/", "http://good:-1/", "http://good:8x/", "http://good:80:80/", "http://:80/", "http://[::1]good/", "http://good]/",
    "http://[v1.x]/", "http://127.0.0.1:{port}/ ", "http://good/a b", "http://good/\u00e4", "http://good/#part",
]  # fmt: skip

#: Schemes that no client may use, whatever stores there are, and texts without a scheme. {leak} is a file that the service can read.
SCHEMES = [
    "file://{leak}", "FILE://{leak}", "filesystem://{leak}", "file://localhost{leak}", "file:{leak}", " file://{leak}", "\tfile://{leak}",
    "\0file://{leak}", "%66ile://{leak}", "{leak}", "http", "http:", "http:/127.0.0.1:{port}/", "http:127.0.0.1:{port}", "//127.0.0.1:{port}/",
    "127.0.0.1:{port}/", "http://127.0.0.1:{port}/\tx", "http://127.0.0.1\t/", "hTTp+x://127.0.0.1:{port}/",
    "swift+config://ref1/glance/leak", "swift://127.0.0.1:{port}/v1.0/glance/leak", "swift+http://127.0.0.1:{port}/v1.0/glance/leak",
    "swift+https://127.0.0.1:{port}/v1.0/glance/leak", "s3://127.0.0.1:{port}/bucket/leak", "s3+http://127.0.0.1:{port}/bucket/leak",
    "s3+https://127.0.0.1:{port}/bucket/leak", "cinder://volume", "rbd://fsid/pool/image/snap", "vsphere://127.0.0.1:{port}/folder/x",
    "gopher://127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "dict://127.0.0.1:{port}/", "unix:///run/x", "data:,x", "javascript://127.0.0.1/",
    "jar:http://127.0.0.1:{port}!/x",
]  # fmt: skip

#: With a user name: version 2 says so, as there a location never has one.
CREDENTIALS = [
    "http://good@127.0.0.1:{port}/", "http://good:80@127.0.0.1:{port}/", "https://user:password@good/", "http://good\\@127.0.0.1:{port}/", "http://@good/",
]  # fmt: skip

#: Schemes with credentials, and what only JSON can carry.
CLASSIC = ["swift+http://user:key@127.0.0.1:{port}/v1.0/glance/leak", "s3+http://access:secret@127.0.0.1:{port}/bucket/leak"]
TEXTS = [" http://127.0.0.1:{port}/", "http://good\r\nX: y/", "http://127.0.0.1:{port}/\nx"]


@dataclass
class Site:
    """A service that may fetch from one place, ``permitted``; two canaries listen on that place's port of other loopback addresses."""

    api: Api
    services: Services
    dns: FakeDns
    permitted: Listener
    encrypted: Listener
    canaries: tuple[Listener, Listener]
    directory: Path
    queued: str

    def urls(self, form: str) -> list[str]:
        """What a form of the tables stands for."""
        port = self.permitted.port
        if form in HOSTS:
            return [f"{scheme}://{form}{suffix}/x" for scheme in ("http", "https") for suffix in ("", f":{port}")]
        return [form.format(host=PERMITTED, port=port, other=self.encrypted.port + 1, leak=self.directory / "leak")]

    def front_door(self, *, encrypted: bool = False) -> str:
        """A URL of the place that is permitted."""
        return f"https://permitted.example:{self.encrypted.port}/" if encrypted else f"http://permitted.example:{self.permitted.port}/"

    def files(self) -> dict[str, tuple[int, int]]:
        """All files, with size and time of the last change."""
        paths = [path for path in self.directory.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate, sqlite: SqliteFiles) -> Iterator[Site]:
    """In SQLite, which is the one to hold all that earlier releases may have taken for an address."""
    directory = tmp_path_factory.mktemp("site")
    (directory / "leak").write_text("not for clients")
    with ExitStack() as ends:

        def listen(address: str, port: int = 0, **options: object) -> Listener:
            made = Listener(address, marker, port=port, **options)  # type: ignore[arg-type]
            ends.callback(made.close)
            return made

        permitted = listen(PERMITTED)
        encrypted = listen(PERMITTED, tls=certificate.server_context())
        canaries = listen(CANARY, permitted.port), listen("::1", permitted.port)
        registry = SqlRegistry(ends.enter_context(sqlite.migrated()))
        ends.callback(registry.close)
        dns = FakeDns()
        guard = EgressSettings(
            allowed_networks=(f"{PERMITTED}/32",),
            denied_networks=("198.41.0.4/32",),
            allowed_ports=(80, 443, permitted.port, encrypted.port),
            connect_timeout=5,
            read_timeout=5,
            ca_file=certificate.public,
        )
        stores = make_stores(directory, Egress(guard, dns), f"http://{CANARY}:{permitted.port}")
        settings = ApiSettings(show_locations=True)
        services = make_services(directory, registry, stores=stores, http_retries=0)
        port = ends.enter_context(served(pipeline(services, settings, trusted=False)))
        api = Api(services, settings, directory / "images", http_sender(port), {})
        yield Site(api, services, dns, permitted, encrypted, canaries, directory, api.new())


def make_stores(directory: Path, egress: Egress, host: str) -> StoreSet:
    """All drivers; the accounts of Swift and S3 are where a canary listens."""
    file = FileStore("file", FileStoreSettings(datadir=directory / "images"))
    file.check()
    reference = SwiftReference(auth_url=f"{host}/v1.0", auth_version="1", user="test:tester", key="testing")
    s3 = S3Store("s3", S3StoreSettings(host=host, bucket="bucket", keys=("access", "secret")))
    swift = SwiftStore("swift", SwiftStoreSettings({"ref1": reference}))
    staging = StagingStore(FileStoreSettings(datadir=directory / "staging"))
    return StoreSet([file, HttpStore("http", egress), s3, swift], "file", staging)


# How clients name an address

#: Sends a request about a URL; the id is that of an image that is queued.
Send = Callable[[Site, str, str], Answer]


def v1(method: str, header: str, **more: str) -> Send:
    def send(site: Site, image_id: str, url: str) -> Answer:
        return site.api.request(method, "/v1/images" if method == "POST" else f"/v1/images/{image_id}", {**RAW, header: url, **more})

    return send


def add(site: Site, image_id: str, url: str) -> Answer:
    return site.api.patch(image_id, [{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}])


def replace(site: Site, image_id: str, url: str) -> Answer:
    return site.api.patch(image_id, [{"op": "replace", "path": "/locations", "value": [{"url": url, "metadata": {}}]}])


def register(site: Site, image_id: str, url: str) -> Answer:
    return site.api.send_json("POST", f"/v2/images/{image_id}/locations", {"url": url})


def reading(path: str) -> Send:
    """Reads an image whose location came into the registry before today's rules."""

    def send(site: Site, image_id: str, url: str) -> Answer:
        recorded = site.api.new()
        change = ImageChanges({"status": "active", "size": 6}, locations=LocationChange(frozenset(), (Location(url=url, store="http", owned=False),)))
        site.services.registry.images.update(unauthenticated(), recorded, change)
        return site.api.request("GET", path.format(recorded))

    return send


def redirected(status: int, *, from_https: bool = False) -> Send:
    """Names a permitted place that redirects to the address which is meant."""

    def send(site: Site, image_id: str, url: str) -> Answer:
        place = site.encrypted if from_https else site.permitted
        place.respond = lambda head, number: reply(status, Location=url)
        try:
            return register(site, image_id, site.front_door(encrypted=from_https))
        finally:
            place.respond = marker

    return send


LOCATION: dict[str, Send] = {
    "v1 POST location": v1("POST", "x-image-meta-location"),
    "v1 PUT location": v1("PUT", "x-image-meta-location"),
    "v2 PATCH add": add,
    "v2 PATCH replace": replace,
    "v2 POST locations": register,
}
COPY = {"v1 POST copy-from": v1("POST", "x-glance-api-copy-from"), "v1 PUT copy_from": v1("PUT", "x-glance-api-copy_from")}
#: With a size nothing is asked before the copy begins, which in this service happens at once.
SIZED = {"v1 copy-from of a stated size": v1("POST", "x-glance-api-copy-from", **{"x-image-meta-size": "6"})}
READING = {"v1 GET": reading("/v1/images/{}"), "v2 GET": reading("/v2/images/{}/file")}
REDIRECTS = {f"redirect {status}": redirected(status) for status in (301, 302, 303, 307, 308)}
WAYS = {**LOCATION, **COPY, **SIZED, **READING, **REDIRECTS}


def expected(way: str, form: str, url: str) -> tuple[int, str]:
    """Status and text of the answer: one for every form that is a web address, and nearly one for all others."""
    without_scheme = form in (*SCHEMES, *CLASSIC, *TEXTS)
    if way in READING or (way in SIZED and not without_scheme):
        return 503, errors.StoreUnavailable(store="http").message
    if way == "v2 POST locations" and without_scheme:
        return 403, "http store must be enabled to use location API by normal user."
    if way.startswith("v2") and form in (*CREDENTIALS, *CLASSIC):
        return 400, "Invalid location: a URL with credentials is not accepted."
    return 400, errors.SourceRefused(source=shown(url)).message


def fits(way: str, form: str) -> bool:
    """No header carries a line break, nor a blank at its beginning."""
    return form not in TEXTS or way.startswith("v2")


CASES = [(way, form) for form in (*HOSTS, *URLS, *SCHEMES, *CREDENTIALS, *CLASSIC, *TEXTS) for way in WAYS if fits(way, form)]


@pytest.mark.parametrize(("way", "form"), CASES, ids=[f"{way}-{form!a}" for way, form in CASES])
def test_address_when_forbidden_then_refused_alike_and_nobody_was_asked(site: Site, way: str, form: str) -> None:
    files = site.files()
    site.dns.asked.clear()
    for url in site.urls(form):
        answer = WAYS[way](site, site.queued, url)

        said = url.strip(" \t") if way.startswith("v1") else url
        status, text = expected(way, form, site.front_door() if way in REDIRECTS else said)
        assert (answer.status, text in html.unescape(answer.text)) == (status, True), f"{url!r}: {answer.text}"
        assert [canary.connections for canary in site.canaries] == [0, 0]
    assert form not in URLS or set(site.dns.asked) <= {"permitted.example"}, "what cannot be right is no reason to ask for a name"
    assert site.files() == files
    assert site.api.get(f"/v2/images/{site.queued}")["status"] == "queued"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_when_it_leads_from_https_to_http_then_refused(site: Site, status: int) -> None:
    before = site.permitted.connections

    answer = redirected(status, from_https=True)(site, site.queued, site.front_door())

    assert (answer.status, "External sources are not supported" in answer.text) == (400, True)
    assert site.permitted.connections == before


@pytest.mark.parametrize("way", [*LOCATION, *COPY])
def test_name_when_it_leads_inward_once_it_was_looked_at_then_its_data_are_out_of_reach(site: Site, way: str) -> None:
    """DNS rebinding: what counts is where each connection goes, not what the name meant before."""
    image_id = site.api.new()
    site.dns.changing["rebound"] = [[PERMITTED], [CANARY]]

    answer = WAYS[way](site, image_id, f"http://rebound:{site.permitted.port}/")

    assert answer.status == (503 if way in COPY else 202 if way == "v2 POST locations" else 201 if "POST" in way else 200), answer.text
    if way in LOCATION:
        made = answer.json["image"]["id"] if way == "v1 POST location" else image_id
        assert [site.api.request("GET", path).status for path in (f"/v1/images/{made}", f"/v2/images/{made}/file")] == [503, 503]
    assert site.dns.changing["rebound"] == [[CANARY]]
    assert [canary.connections for canary in site.canaries] == [0, 0]
    assert not list(site.api.images.iterdir())
