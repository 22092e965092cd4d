"""Whom glance-registry believes: who knows its secret, or shows a certificate of its authority. Real processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from glance.testing.servers import PATIENCE, Glance, Service, program, wait_until
from tests.certificates import Certificate, issue

ALICE = {"X-Identity-Status": "Confirmed", "X-User-Id": "alice", "X-Tenant-Id": "web", "X-Roles": "member"}
BOB = {**ALICE, "X-User-Id": "bob", "X-Tenant-Id": "db"}
NEW = {**ALICE, "Content-Type": "application/json"}
RAW = b'{"disk_format": "raw", "container_format": "bare"}'
BYTES = {**ALICE, "Content-Type": "application/octet-stream"}
OPEN = "glance-registry listens on 0.0.0.0 without registry_shared_secret or ca_file: whoever reaches it reads and changes every image."


class Identities:
    """One authority that the registry knows, one that it does not, and what each has signed."""

    def __init__(self, directory: Path) -> None:
        (directory / "foreign").mkdir()
        self.authority, foreign = issue(directory, "authority"), issue(directory / "foreign", "authority")
        self.registry, self.api = (issue(directory, name, self.authority) for name in ("registry", "api"))
        self.stranger = issue(directory / "foreign", "api", foreign)


class CertifiedGlance(Glance):
    """glance-registry asks for certificates, on every address, and knows no secret; glance-api and the test show that of glance-api."""

    def __init__(self, directory: Path, who: Identities) -> None:
        super().__init__(directory, flavor="trusted-auth")
        self.who = who
        server = {"cert_file": who.registry.public, "key_file": who.registry.key, "ca_file": who.authority.public, "bind_host": "0.0.0.0"}
        self.add_options("registry", {"DEFAULT": {**server, "registry_shared_secret": ""}})
        self.add_options("api", {"DEFAULT": {**self.client_options(who.api), "registry_shared_secret": ""}})

    def client_options(self, shown: Certificate | None) -> dict[str, object]:
        options: dict[str, object] = {"registry_client_protocol": "https", "registry_client_ca_file": self.who.authority.public}
        files = {"registry_client_cert_file": shown.public, "registry_client_key_file": shown.key} if shown else {}
        return {**options, "registry_client_cert_file": "", "registry_client_key_file": "", **files}

    def connection(self, service: Service, timeout: float) -> http.client.HTTPConnection:
        if service == "api":
            return super().connection(service, timeout)
        return http.client.HTTPSConnection(self.api_host, self.registry_port, timeout=timeout, context=self.context(self.who.api))

    def context(self, shown: Certificate | None) -> ssl.SSLContext:
        """A client's, with a certificate or without."""
        context = ssl.create_default_context(cafile=self.who.authority.public)
        if shown is not None:
            context.load_cert_chain(shown.public, shown.key)
        return context


@pytest.fixture(scope="module")
def who(tmp_path_factory: pytest.TempPathFactory) -> Identities:
    return Identities(tmp_path_factory.mktemp("identities"))


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory, who: Identities) -> Iterator[CertifiedGlance]:
    with CertifiedGlance(tmp_path_factory.mktemp("certified"), who) as running:
        yield running


def log(glance: Glance, service: Service) -> str:
    return (glance.directory / "log" / f"{service}.log").read_text()


def ask(connection: http.client.HTTPConnection) -> None:
    with contextlib.closing(connection):
        connection.request("GET", "/images", headers=ALICE)
        connection.getresponse()


def upload(glance: Glance) -> str:
    image_id = str(glance.request("POST", "/v2/images", NEW, RAW).json["id"])
    assert glance.request("PUT", f"/v2/images/{image_id}/file", BYTES, b"data").status == 204
    return image_id


# Certificates


def test_images_when_the_registry_asks_for_certificates_then_stored_shown_to_their_owner_and_deleted(certified: Glance) -> None:
    image_id = upload(certified)

    assert certified.request("GET", f"/v1/images/{image_id}", ALICE).body == b"data"
    assert certified.request("GET", f"/v2/images/{image_id}", BOB).status == 404
    assert certified.request("DELETE", f"/v2/images/{image_id}", ALICE).status == 204


def test_registry_when_a_certificate_proves_glance_api_then_the_caller_that_it_names_counts(certified: Glance) -> None:
    path = f"/images/{upload(certified)}"

    statuses = [certified.request(method, path, caller, service="registry").status for caller in (BOB, ALICE) for method in ("GET", "DELETE")]

    assert statuses == [404, 404, 200, 200]
    assert certified.request("GET", "/images", service="registry").status == 401  # of nobody it believes nothing


@pytest.mark.parametrize("shown", ["nothing", "foreign"])
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_when_it_shows_no_certificate_of_the_authority_then_the_handshake_fails(
    certified: CertifiedGlance, who: Identities, shown: str, newest: ssl.TLSVersion
) -> None:
    context = certified.context(None if shown == "nothing" else who.stranger)
    context.maximum_version = newest
    connection = http.client.HTTPSConnection(certified.api_host, certified.registry_port, timeout=PATIENCE, context=context)

    with pytest.raises((ssl.SSLError, ConnectionError)):  # TLS 1.3 tells it to the first who reads
        ask(connection)
    cause = "peer did not return a certificate" if shown == "nothing" else "certificate verify failed"
    wait_until(lambda: cause in log(certified, "registry"), "the refusal in the log")


def test_client_when_it_speaks_no_tls_then_learns_nothing(certified: CertifiedGlance) -> None:
    connection = http.client.HTTPConnection(certified.api_host, certified.registry_port, timeout=PATIENCE)

    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask(connection)


