"""The token filter of the shipped pipeline against a real keystone, in this process, with everything that any library logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from pathlib import Path

import pytest

from glance.api.app import Composition
from glance.api.settings import ApiSettings
from glance.config import pipelines, programs
from glance.config.programs import API
from glance.interfaces import Registry
from tests.api.conftest import Send, wsgi_sender
from tests.certificates import Certificate, certificate
from tests.functional.test_keystone_trouble import Options, check_unavailable
from tests.http_front import Front
from tests.keystone_server import PASSWORD, KeystoneServer
from tests.running import running
from tests.services import make_services

__all__ = ["certificate"]

#: As Essex shipped it, with the options of Essex.
ESSEX = """\
[pipeline:glance-api]
pipeline = versionnegotiation authtoken context apiv1app
[app:apiv1app]
paste.app_factory = glance.common.wsgi:app_factory
glance.app_factory = glance.api.v1.router:API
[filter:versionnegotiation]
paste.filter_factory = glance.common.wsgi:filter_factory
glance.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter
[filter:context]
paste.filter_factory = glance.common.wsgi:filter_factory
glance.filter_factory = glance.common.context:ContextMiddleware
[filter:authtoken]
paste.filter_factory = keystone.middleware.auth_token:filter_factory
service_protocol = http
service_host = 127.0.0.1
service_port = {port}
auth_host = 127.0.0.1
auth_port = {port}
auth_protocol = http
auth_uri = http://127.0.0.1:{port}/
admin_tenant_name = {user.project_name}
admin_user = {user.name}
admin_password = {password}
"""


@pytest.fixture(scope="module")
def token(keystone_server: KeystoneServer) -> str:
    return keystone_server.token(keystone_server.user("member"))


@pytest.fixture
def pipeline(tmp_path: Path, registry: Registry) -> Callable[..., Send]:
    def make(options: Options, paste: Path = pipelines.SHIPPED / "glance-api-paste.ini", flavor: str = "keystone") -> Send:
        path = tmp_path / "glance-api.conf"
        with path.open("w") as file:
            parser = RawConfigParser()
            parser.read_dict(options)
            parser.write(file)
        loaded = programs.load(API, [str(path)])
        chosen = pipelines.load(paste, API, flavor, loaded.files, loaded.conf)
        return wsgi_sender(Composition(chosen.application, make_services(tmp_path, registry), ApiSettings()))

    return make


@pytest.fixture
def check(pipeline: Callable[..., Send], token: str, caplog: pytest.LogCaptureFixture) -> Callable[[Options, str], None]:
    """Checks that a token is not accepted with these options, and why."""

    def check(options: Options, cause: str) -> None:
        caplog.clear()
        with caplog.at_level(logging.DEBUG):
            answer = pipeline(options)("GET", "/v2/images", {"X-Auth-Token": token, "Accept": "application/json"}, None)
        check_unavailable(answer, caplog.text, cause, token, "another$secret")

    return check


Check = Callable[[Options, str], None]


def test_keystone_when_it_is_silent_then_503_in_time(keystone_server: KeystoneServer, check: Check) -> None:
    options = keystone_server.options(http_request_max_retries=0, http_connect_timeout=1)

    keystone_server.freeze()
    try:
        check(options, "timed out")
    finally:
        keystone_server.thaw()


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"password": "another$secret"}, "Identity server rejected authorization necessary to fetch token data"),
        ({"project_name": "nowhere"}, "Identity server rejected authorization necessary to fetch token data"),
        ({"region_name": "nowhere"}, "No token can be checked: internal endpoint for identity service in nowhere region not found"),
        ({"auth_type": "none"}, "No compatible apis supported by server"),
    ],
)
def test_service_when_its_own_account_is_wrong_then_503(keystone_server: KeystoneServer, check: Check, changes: dict[str, str], cause: str) -> None:
    check(keystone_server.options(**changes), cause)


def test_service_when_it_may_not_check_tokens_then_503(keystone_server: KeystoneServer, check: Check) -> None:
    ordinary = keystone_server.user("member")

    check(
        keystone_server.options(username=ordinary.name, project_name=ordinary.project_name),
        "You are not authorized to perform the requested action: identity:validate_token.",
    )


@pytest.fixture(scope="module")
def encrypted(keystone_server: KeystoneServer, certificate: Certificate) -> Iterator[Front]:
    """The same keystone behind TLS, with a certificate that nobody has signed."""
    with running(Front(keystone_server.port)) as front:
        front.encrypt(certificate.public, certificate.key)
        yield front


@pytest.mark.parametrize("insecure", [{}, {"insecure": "False"}], ids=["unset", "False"])
def test_keystone_when_its_certificate_is_unknown_then_is_told_nothing(
    keystone_server: KeystoneServer, encrypted: Front, check: Check, insecure: dict[str, str]
) -> None:
    address = encrypted.url.replace("http://", "https://")

    check(keystone_server.options(auth_url=f"{address}/v3", http_request_max_retries=0, **insecure), "certificate verify failed")

    assert encrypted.seen == []


def test_paste_file_of_2012_then_its_account_checks_tokens(
    keystone_server: KeystoneServer, pipeline: Callable[..., Send], token: str, tmp_path: Path
) -> None:
    paste = tmp_path / "glance-api-paste.ini"
    paste.write_text(ESSEX.format(port=keystone_server.port, user=keystone_server.user("service"), password=PASSWORD))

    send = pipeline({}, paste, "")

    assert send("GET", "/v1/images", {"X-Auth-Token": token}, None).status == 200
    refused = send("GET", "/v1/images", {"X-Auth-Token": "none"}, None)
    assert (refused.status, refused.header("WWW-Authenticate")) == (401, f'Keystone uri="{keystone_server.root}/"')
