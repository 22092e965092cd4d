"""Finding and loading the paste file: which applications and filters serve a program (spec-v1 5.1, 6.5)."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oslo_config import cfg
from paste.deploy import loadwsgi

from glance import errors
from glance.config import factories, files
from glance.config.sections import Section

#: The files of etc/, which are part of the package.
SHIPPED = Path(__file__).parent / "etc"

SECTION = Section(
    "Pipelines",
    (
        cfg.StrOpt(
            "flavor",
            help="Which pipeline of the paste file serves: empty for a service without identity service, keystone, trusted-auth behind a proxy that "
            "authenticates callers, tokens and http_basic for callers that this service knows by itself. The section is [pipeline:PROGRAM-FLAVOR].",
        ),
        cfg.StrOpt(
            "config_file",
            help="Paste file. Unless set, the one named like the configuration file, with -paste.ini for .conf, else the shipped one.",
        ),
    ),
    group="paste_deploy",
)

#: Kinds of sections that stand for an application.
_SERVING = frozenset(kind for kinds in loadwsgi.APP.config_prefixes for kind in kinds)


def find(conf: cfg.ConfigOpts, program: str, conf_files: Sequence[Path]) -> Path:
    """The paste file: the one that is named, a configuration file that holds the sections itself, the one beside it, or the one that is shipped.

    Raises ConfigurationError where the one that is named does not exist.
    """
    places = [conf_files[-1].parent, *files.directories()]
    named = conf.paste_deploy.config_file
    if named:
        found = files.find([named], places)
    else:
        found = [path for path in reversed(conf_files) if _holds_pipelines(path, program)]
        names = [f"{conf_files[-1].name.removesuffix('.conf')}-paste.ini", f"{program}-paste.ini"]
        found += files.find(names, [*places, SHIPPED])
    if not found:
        raise errors.ConfigurationError(reason=f"Unable to locate paste config file for {program}.")
    return found[0]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A WSGI application that a paste file describes. ``open_to_all``: it makes whoever calls glance-api its administrator. ``believes_headers``: who
    asks is what the headers say, and no filter has asked for a proof. ``counts_requests``: it has the filter that holds callers to a rate."""

    application: Any
    open_to_all: bool
    believes_headers: bool
    counts_requests: bool


def load(path: Path, program: str, flavor: str | None, conf_files: Sequence[Path], conf: cfg.ConfigOpts) -> Pipeline:
    """What a paste file describes. Raises ConfigurationError, which names the file."""
    if flavor and len(flavor.split()) > 1:
        # Not to be quoted: what was meant to be options of their own may hold a password.
        raise errors.ConfigurationError(reason="flavor goes on in the next line of the configuration file: do not indent what follows it.")
    name = f"{program}-{flavor}" if flavor else program
    try:
        files.check(path)
        loader = _Loader(path, program, conf_files, conf)
        if name not in loader.applications:
            flavors = sorted(other.removeprefix(f"{program}-") for other in loader.applications if other.startswith(f"{program}-"))
            raise LookupError(f"it has no section [pipeline:{name}]. Its flavors are: {', '.join(flavors) or 'none'}.")
        application = loader.get_app(name)
        return Pipeline(
            application,
            open_to_all=not factories.OPEN_TO_ALL.isdisjoint(loader.named),
            believes_headers=bool(loader.believing),
            counts_requests=factories.RATE_LIMIT in loader.named,
        )
    except errors.ConfigurationError:
        raise
    except Exception as error:  # factories are other people's code, and all of it runs now
        raise errors.ConfigurationError(reason=f"Unable to load {name} from paste file {path}: {_reason(error)}") from error


class _Here(configparser.Interpolation):
    """Only %(here)s and %(__file__)s are replaced: in files of 2011 formats of log lines stand beside the pipelines."""

    def before_get(self, parser: Any, section: str, option: str, value: str, defaults: Mapping[str, str]) -> str:  # noqa: ARG002
        for name in ("here", "__file__"):
            if option != name:
                value = value.replace(f"%({name})s", defaults[name])
        return value