def test_registry_when_clients_need_a_certificate_then_nothing_is_said_of_a_missing_secret(certified: Glance) -> None:
    assert "registry_shared_secret" not in log(certified, "registry")


@pytest.mark.parametrize("shown", ["nothing", "foreign"])
def test_api_when_the_registry_refuses_its_certificate_then_503_and_the_log_says_so(
    certified: CertifiedGlance, who: Identities, fresh_glance: Callable[..., Glance], shown: str
) -> None:
    options = certified.client_options(None if shown == "nothing" else who.stranger)

    refused = fresh_glance(
        flavor="trusted-auth", services=("api",), api_options={"DEFAULT": {**options, "registry_port": certified.registry_port, "workers": 0}}
    )

    assert refused.request("GET", "/v2/images", ALICE).status == 503
    assert f"The registry at 127.0.0.1:{certified.registry_port} does not answer: " in log(refused, "api")


def test_api_when_the_registry_is_of_another_authority_then_it_is_told_nothing(
    certified: CertifiedGlance, who: Identities, fresh_glance: Callable[..., Glance]
) -> None:
    options = {**certified.client_options(who.api), "registry_client_ca_file": who.stranger.public}

    wary = fresh_glance(
        flavor="trusted-auth", services=("api",), api_options={"DEFAULT": {**options, "registry_port": certified.registry_port, "workers": 0}}
    )

    assert wary.request("GET", "/v2/images", ALICE).status == 503
    assert "certificate verify failed" in log(wary, "api")


def test_certificates_when_renewed_then_a_reload_takes_them(tmp_path: Path, who: Identities) -> None:
    with CertifiedGlance(tmp_path, who) as glance:
        image_id = upload(glance)
        (tmp_path / "renewed").mkdir()
        glance.who = renewed = Identities(tmp_path / "renewed")
        server = {"cert_file": renewed.registry.public, "key_file": renewed.registry.key, "ca_file": renewed.authority.public}
        glance.add_options("registry", {"DEFAULT": server})
        glance.add_options("api", {"DEFAULT": glance.client_options(renewed.api)})

        for service in ("registry", "api"):
            os.kill(glance.pid(service), signal.SIGHUP)

        def answers() -> bool:
            return glance.request("GET", f"/v2/images/{image_id}", ALICE).status == 200 and registry_is_renewed(glance)

        wait_until(answers, "the new certificates to count")


def registry_is_renewed(glance: Glance) -> bool:
    try:
        return glance.request("GET", "/healthcheck", service="registry").status == 200
    except ssl.SSLError:
        return False


# A secret


@pytest.mark.parametrize("secret", ["", "another"])
def test_api_when_it_does_not_know_the_secret_then_503_and_the_log_says_what_to_set(fresh_glance: Callable[..., Glance], secret: str) -> None:
    glance = fresh_glance(api_options={"DEFAULT": {"registry_shared_secret": secret, "workers": 0}})

    assert glance.request("GET", "/v2/images").status == 503
    assert "registry_shared_secret must be set, and the same, here and there." in log(glance, "api")
    assert "did not bring the registry's secret" in log(glance, "registry")
    assert glance.registry_secret not in log(glance, "api") + log(glance, "registry")


def test_registry_when_it_has_both_then_a_certificate_alone_is_not_enough(tmp_path: Path, who: Identities) -> None:
    glance = CertifiedGlance(tmp_path, who)
    for service in glance.services:
        glance.add_options(service, {"DEFAULT": {"registry_shared_secret": "SENT"}})
    with glance:
        upload(glance)
        assert glance.request("GET", "/images", ALICE, service="registry").status == 401
        assert glance.request("GET", "/images", {**ALICE, "X-Glance-Registry-Secret": "SENT"}, service="registry").status == 200


# Neither


def test_registry_when_others_reach_it_and_it_asks_for_nothing_then_says_so_at_every_start(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance(services=("registry",), registry_options={"DEFAULT": {"bind_host": "0.0.0.0", "registry_shared_secret": ""}})

    assert [line for line in log(glance, "registry").splitlines() if "WARNING" in line and OPEN in line]


WRONG: Mapping[str, tuple[Service, dict[str, str], str]] = {
    "authority without certificate": ("registry", {"ca_file": "{0}"}, "ca_file needs cert_file and key_file"),
    "no such certificate": (
        "api",
        {"registry_client_protocol": "https", "registry_client_cert_file": "{0}.none"},
        "registry_client_ca_file cannot be used: No such file or directory",
    ),
    "key of another certificate": (
        "api",
        {"registry_client_protocol": "https", "registry_client_cert_file": "{0}", "registry_client_key_file": "{1}"},
        "registry_client_ca_file cannot be used: ",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_service_when_its_certificates_cannot_be_used_then_it_does_not_start(tmp_path: Path, who: Identities, name: str) -> None:
    service, options, reason = WRONG[name]
    glance = Glance(tmp_path / "site")
    glance.add_options(service, {"DEFAULT": {option: value.format(who.api.public, who.registry.key) for option, value in options.items()}})

    done = subprocess.run([program(f"glance-{service}"), str(glance.conf(service))], capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert (done.returncode, reason in done.stderr) == (1, True), done.stderr


def test_api_when_it_has_certificates_but_speaks_no_tls_then_the_log_warns(fresh_glance: Callable[..., Glance], who: Identities) -> None:
    glance = fresh_glance(api_options={"DEFAULT": {"registry_client_ca_file": who.authority.public}})

    assert "registry_client_protocol is http: no certificate is shown to glance-registry or checked" in log(glance, "api")
