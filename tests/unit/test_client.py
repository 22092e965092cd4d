"""glance.client without a network: the codec of headers, the errors' names, where addresses and credentials come from."""

import pytest

from glance import client
from glance.client import Client, get_client, headers_from_meta, meta_from_headers
from glance.client.http import Address
from glance.common import exception

CLASSES_OF_2011 = [
    "Error",
    "ApiError",
    "ProcessExecutionError",
    "NotFound",
    "UnknownScheme",
    "BadStoreUri",
    "StoreDeleteNotSupported",
    "StoreAddDisabled",
    "Duplicate",
    "NotAuthorized",
    "NotEmpty",
    "Invalid",
    "BadInputError",
    "MissingArgumentError",
    "DatabaseMigrationError",
    "ClientConnectionError",
    "ClientConfigurationError",
    "MultipleChoices",
    "LimitExceeded",
    "ServiceUnavailable",
]


@pytest.mark.parametrize("name", CLASSES_OF_2011)
def test_exception_when_imported_by_its_name_of_2011_then_is_below_error(name):
    assert issubclass(getattr(exception, name), exception.Error)


def test_not_authorized_when_caught_then_covers_both_later_classes():
    assert issubclass(exception.NotAuthenticated, exception.NotAuthorized)
    assert issubclass(exception.Forbidden, exception.NotAuthorized)


def test_api_error_when_made_then_text_has_code_and_message():
    assert str(exception.ApiError("no such thing", "404")) == "404: no such thing"


def test_client_connection_error_when_imported_from_either_module_then_is_one_class():
    assert client.ClientConnectionError is exception.ClientConnectionError


def test_v1_client_when_imported_then_is_the_client():
    assert client.V1Client is Client


def test_headers_when_made_from_an_image_then_keep_underscores_and_hold_utf8():
    meta = {"name": "Müll", "disk_format": "raw", "is_public": True, "size": 5120, "owner": None, "properties": {"kernel_id": "7", "none": None}}
    assert headers_from_meta(meta) == {
        "x-image-meta-name": "Müll".encode(),
        "x-image-meta-disk_format": b"raw",
        "x-image-meta-is_public": b"True",
        "x-image-meta-size": b"5120",
        "x-image-meta-owner": b"",
        "x-image-meta-property-kernel_id": b"7",
        "x-image-meta-property-none": b"",
    }


@pytest.mark.parametrize("properties", [None, {}])
def test_headers_when_there_are_no_properties_then_say_nothing_of_them(properties):
    assert headers_from_meta({"properties": properties}) == {}


@pytest.mark.parametrize(
    "meta",
    [{"name": "a\r\nX-Roles: admin"}, {"name": "a\nb"}, {"name": "a\0"}, {"properties": {"a: b": "c"}}, {"properties": {"ü": "c"}}, {"a\r\nb": "c"}],
)
def test_headers_when_an_attribute_fits_in_no_header_then_invalid(meta):
    with pytest.raises(exception.Invalid, match="cannot be sent as a header"):
        headers_from_meta(meta)


def test_meta_when_made_from_headers_then_has_the_types_of_2011():
    headers = {
        "content-length": "0",
        "x-image-meta-id": "17",
        "x-image-meta-name": "stars",
        "x-image-meta-size": "5120",
        "x-image-meta-is_public": "True",
        "x-image-meta-deleted": "False",
        "x-image-meta-protected": "",
        "x-image-meta-min-disk": "0",
        "x-image-meta-deleted_at": "",
        "x-image-meta-property-distro-name": "Ubuntu",
        "x-image-meta-property-kernel_id": "",
    }
    assert meta_from_headers(headers) == {
        "id": 17,
        "name": "stars",
        "size": 5120,
        "is_public": True,
        "deleted": False,
        "protected": False,
        "min_disk": "0",
        "deleted_at": None,
        "properties": {"distro_name": "Ubuntu", "kernel_id": None},
    }


@pytest.mark.parametrize("image_id", ["11111111-2222-4333-8444-555555555555", "1e5", "-1", "١٢"])
def test_meta_when_the_id_is_not_all_decimal_then_keeps_it_as_text(image_id):
    assert meta_from_headers({"x-image-meta-id": image_id})["id"] == image_id


