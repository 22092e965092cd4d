"""What glance-manage setup writes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from glance import errors
from glance.config import database, programs, registry, setup


def test_write_then_everything_is_private_and_the_programs_can_read_it(tmp_path: Path) -> None:
    site = setup.Site(tmp_path / "site", bind_host="127.0.0.2", api_port=1234, registry_port=4321, flavor="tokens")

    written = dict(setup.write(site))

    assert all(written.values())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in site.directory.iterdir()}
    assert {mode for name, mode in modes.items() if name in {"images", "log", "run"}} == {0o750}
    assert {mode for name, mode in modes.items() if name not in {"images", "log", "run"}} == {0o640}
    api = programs.load(programs.API, [str(site.directory / "glance-api.conf")]).conf
    metadata = programs.load(programs.REGISTRY, [str(site.directory / "glance-registry.conf")]).conf
    assert (api.bind_host, api.bind_port, registry.read_client(api).port, metadata.bind_port) == ("127.0.0.2", 1234, 4321, 4321)
    assert (api.paste_deploy.flavor, metadata.paste_deploy.flavor) == ("tokens", "tokens")
    assert len(api.registry_shared_secret) == 64
    assert api.registry_shared_secret == metadata.registry_shared_secret
    assert database.read(api) == database.read(metadata)


def test_write_when_files_exist_then_keeps_them_and_their_secret(tmp_path: Path) -> None:
    site = setup.Site(tmp_path)
    (tmp_path / "glance-registry.conf").write_text("[DEFAULT]\nregistry_shared_secret = mine\n")

    written = dict(setup.write(site))

    assert written[tmp_path / "glance-registry.conf"] is False
    assert (tmp_path / "glance-registry.conf").read_text() == "[DEFAULT]\nregistry_shared_secret = mine\n"
    assert "registry_shared_secret = mine\n" in (tmp_path / "glance-api.conf").read_text()
    assert not any(dict(setup.write(site)).values())


@pytest.mark.parametrize("name", ["relative", "/with$dollar", "/with?mark", "/with\nline"])
def test_site_when_the_directory_cannot_stand_in_options_then_refuses(name: str) -> None:
    with pytest.raises(errors.ConfigurationError):
        setup.Site(Path(name))
