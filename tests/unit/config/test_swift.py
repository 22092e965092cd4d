"""The Swift store as the options and the file of references describe it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from glance import errors
from glance.config import programs, stores, swift
from glance.store.drivers.swift.settings import SwiftReference, SwiftStoreSettings

ACCOUNT = ("swift_store_auth_address = http://127.0.0.1:8080/auth/v1.0", "swift_store_user = test:tester", "swift_store_key = testing")


def read(tmp_path: Path, *lines: str, section: str = "glance_store") -> SwiftStoreSettings:
    path = tmp_path / "glance-api.conf"
    path.write_text("\n".join([f"[{section}]", *lines]))
    path.chmod(0o640)
    return swift.read(programs.load(programs.API, [str(path)]).conf.glance_store)


def references(tmp_path: Path, text: str) -> str:
    path = tmp_path / "swift.conf"
    path.write_text(text)
    path.chmod(0o640)
    return f"swift_store_config_file = {path}"


@pytest.mark.parametrize("section", ["glance_store", "DEFAULT"])
def test_read_when_written_as_in_2011_then_an_account_of_tempauth_over_tls(tmp_path: Path, section: str) -> None:
    lines = ["swift_store_auth_address = 127.0.0.1:8080/v1.0/", "swift_store_user = jdoe", "swift_store_key = a86850deb2742ec3cb41518e26aa2d89"]
    more = ["swift_store_container = glance", "swift_store_create_container_on_put = False"]
    settings = read(tmp_path, *lines, *more, section=section)
    account = settings.references["ref1"]
    assert (account.auth_url, account.auth_version, account.user) == ("https://127.0.0.1:8080/v1.0", "1", "jdoe")
    assert account.key == "a86850deb2742ec3cb41518e26aa2d89"
    assert (settings.container, settings.create_container, settings.large_object_size, settings.chunk_size) == (
        "glance",
        False,
        5120 << 20,
        200 << 20,
    )


@pytest.mark.parametrize(
    ("address", "version", "url", "meant"),
    [
        ("http://h:5000", None, "http://h:5000/v3", "3"),
        ("http://h:5000/v3/", None, "http://h:5000/v3", "3"),
        ("https://h/identity", "2", "https://h/identity/v2.0", "2"),
        ("https://h/v2.0", None, "https://h/v2.0", "2"),
        ("https://h/auth/v1.0", None, "https://h/auth/v1.0", "1"),
        ("https://h/auth", "1.0", "https://h/auth", "1"),
    ],
)
def test_auth_address_then_completed_as_its_version_wants(tmp_path: Path, address: str, version: str | None, url: str, meant: str) -> None:
    said = [f"swift_store_auth_version = {version}"] if version else []
    account = read(tmp_path, *ACCOUNT, f"swift_store_auth_address = {address}", *said).references["ref1"]
    assert (account.auth_url, account.auth_version) == (url, meant)


def test_references_then_read_from_their_file_beside_the_options(tmp_path: Path) -> None:
    text = (
        "[south]\nuser = service:glance\nkey = a$b%c#d\nauth_address = https://south/v3\nuser_domain_id = d1\nproject_domain_name = Cloud\n"
        "[cred]\nauth_address = https://north/v3\napplication_credential_id = c1\napplication_credential_secret = s1\n"
    )
    settings = read(tmp_path, *ACCOUNT, references(tmp_path, text), "default_swift_reference = south", "swift_store_multiple_containers_seed = 3")
    assert settings.default_reference == "south"
    assert settings.containers_seed == 3
    assert set(settings.references) == {"south", "cred"}
    assert settings.references["south"] == SwiftReference(
        auth_url="https://south/v3", user="service:glance", key="a$b%c#d", user_domain_id="d1", project_domain_name="Cloud"
    )
    assert settings.references["cred"].application_credential_secret == "s1"


def test_read_when_written_as_in_2014_then_every_option_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [
        "swift_store_auth_version = 2",
        "swift_store_auth_address = 127.0.0.1:35357/v2.0/",
        "swift_store_user = jdoe:jdoe",
        "swift_store_key = a86850deb2742ec3cb41518e26aa2d89",
        "swift_store_container = glance",
        "swift_store_create_container_on_put = False",
        "swift_store_large_object_size = 5120",
        "swift_store_large_object_chunk_size = 200",
        "swift_enable_snet = False",
        "swift_store_multi_tenant = False",
        "swift_store_admin_tenants =",
        "swift_store_region = RegionOne",
        "swift_store_endpoint_type = internalURL",
        "swift_store_service_type = object-store",
        "swift_store_auth_insecure = False",
        "swift_store_ssl_compression = False",
        "swift_store_retry_get_count = 3",
    ]
    settings = read(tmp_path, *lines, section="DEFAULT")
    account = SwiftReference("https://127.0.0.1:35357/v2.0", "2", "jdoe:jdoe", "a86850deb2742ec3cb41518e26aa2d89")
    assert settings == SwiftStoreSettings({"ref1": account}, region="RegionOne", interface="internalURL", retries=3)
    assert caplog.text == ""


def test_read_when_an_option_has_no_effect_then_taken_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    switches = ("swift_enable_snet", "swift_store_ssl_compression", "swift_buffer_on_upload", "swift_store_use_trusts")
    settings = read(tmp_path, *ACCOUNT, *(f"{name} = True" for name in switches), "swift_upload_buffer_dir = /var/tmp")
    assert settings == read(tmp_path, *ACCOUNT)
    for name in (*switches, "swift_upload_buffer_dir"):
        assert caplog.text.count(f"The option {name} has no effect. ") == 1


@pytest.mark.parametrize("placeholder", ["%(project_id)s", "$(tenant_id)s", "%(tenant_id)s"])
def test_multi_tenant_then_accounts_are_told_by_the_endpoint_or_not_at_all(tmp_path: Path, placeholder: str) -> None:
    lines = [*ACCOUNT, "swift_store_multi_tenant = True", "swift_store_admin_tenants = service, 0a1b"]
    settings = read(tmp_path, *lines, f"swift_store_endpoint = https://swift/v1/AUTH_{placeholder}", "swift_store_public_acl = True")
    assert (settings.accounts_url, settings.storage_url, settings.admin_projects) == ("https://swift/v1/AUTH_", None, ("service", "0a1b"))
    assert settings.public_acl
    untold = read(tmp_path, *lines)
    assert (untold.multi_tenant, untold.accounts_url, untold.public_acl) == (True, None, False)


def test_token_then_needs_no_user(tmp_path: Path) -> None:
    settings = read(tmp_path, "swift_store_token = t1", "swift_store_endpoint = https://swift/v1/AUTH_x")
    assert (settings.references["ref1"].token, settings.storage_url) == ("t1", "https://swift/v1/AUTH_x")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "swift_store_auth_address"),
        (ACCOUNT[:2], "needs a user and a key"),
        ([*ACCOUNT, "swift_store_auth_address = ftp://h/v3"], "auth_address"),
        ([*ACCOUNT, "swift_store_auth_address = http://u:secret@h/v3"], "no user in it"),
        ([*ACCOUNT, "swift_store_auth_address = http://[::1/v3"], "auth_address"),
        ([*ACCOUNT, "swift_store_auth_address = http://h:port/v3"], "auth_address"),
        ([*ACCOUNT, "swift_store_auth_version = 4"], "auth_version"),
        ([*ACCOUNT, "swift_store_multi_tenant = true", "swift_store_endpoint = https://h/v1/AUTH_x"], "ends with %\\(project_id\\)s"),
        (["swift_store_token = t", "swift_store_endpoint = https://h/v1/AUTH_x", "swift_store_multi_tenant = true"], "not swift_store_token"),
        ([*ACCOUNT, "swift_store_cacert = /nonexistent"], "swift_store_cacert"),
        ([*ACCOUNT, "swift_store_config_file = /nonexistent"], "swift_store_config_file"),
    ],
)
def test_read_when_something_is_missing_or_wrong_then_says_what(tmp_path: Path, lines: list[str], said: str) -> None:
    with pytest.raises(errors.StoreMisconfigured, match=said) as caught:
        read(tmp_path, *lines)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("[ref1]\nuser = u\nkey = hidden\n", 0o640, "The reference 'ref1' needs an auth_address"),
        ("user = u\nkey = hidden\n", 0o640, "cannot be used: MissingSectionHeaderError"),
        ("[ref1]\n", 0o646, "may be written by everybody"),
    ],
)
def test_references_when_of_no_use_then_said_without_what_stands_there(tmp_path: Path, text: str, mode: int, said: str) -> None:
    line = references(tmp_path, text)
    os.chmod(tmp_path / "swift.conf", mode)
    with pytest.raises(errors.StoreMisconfigured, match=said) as caught:
        read(tmp_path, line)
    assert "hidden" not in str(caught.value)


def test_stores_when_swift_is_enabled_then_made_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "glance-api.conf"
    path.write_text("\n".join(["[glance_store]", "stores = glance.store.swift.Store", "default_store = swift", *ACCOUNT]))
    path.chmod(0o640)
    made = stores.make(programs.load(programs.API, [str(path)]).conf)
    assert (made.names, made.default) == (("swift",), "swift")
    assert made.choose("swift+http") is made.get("swift")


@pytest.mark.parametrize("missing", ["swiftclient", "keystoneauth1"])
def test_driver_when_its_extra_is_not_installed_then_says_what_to_install(missing: str) -> None:
    program = f"import sys; sys.modules['{missing}'] = None; from glance.store.stores import load_driver; load_driver('swift')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "ConfigurationError" in done.stderr.splitlines()[-1]
    assert "pip install 'glance[swift]'" in done.stderr.splitlines()[-1]
