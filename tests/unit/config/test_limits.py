"""Options of section [oslo_limit]: what a service must be told to read limits in keystone. Nobody is asked anything here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from glance import errors
from glance.config import programs, quotas
from glance.config.programs import Loaded
from glance.identity.limits import KeystoneLimits

ACCOUNT = {
    "endpoint_id": "e1",
    "auth_url": "http://k/v3",
    "username": "glance",
    "password": "a$b#c%d",
    "user_domain_id": "default",
    "system_scope": "all",
}


def load(directory: Path, options: dict[str, str], program: str = programs.REGISTRY, **sections: dict[str, str]) -> Loaded:
    path = directory / "glance.conf"
    lines = ["[DEFAULT]", "use_keystone_limits = true"]
    for section, content in {"oslo_limit": options, **sections}.items():
        lines += [f"[{section}]", *(f"{name} = {value}" for name, value in content.items())]
    path.write_text("\n".join(lines))
    path.chmod(0o640)
    return programs.load(program, [str(path)])


@pytest.mark.parametrize("program", [programs.API, programs.REGISTRY])
def test_make_when_the_account_is_complete_then_limits_are_those_of_keystone(tmp_path: Path, program: str) -> None:
    loaded = load(tmp_path, ACCOUNT, program)

    assert isinstance(quotas.make(loaded.conf), KeystoneLimits)
    group = loaded.conf.oslo_limit
    assert (group.auth_type, group.timeout, group.password, group.fresh_seconds, group.kept_seconds) == ("password", 10, "a$b#c%d", 60, 3600)


@pytest.mark.parametrize("name", ["endpoint_id", "auth_url", "username", "password", "system_scope"])
def test_make_when_something_is_missing_then_says_what(tmp_path: Path, name: str) -> None:
    loaded = load(tmp_path, {option: value for option, value in ACCOUNT.items() if option != name})

    with pytest.raises(errors.ConfigurationError) as raised:
        quotas.make(loaded.conf)

    assert raised.value.message.startswith("The options of [oslo_limit] cannot be used: ")
    assert name in raised.value.message


def test_make_when_the_account_is_in_a_section_of_its_own_then_it_is_read_and_checked_there(tmp_path: Path) -> None:
    options = {"endpoint_id": "e1", "auth_section": "service_account"}
    account = {name: value for name, value in ACCOUNT.items() if name != "endpoint_id"}

    assert isinstance(quotas.make(load(tmp_path, options, service_account=account).conf), KeystoneLimits)
    del account["system_scope"]
    loaded = load(tmp_path, options, service_account=account)
    with pytest.raises(errors.ConfigurationError, match=r"\[service_account\] cannot be used: system_scope missing"):
        quotas.make(loaded.conf)


def test_make_when_the_user_goes_by_its_id_then_needs_no_name(tmp_path: Path) -> None:
    loaded = load(tmp_path, {**{name: value for name, value in ACCOUNT.items() if name != "username"}, "user_id": "u1"})

    assert isinstance(quotas.make(loaded.conf), KeystoneLimits)


@pytest.mark.parametrize(("name", "value"), [("auth_type", "magic"), ("timeout", "soon")])
def test_make_when_an_option_cannot_be_used_then_the_start_fails(tmp_path: Path, name: str, value: str) -> None:
    loaded = load(tmp_path, {**ACCOUNT, name: value})

    with pytest.raises(errors.ConfigurationError, match="cannot be used: .*" + value):
        quotas.make(loaded.conf)


def test_file_when_everybody_may_read_the_password_then_the_log_tells(tmp_path: Path) -> None:
    loaded = load(tmp_path, ACCOUNT)
    loaded.files[0].chmod(0o644)

    assert [text for text in loaded.warnings() if "holds secrets" in text] != []


WITHOUT_LIBRARY = """
import sys
sys.modules["keystoneauth1"] = None  # as if it were not installed
from glance import errors
from glance.config import programs, quotas
try:
    quotas.make(programs.load(programs.REGISTRY, [sys.argv[1]]).conf)
except errors.ConfigurationError as error:
    print(error)
"""


def test_make_when_the_library_is_not_installed_then_says_what_to_install(tmp_path: Path) -> None:
    path = load(tmp_path, ACCOUNT).files[0]

    done = subprocess.run([sys.executable, "-c", WITHOUT_LIBRARY, str(path)], capture_output=True, text=True, timeout=60, check=True)

    assert "pip install 'glance[keystone]'" in done.stdout