def test_meta_when_headers_were_made_from_it_then_is_the_same_again():
    meta = {"id": 3, "name": "x", "size": 12, "is_public": False, "checksum": None, "properties": {"a": "1", "b": None}}
    assert meta_from_headers({name: value.decode() for name, value in headers_from_meta(meta).items()}) == meta


@pytest.mark.parametrize(
    ("args", "kwargs", "address"),
    [
        (("glance",), {}, Address(False, "glance", 9292, "/v1")),
        (("glance", 80, True), {}, Address(True, "glance", 80, "/v1")),
        (("glance",), {"doc_root": ""}, Address(False, "glance", 9292, "")),
        (("glance",), {"doc_root": "v1.1/"}, Address(False, "glance", 9292, "/v1.1")),
        (("http://glance:9292",), {}, Address(False, "glance", 9292, "/v1")),
        (("https://glance/image/v1/",), {}, Address(True, "glance", 443, "/image/v1")),
        (("http://[::1]:9292/v1", 9393), {"doc_root": ""}, Address(False, "::1", 9393, "")),
    ],
)
def test_client_when_given_a_host_or_url_then_knows_the_address(args, kwargs, address):
    assert Client(*args, **kwargs).address == address


@pytest.mark.parametrize("host", ["ftp://glance", "http://", "http://glance:port"])
def test_client_when_the_url_is_none_then_configuration_error(host):
    with pytest.raises(exception.ClientConfigurationError):
        Client(host)


@pytest.mark.parametrize("kwargs", [{"creds": {"strategy": "kerberos"}}, {"key_file": "key.pem"}])
def test_client_when_it_cannot_work_then_configuration_error(kwargs):
    with pytest.raises(exception.ClientConfigurationError):
        Client("glance", **kwargs)


def test_client_when_a_tls_file_is_missing_then_configuration_error(tmp_path):
    with pytest.raises(exception.ClientConfigurationError, match="TLS files"):
        Client("127.0.0.1", 1, use_ssl=True, ca_file=str(tmp_path / "none.pem")).get_images()


def test_client_when_the_token_is_set_then_has_it():
    glance = Client("glance", auth_tok="one")
    glance.set_auth_token("two")
    assert glance.auth_tok == "two"


@pytest.fixture
def environment(monkeypatch):
    for name in ("AUTH_USER", "USERNAME", "AUTH_KEY", "PASSWORD", "AUTH_TENANT", "TENANT_NAME", "AUTH_URL", "AUTH_STRATEGY", "REGION_NAME", "TOKEN"):
        monkeypatch.delenv(f"OS_{name}", raising=False)
    return monkeypatch


def test_get_client_when_nothing_is_set_then_uses_no_identity_service(environment):
    glance = get_client("glance")
    assert glance.auth_tok is None
    assert glance.creds["strategy"] == "noauth"


@pytest.mark.parametrize(("user", "key", "tenant"), [("USERNAME", "PASSWORD", "TENANT_NAME"), ("AUTH_USER", "AUTH_KEY", "AUTH_TENANT")])
def test_get_client_when_arguments_are_missing_then_takes_them_from_the_environment(environment, user, key, tenant):
    for name, value in ((user, "u"), (key, "k"), (tenant, "t"), ("AUTH_URL", "http://id/v2.0/"), ("REGION_NAME", "north"), ("TOKEN", "tok")):
        environment.setenv(f"OS_{name}", value)
    glance = get_client("glance")
    expected = {"username": "u", "password": "k", "tenant": "t", "auth_url": "http://id/v2.0/", "strategy": "keystone", "region": "north"}
    assert glance.creds == expected
    assert glance.auth_tok == "tok"


def test_get_client_when_arguments_are_given_then_they_win(environment):
    environment.setenv("OS_USERNAME", "other")
    environment.setenv("OS_AUTH_STRATEGY", "keystone")
    glance = get_client("glance", 80, True, username="me", auth_strategy="noauth", is_silent_upload=True, insecure=True)
    assert glance.creds["username"] == "me"
    assert glance.creds["strategy"] == "noauth"
    assert glance.address == Address(True, "glance", 80, "/v1")