class _Loader(loadwsgi.ConfigLoader):
    """Paste's own loader, for one program: classic factories are translated, and no function is called but a section's factory."""

    def __init__(self, path: Path, program: str, conf_files: Sequence[Path], conf: cfg.ConfigOpts, parents: Sequence[Path] = ()) -> None:
        self.filename = str(path)
        self._program = program
        self._conf_files = conf_files
        self._conf = conf
        self._parents = (*parents, path)
        #: Whether the pipeline has a filter that may find out who asks.
        self.authenticated = True
        #: The factories of all sections that have been asked for.
        self.named: set[str] = set()
        #: The sections of filters that believe identity headers with no filter in their pipeline that may have checked them.
        self.believing: set[str] = set()
        defaults = {"here": str(path.parent.absolute()), "__file__": str(path.absolute())}
        self.parser = loadwsgi.NicerConfigParser(self.filename, defaults=defaults, interpolation=_Here())
        self.parser.optionxform = str
        self.parser.read_string(path.read_text(), source=str(path))

    @property
    def applications(self) -> frozenset[str]:
        """The names of the sections that can serve."""
        sections = (section.split(":", 1) for section in self.parser.sections() if ":" in section)
        return frozenset(name.strip() for kind, name in sections if kind.strip() in _SERVING)

    def get_context(self, object_type: Any, name: str | None = None, global_conf: Any = None) -> Any:
        scheme, colon, rest = (name or "").partition(":")
        if not colon:
            return super().get_context(object_type, name, global_conf)
        if scheme == "config":
            return self._other_file(rest).get_context(object_type, rest.partition("#")[2] or "main", global_conf)
        if scheme != "egg":
            raise LookupError(f"'{name}' is refused: sections come from this file, from config:FILE or from egg:PACKAGE.")
        if rest.lower() == "paste#urlmap":
            factory = loadwsgi.importlib_metadata.EntryPoint(None, None, factories.ROOT).load()
            return loadwsgi.LoaderContext(factory, object_type, factories.COMPOSITE, global_conf or {}, {}, self)
        return super().get_context(object_type, name, global_conf)

    def _context_from_explicit(
        self, object_type: Any, local_conf: dict[str, str], global_conf: Any, global_addition: Any, section: str
    ) -> Any:  # the signature is the library's
        alone = section == f"app:{self._program}"
        options = factories.translate(local_conf, self._program, authenticated=self.authenticated and not alone)
        self.named |= {options[key] for key in (factories.APP, factories.FILTER) if key in options}
        named = options.get(factories.FILTER, "")
        if named == factories.CONTEXT and not self.authenticated:
            self.believing.add(section)
        if named.startswith(factories.READS_CONFIGURATION):
            options = {"oslo_config_project": "glance", "oslo_config_file": str(self._conf_files[-1]), **options}
        if named in factories.TAKES_CONFIGURATION:
            options = {**options, "oslo_config_config": self._conf}
        return super()._context_from_explicit(object_type, options, global_conf, global_addition, section)

    def _pipeline_app_context(self, object_type: Any, section: str, *args: Any, **kwargs: Any) -> Any:
        filters = self.parser.get(section, "pipeline", fallback="").split()[:-1]
        around = self.authenticated
        self.authenticated = self.parser.has_option(section, "filter-with") or any(self._may_authenticate(name) for name in filters)
        context = super()._pipeline_app_context(object_type, section, *args, **kwargs)
        self.authenticated = around
        return context

    def _may_authenticate(self, name: str) -> bool:
        return factories.may_authenticate(dict(self.parser[f"filter:{name}"])) if self.parser.has_section(f"filter:{name}") else True

    def _other_file(self, rest: str) -> _Loader:
        path = Path(os.path.normpath(Path(self.filename).parent / rest.partition("#")[0]))
        if path in self._parents:
            raise LookupError(f"{path} includes itself.")
        files.check(path)
        other = _Loader(path, self._program, self._conf_files, self._conf, self._parents)
        other.named, other.believing = self.named, self.believing
        return other


def _holds_pipelines(path: Path, program: str) -> bool:
    """True for the files of 2011, which are configuration and paste file in one."""
    parser = files.sections(path)
    app = dict(parser[f"app:{program}"]) if parser.has_section(f"app:{program}") else {}
    return parser.has_section(f"pipeline:{program}") or factories.APP in app or "use" in app


def _reason(error: Exception) -> str:
    package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if package not in {"", "glance"}:
        return f"a filter or application comes from the Python package {package}, which is not installed. Install it, or choose another flavor."
    return f"{type(error).__name__}: {error}" if isinstance(error, KeyError | ImportError) else str(error)
