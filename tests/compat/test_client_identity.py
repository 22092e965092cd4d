"""glance.client with an identity service of 2011 and 2012, and over TLS; both are scripted servers."""

from __future__ import annotations

import datetime
import io
import ipaddress
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from glance.client import Client, get_client
from glance.common import exception
from tests.compat.scripted import DATA, TIMEOUT, Pipe, Reply, Server, reply, serving

UUID = "11111111-2222-4333-8444-555555555555"

# Keystone

V2_ACCESS = {"token": {"id": "fresh"}, "serviceCatalog": [{"type": "compute", "endpoints": [{"publicURL": "http://nova"}]}]}


def creds(keystone: Server, path: str = "/v2.0/", **more: str) -> dict[str, str | None]:
    return {"strategy": "keystone", "username": "üser", "password": "secret", "tenant": "t1", "auth_url": keystone.url + path, **more}


def catalogue(*endpoints: tuple[str, str]) -> dict[str, Any]:
    image = {"type": "image", "endpoints": [{"region": region, "publicURL": url} for region, url in endpoints]}
    return {"access": {**V2_ACCESS, "serviceCatalog": [image]}}


def test_keystone_v2_when_there_is_no_token_then_logs_in_once_for_all_requests(server: Server, keystone: Server) -> None:
    keystone.replies = [reply({"access": V2_ACCESS})]
    server.replies = [reply({"images": []}), reply({"images": []})]
    client = server.client(creds=creds(keystone))
    client.get_images()
    client.get_images()
    (login,) = keystone.requests
    assert (login.method, login.path, login.headers["content-type"]) == ("POST", "/v2.0/tokens", "application/json")
    assert json.loads(login.body) == {"auth": {"passwordCredentials": {"username": "üser", "password": "secret"}, "tenantName": "t1"}}
    assert [one.headers["x-auth-token"] for one in server.requests] == ["fresh", "fresh"]


def test_keystone_v1_when_there_is_no_token_then_logs_in_by_headers_and_goes_where_it_is_sent(server: Server, keystone: Server) -> None:
    keystone.replies = [Reply(204, headers={"X-Auth-Token": "fresh", "X-Server-Management-Url": f"{server.url}/v1.1/"})]
    server.replies = [reply({"images": []})]
    Client("elsewhere.invalid", creds=creds(keystone, "/v1.0"), timeout=TIMEOUT).get_images()
    (login,) = keystone.requests
    assert (login.method, login.path) == ("GET", "/v1.0/tokens")
    sent = {name: value for name, value in login.headers.items() if name.startswith("x-auth")}
    assert sent == {"x-auth-user": "üser", "x-auth-key": "secret", "x-auth-tenant": "t1"}
    assert server.requests[0].path == "/v1.1/images"
    assert server.requests[0].headers["x-auth-token"] == "fresh"


@pytest.mark.parametrize("status", [401, 403])
def test_keystone_when_a_token_is_refused_then_logs_in_and_repeats_with_all_data(server: Server, keystone: Server, status: int) -> None:
    keystone.replies = [reply({"access": V2_ACCESS})]
    server.replies = [Reply(status), reply({"image": {}}, 201)]
    server.client(auth_tok="stale", creds=creds(keystone)).add_image({"name": "x"}, io.BytesIO(DATA))
    assert [one.headers["x-auth-token"] for one in server.requests] == ["stale", "fresh"]
    assert [one.body for one in server.requests] == [DATA, DATA]


def test_keystone_when_the_second_try_is_refused_too_then_gives_up(server: Server, keystone: Server) -> None:
    keystone.replies = [reply({"access": V2_ACCESS})]
    server.replies = [Reply(401), Reply(401, b"no")]
    with pytest.raises(exception.NotAuthenticated, match="no"):
        server.client(auth_tok="stale", creds=creds(keystone)).get_images()


def test_keystone_when_the_data_cannot_be_sent_again_then_the_refusal_is_raised(server: Server, keystone: Server) -> None:
    server.replies = [Reply(401, b"no")]
    with pytest.raises(exception.NotAuthenticated, match="no"):
        server.client(auth_tok="stale", creds=creds(keystone)).add_image(None, Pipe(DATA))
    assert keystone.requests == []


def test_keystone_when_nova_of_2011_names_no_auth_url_then_no_login_is_tried(server: Server) -> None:
    server.replies = [reply({"images": []}), Reply(401)]
    client = server.client(creds={"strategy": "keystone", "username": "u", "tenant": "t"})
    client.get_images()
    assert "x-auth-token" not in server.requests[0].headers
    with pytest.raises(exception.NotAuthorized):
        client.get_images()


def test_keystone_when_it_redirects_then_is_followed(server: Server, keystone: Server) -> None:
    keystone.replies = [Reply(305, headers={"Location": f"{keystone.url}/v2.0/tokens"}), reply({"access": V2_ACCESS})]
    server.replies = [reply({"images": []})]
    server.client(creds=creds(keystone, "/")).get_images()
    assert [f"{one.method} {one.path}" for one in keystone.requests] == ["GET /tokens", "POST /v2.0/tokens"]


