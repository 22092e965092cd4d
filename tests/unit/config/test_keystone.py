"""The options of the token filter, from either file and by the names of any release. Nobody is asked anything here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glance import errors
from glance.config import pipelines, programs
from glance.config.programs import API, REGISTRY

PASTE = """\
[pipeline:{program}-keystone]
pipeline = authtoken application
[app:application]
paste.app_factory = {application}
[filter:authtoken]
paste.filter_factory = {factory}
{options}
"""
APPLICATIONS = {API: "glance.api.app:version_list", REGISTRY: "glance.registry.pipeline:registry"}
MODERN = "keystonemiddleware.auth_token:filter_factory"
ACCOUNT = {"auth_url": "http://k/v3", "username": "glance", "password": "secret"}

Load = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a pipeline with options of both files; returns section [keystone_authtoken] as the filter reads it."""

    def load(section: dict[str, str], paste: dict[str, str] | None = None, program: str = API, factory: str = MODERN, head: str = "") -> Any:
        conf, path = tmp_path / f"{program}.conf", tmp_path / "paste.ini"
        conf.write_text(f"[DEFAULT]\n{head}\n[keystone_authtoken]\n{lines(section)}\n")
        path.write_text(PASTE.format(program=program, application=APPLICATIONS[program], factory=factory, options=lines(paste or {})))
        loaded = programs.load(program, [str(conf)])
        pipelines.load(path, program, "keystone", loaded.files, loaded.conf)
        return loaded.conf.keystone_authtoken if program == API else None

    return load


def lines(options: dict[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in options.items())


@pytest.mark.parametrize("place", ["configuration", "paste"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (ACCOUNT, {**ACCOUNT, "auth_type": "password", "www_authenticate_uri": "http://k/v3", "default_domain_id": "default"}),
        (ACCOUNT, {"service_type": "image", "http_connect_timeout": 10, "delay_auth_decision": False}),
        ({**ACCOUNT, "user_domain_name": "d"}, {"user_domain_name": "d", "default_domain_id": None}),
        ({**ACCOUNT, "password": "a$b#c%d"}, {"password": "a$b#c%d"}),
        (
            {**ACCOUNT, "www_authenticate_uri": "http://p/v3", "http_connect_timeout": "3"},
            {"www_authenticate_uri": "http://p/v3", "http_connect_timeout": 3},
        ),
        (
            {**ACCOUNT, "memcache_servers": "m1:1,m2:2", "auth_plugin": "v3password", "user_domain_id": "d"},
            {"memcached_servers": ["m1:1", "m2:2"], "auth_type": "v3password"},
        ),
        (
            {"auth_host": "h", "admin_user": "u", "admin_password": "p", "admin_tenant_name": "t", "signing_dir": "/var/cache"},
            {"auth_url": "https://h:35357", "username": "u", "password": "p", "project_name": "t", "default_domain_id": "default"},
        ),
        (
            {"auth_host": "h", "auth_port": "5000", "auth_protocol": "http", "auth_uri": "http://p:5000/", "admin_user": "u", "admin_password": "p$"},
            {"auth_url": "http://h:5000", "www_authenticate_uri": "http://p:5000/", "password": "p$"},
        ),
        ({"identity_uri": "http://i", "auth_host": "h", "admin_user": "u", "admin_password": "p"}, {"auth_url": "http://i"}),
        ({**ACCOUNT, "admin_user": "older", "identity_uri": "http://older"}, ACCOUNT),
    ],
)
def test_options_of_every_release_then_arrive_where_they_are_read(load: Load, place: str, given: dict[str, str], expected: dict[str, object]) -> None:
    group = load(given) if place == "configuration" else load({}, given)

    assert {name: group[name] for name in expected} == expected


def test_options_when_both_files_have_them_then_the_paste_file_wins(load: Load) -> None:
    group = load(ACCOUNT, {"username": "other", "delay_auth_decision": "true"})

    assert (group.username, group.password, group.delay_auth_decision) == ("other", "secret", True)


def test_option_when_unknown_in_the_paste_file_then_a_warning_names_it_and_hides_its_value(load: Load, caplog: pytest.LogCaptureFixture) -> None:
    load(ACCOUNT, {"signing_dir": "/somewhere"})

    assert "The option signing_dir of the token filter in the paste file is not known, and ignored." in caplog.text
    assert "/somewhere" not in caplog.text


@pytest.mark.parametrize("factory", ["keystone.middleware.auth_token:filter_factory", "keystoneclient.middleware.auth_token:filter_factory"])
def test_factory_of_2011_to_2014_then_is_the_filter_of_today(load: Load, factory: str) -> None:
    assert load(ACCOUNT, factory=factory).username == "glance"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "auth_url and username and password missing"),
        ({"auth_url": "http://k", "user_id": "u"}, "password missing"),
        (
            {"admin_token": "012345SECRET99TOKEN012345", **ACCOUNT},
            "admin_token is no longer known to keystone",
        ),
        ({"auth_type": "magic", **ACCOUNT}, "The plugin magic could not be found"),
        ({"auth_type": "v3password"}, "auth_url"),
        ({"token_cache_time": "soon", **ACCOUNT}, "Accepted: a whole number."),
        ({"memcache_security_strategy": "MAC", **ACCOUNT}, "memcache_secret_key must be defined"),
    ],
)
@pytest.mark.parametrize("place", ["configuration", "paste"])
def test_options_when_no_token_could_be_checked_then_the_start_is_refused(load: Load, place: str, options: dict[str, str], reason: str) -> None:
    with pytest.raises(errors.ConfigurationError) as raised:
        load(options) if place == "configuration" else load({}, options)

    assert raised.value.message.startswith("The options of [keystone_authtoken] cannot be used: ")
    assert reason in raised.value.message
    assert "secret" not in raised.value.message.replace("memcache_secret_key", "")
    assert "SECRET99" not in raised.value.message


@pytest.mark.parametrize(
    ("head", "refused"),
    [
        ("registry_shared_secret = s\nbind_host = 0.0.0.0", False),
        ("bind_host = 0.0.0.0\nca_file = ca.pem", False),
        ("bind_host = 127.0.0.1", False),
        ("", False),
        ("bind_host = 0.0.0.0", True),
        ("bind_host = registry.example.org", True),
    ],
)
def test_registry_pipeline_with_tokens_then_somebody_must_keep_others_out(load: Load, head: str, refused: bool) -> None:
    if not refused:
        load({}, program=REGISTRY, head=head)
        return

    with pytest.raises(errors.ConfigurationError, match=r"glance-api does that and proves itself to the registry: set registry_shared_secret"):
        load({}, program=REGISTRY, head=head)
