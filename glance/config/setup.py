"""Writing a ready configuration into a directory: what ``glance-manage setup`` does."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from glance import errors
from glance.config import files, programs
from glance.config.pipelines import SHIPPED
from glance.config.sections import DEFAULT

_API = """\
[DEFAULT]
bind_host = {site.bind_host}
bind_port = {site.api_port}
log_file = {site.directory}/log/api.log
registry_mode = {site.registry_mode}
registry_host = 127.0.0.1
registry_port = {site.registry_port}
registry_shared_secret = {secret}

[glance_store]
filesystem_store_datadir = {site.directory}/images

[database]
connection = {site.connection}

[paste_deploy]
config_file = {site.directory}/glance-api-paste.ini
flavor = {site.flavor}
"""

_REGISTRY = """\
[DEFAULT]
bind_host = 127.0.0.1
bind_port = {site.registry_port}
log_file = {site.directory}/log/registry.log
registry_shared_secret = {secret}

[database]
connection = {site.connection}

[paste_deploy]
config_file = {site.directory}/glance-registry-paste.ini
flavor = {site.flavor}
"""

_HEAD = "# Written by glance-manage setup. All options: docs/reference/configuration.md and the samples in etc/.\n"
_SHIPPED = ("glance-api-paste.ini", "glance-registry-paste.ini", "policy.yaml.sample", "schema-image.json")
_DIRECTORIES = ("images", "log", "run")
_FORBIDDEN = frozenset("$%?#;\n")

#: Where the attributes of a site stand: program, section and name of the option.
PLACES = {
    "bind_host": ((programs.API, DEFAULT, "bind_host"),),
    "api_port": ((programs.API, DEFAULT, "bind_port"),),
    "registry_port": ((programs.API, DEFAULT, "registry_port"), (programs.REGISTRY, DEFAULT, "bind_port")),
    "registry_mode": ((programs.API, DEFAULT, "registry_mode"),),
    "flavor": ((programs.API, "paste_deploy", "flavor"), (programs.REGISTRY, "paste_deploy", "flavor")),
}


@dataclass(frozen=True, slots=True)
class Site:
    """A service in a directory of its own. Raises ConfigurationError for a directory whose name cannot stand in a file of options."""

    directory: Path
    bind_host: str = "127.0.0.1"
    api_port: int = 9292
    registry_port: int = 9191
    registry_mode: str = "http"
    flavor: str = ""

    def __post_init__(self) -> None:
        if not self.directory.is_absolute() or _FORBIDDEN & set(str(self.directory)):
            raise errors.ConfigurationError(reason=f"Choose an absolute directory without any of $ % ? # ; in its name, not {self.directory}")

    @property
    def connection(self) -> str:
        """The URL of its database."""
        return f"sqlite:///{self.directory}/glance.sqlite"


def check_kept(site: Site, given: Collection[str]) -> None:
    """Raises ConfigurationError where a file that is there already says otherwise about one of the attributes that were ``given``."""
    for attribute in given:
        wanted = getattr(site, attribute)
        for program, section, name in PLACES[attribute]:
            path = site.directory / f"{program}.conf"
            if not path.exists():
                continue
            conf = programs.load(program, [str(path)]).conf
            kept = (conf if section == DEFAULT else conf[section])[name]
            shown = "" if kept is None else kept
            if shown != wanted:
                reason = f"{path} is there already, with {name} = {shown} in [{section}], not {wanted}"
                raise errors.ConfigurationError(reason=f"{reason}. Nothing was changed: set it there, or choose another directory.")


def write(site: Site) -> Iterator[tuple[Path, bool]]:
    """Makes what is missing: directories of mode 0750, files of mode 0640. Yields each file, and whether it was written or had been there."""
    for directory in (site.directory, *(site.directory / name for name in _DIRECTORIES)):
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    secret = _known_secret(site.directory) or secrets.token_hex(32)
    for name, template in (("glance-api.conf", _API), ("glance-registry.conf", _REGISTRY)):
        path = site.directory / name
        yield path, _create(path, _HEAD + template.format(site=site, secret=secret))
    for name in _SHIPPED:
        yield site.directory / name, _create(site.directory / name, (SHIPPED / name).read_text())


def _known_secret(directory: Path) -> str | None:
    """The secret of a configuration that is there already: its other half must have the same."""
    for name in ("glance-registry.conf", "glance-api.conf"):
        if secret := files.sections(directory / name).get("DEFAULT", "registry_shared_secret", fallback=None):
            return secret
    return None


def _create(path: Path, text: str) -> bool:
    """Makes a file that is complete as soon as it has its name; False where there is one of that name."""
    if path.exists():
        return False
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise errors.ConfigurationError(reason=f"{path} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return True