def test_keystone_when_it_redirects_for_ever_then_stops_after_ten(server: Server, keystone: Server) -> None:
    keystone.replies = [Reply(305, headers={"Location": "/v2.0/"}) for _ in range(20)]
    with pytest.raises(exception.ClientConfigurationError, match="more than 10 times"):
        server.client(creds=creds(keystone)).get_images()
    assert len(keystone.requests) == 11


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Reply(401, b"wrong password"), exception.NotAuthenticated),
        (Reply(403), exception.NotAuthenticated),
        (Reply(404), exception.ClientConfigurationError),
        (Reply(500), exception.ServiceUnavailable),
        (reply({"access": {"token": {}}}), exception.ClientConfigurationError),
        (reply({"access": []}), exception.ClientConfigurationError),
        (reply({}), exception.Error),
    ],
)
def test_keystone_when_it_gives_no_token_then_error_that_is_not_the_images(
    server: Server, keystone: Server, answer: Reply, error: type[Exception]
) -> None:
    keystone.replies = [answer]
    with pytest.raises(error) as caught:
        server.client(creds=creds(keystone)).get_image(UUID)
    assert "secret" not in str(caught.value)
    assert server.requests == []


def test_keystone_v1_when_the_answer_has_no_token_then_configuration_error(server: Server, keystone: Server) -> None:
    keystone.replies = [Reply()]
    with pytest.raises(exception.ClientConfigurationError, match="no token"):
        server.client(creds=creds(keystone, "/v1.0/")).get_images()


def test_keystone_when_credentials_are_missing_then_says_which(server: Server, keystone: Server) -> None:
    with pytest.raises(exception.ClientConfigurationError, match="username, password"):
        server.client(creds={"strategy": "keystone", "auth_url": keystone.url}).get_images()


@pytest.mark.parametrize(("region", "path"), [("north", "/north/images"), ("south", "/v1/images"), ("", "/v1/images"), ("west", "/v1/images")])
def test_catalogue_when_it_names_image_services_then_the_only_one_of_the_region_is_used(
    server: Server, keystone: Server, region: str, path: str
) -> None:
    """An endpoint without a path keeps doc_root; no endpoint, or several, keep the address."""
    keystone.replies = [reply(catalogue(("north", f"{server.url}/north"), ("south", server.url)))]
    server.replies = [reply({"images": []})]
    server.client(creds=creds(keystone, region=region)).get_images()
    assert server.requests[0].path == path


def test_catalogue_when_configure_via_auth_is_off_then_the_address_stays(server: Server, keystone: Server) -> None:
    keystone.replies = [reply(catalogue(("north", "http://elsewhere.invalid/")))]
    server.replies = [reply({"images": []})]
    server.client(creds=creds(keystone), configure_via_auth=False).get_images()
    assert len(server.requests) == 1


def test_get_client_when_the_environment_names_keystone_then_logs_in_there(server: Server, keystone: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OS_TOKEN", raising=False)
    for name, value in {"USERNAME": "u", "PASSWORD": "p", "TENANT_NAME": "t", "AUTH_URL": f"{keystone.url}/v2.0"}.items():
        monkeypatch.setenv(f"OS_{name}", value)
    keystone.replies = [reply({"access": V2_ACCESS})]
    server.replies = [reply({"images": []})]
    get_client("127.0.0.1", server.port).get_images()
    assert server.requests[0].headers["x-auth-token"] == "fresh"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "glance test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with serving(context) as one:
        yield one


def test_tls_when_the_certificate_is_unknown_then_connection_error(tls_server: Server) -> None:
    with pytest.raises(exception.ClientConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        tls_server.client(use_ssl=True).get_images()


def test_tls_when_the_authority_is_given_then_data_passes_both_ways(tls_server: Server, certificate: Path) -> None:
    tls_server.replies = [reply({"image": {}}, 201), Reply(body=DATA)]
    client = tls_server.client(use_ssl=True, ca_file=str(certificate))
    client.add_image(None, Pipe(DATA))
    assert tls_server.requests[0].body == DATA
    assert b"".join(client.get_image(UUID)[1]) == DATA


def test_tls_when_the_environment_names_the_authority_then_it_is_used(tls_server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLANCE_CLIENT_CA_FILE", str(certificate))
    tls_server.replies = [reply({"images": []})]
    assert tls_server.client(use_ssl=True).get_images() == []


def test_tls_when_the_server_wants_a_certificate_then_the_clients_is_shown(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(context) as strict:
        strict.replies = [reply({"images": []})]
        pair = {"use_ssl": True, "ca_file": str(certificate)}
        with pytest.raises(exception.ClientConnectionError):
            strict.client(**pair).get_images()
        assert strict.client(**pair, cert_file=str(certificate), key_file=str(certificate)).get_images() == []


def test_tls_when_insecure_is_asked_for_then_any_certificate_will_do(tls_server: Server) -> None:
    tls_server.replies = [reply({"images": []})]
    assert tls_server.client(use_ssl=True, insecure=True).get_images() == []


def test_keystone_when_it_redirects_away_from_tls_then_the_password_is_not_sent(tls_server: Server, keystone: Server) -> None:
    tls_server.replies = [Reply(305, headers={"Location": f"{keystone.url}/v2.0/"})]
    credentials = creds(keystone) | {"auth_url": f"https://127.0.0.1:{tls_server.port}/v2.0/"}
    with pytest.raises(exception.ClientConfigurationError, match="without TLS"):
        tls_server.client(creds=credentials, insecure=True).get_images()
    assert keystone.requests == []
