"""Paste files of every release load, and nobody becomes an administrator by an old one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glance import errors
from glance.api.middleware.context import ContextFilter, UnauthenticatedContextFilter
from glance.config import factories, pipelines, programs
from glance.config.pipelines import Pipeline
from glance.config.programs import API, REGISTRY
from glance.registry.pipeline import Composition

CACTUS = """\
[DEFAULT]
log_format = %(asctime)s %(levelname)8s [%(name)s] %(message)s
verbose = True

[app:glance-api]
paste.app_factory = glance.server:app_factory
bind_port = 9292

[app:glance-registry]
paste.app_factory = glance.registry.server:app_factory
bind_port = 9191
"""

DIABLO_API = """\
[DEFAULT]
bind_port = 9292
[pipeline:glance-api]
pipeline = versionnegotiation {filters} apiv1app
[pipeline:versions]
pipeline = versionsapp
[app:versionsapp]
paste.app_factory = glance.api.versions:app_factory
[app:apiv1app]
paste.app_factory = glance.api.v1:app_factory
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:filter_factory
[filter:imagecache]
paste.filter_factory = glance.api.middleware.image_cache:filter_factory
[filter:context]
paste.filter_factory = glance.common.context:filter_factory
[filter:authtoken]
paste.filter_factory = {module}:authenticating
"""

DIABLO_REGISTRY = """\
[pipeline:glance-registry]
pipeline = {filters} registryapp
[app:registryapp]
paste.app_factory = glance.registry.server:app_factory
[filter:context]
context_class = glance.registry.context.RequestContext
paste.filter_factory = glance.common.context:filter_factory
[filter:authtoken]
paste.filter_factory = {module}:authenticating
"""

ESSEX_API = """\
[pipeline:glance-api]
pipeline = versionnegotiation context apiv1app
[pipeline:glance-api-keystone]
pipeline = versionnegotiation authtoken context apiv1app
[pipeline:glance-api-caching]
pipeline = versionnegotiation context cache apiv1app
[app:apiv1app]
paste.app_factory = glance.common.wsgi:app_factory
glance.app_factory = glance.api.v1.router:API
[filter:versionnegotiation]
paste.filter_factory = glance.common.wsgi:filter_factory
glance.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter
[filter:cache]
paste.filter_factory = glance.common.wsgi:filter_factory
glance.filter_factory = glance.api.middleware.cache:CacheFilter
[filter:context]
paste.filter_factory = glance.common.wsgi:filter_factory
glance.filter_factory = glance.common.context:ContextMiddleware
[filter:authtoken]
paste.filter_factory = {module}:authenticating
"""

PIKE_API = """\
[pipeline:glance-api]
pipeline = healthcheck http_proxy_to_wsgi versionnegotiation osprofiler unauthenticated-context rootapp
[pipeline:glance-api-trusted-auth+cachemanagement]
pipeline = cors healthcheck http_proxy_to_wsgi versionnegotiation osprofiler context cache cachemanage rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v1: apiv1app
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv1app]
paste.app_factory = glance.api.v1.router:API.factory
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:healthcheck]
paste.filter_factory = oslo_middleware:Healthcheck.factory
backends = disable_by_file
disable_by_file_path = /etc/glance/healthcheck_disable
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:cache]
paste.filter_factory = glance.api.middleware.cache:CacheFilter.factory
[filter:cachemanage]
paste.filter_factory = glance.api.middleware.cache_manage:CacheManageFilter.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:unauthenticated-context]
paste.filter_factory = glance.api.middleware.context:UnauthenticatedContextMiddleware.factory
[filter:osprofiler]
paste.filter_factory = osprofiler.web:WsgiMiddleware.factory
hmac_keys = SECRET_KEY
enabled = yes
[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
oslo_config_project = glance
oslo_config_program = glance-api
[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory
"""

PIKE_REGISTRY = """\
[pipeline:glance-registry]
pipeline = healthcheck osprofiler unauthenticated-context registryapp
[pipeline:glance-registry-trusted-auth]
pipeline = healthcheck osprofiler context registryapp
[app:registryapp]
paste.app_factory = glance.registry.api:API.factory
[filter:healthcheck]
paste.filter_factory = oslo_middleware:Healthcheck.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:unauthenticated-context]
paste.filter_factory = glance.api.middleware.context:UnauthenticatedContextMiddleware.factory
[filter:osprofiler]
paste.filter_factory = osprofiler.web:WsgiMiddleware.factory
"""

#: A composite whose applications are pipelines of their own.
TWO_APIS = """\
[composite:glance-api]
paste.composite_factory = glance.api:root_app_factory
/v1: first
/v2: second
[pipeline:first]
pipeline = {first} apiv1app
[pipeline:second]
pipeline = {second} apiv2app
[app:apiv1app]
paste.app_factory = glance.api.v1.router:API.factory
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
[filter:authtoken]
paste.filter_factory = {module}:authenticating
"""

BEHIND_PROXY = """\
[pipeline:glance-api]
pipeline = http_proxy_to_wsgi telling
[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware:HTTPProxyToWSGI.factory
{option}
[app:telling]
paste.app_factory = {module}:telling
"""

SHIPPED_API = (pipelines.SHIPPED / "glance-api-paste.ini").read_text()


def authenticating(global_conf: object, **local_conf: str) -> Any:
    """paste.filter_factory: stands for a filter of another project that finds out who asks."""
    return Authenticating


def telling(global_conf: object, **local_conf: str) -> Any:
    """paste.app_factory: answers how it was called."""
    return lambda environ, start_response: [f"{environ['wsgi.url_scheme']} {environ['HTTP_HOST']} {environ['REMOTE_ADDR']}"]


class Authenticating:
    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self._application(environ, start_response)


Load = Callable[..., Any]


@pytest.fixture
def read(tmp_path: Path) -> Load:
    """Loads a pipeline from a file of the given text, and says what it is."""

    def read(text: str, program: str = API, flavor: str | None = None) -> Pipeline:
        path = tmp_path / "paste.ini"
        path.write_text(text.replace("{module}", __name__))
        path.chmod(0o640)
        conf = tmp_path / "glance-api.conf"
        conf.touch(0o640)
        return pipelines.load(path, program, flavor, [conf], programs.load(program, [str(conf)]).conf)

    return read


@pytest.fixture
def load(read: Load) -> Load:
    """The application of a pipeline from a file of the given text."""
    return lambda *arguments, **options: read(*arguments, **options).application


def chain(application: Any) -> Iterator[type]:
    """The classes of a pipeline's filters, from the outside in."""
    while application is not None:
        yield type(application)
        application = getattr(application, "_application", None)


@pytest.mark.parametrize(
    ("text", "flavor", "expected"),
    [
        (CACTUS, None, UnauthenticatedContextFilter),
        (DIABLO_API.replace("{filters}", "context"), None, UnauthenticatedContextFilter),
        (DIABLO_API.replace("{filters}", "context imagecache"), None, UnauthenticatedContextFilter),
        (DIABLO_API.replace("{filters}", "authtoken context"), None, ContextFilter),
        (DIABLO_API.replace("{filters}", "context authtoken"), None, ContextFilter),
        (DIABLO_API.replace("{filters}", "nowhere context"), None, None),
        (ESSEX_API, None, UnauthenticatedContextFilter),
        (ESSEX_API, "", UnauthenticatedContextFilter),
        (ESSEX_API, "caching", UnauthenticatedContextFilter),
        (ESSEX_API, "keystone", ContextFilter),
    ],
)
def test_api_pipeline_of_2011_to_2012_then_only_those_without_authentication_trust_everybody(
    load: Load, text: str, flavor: str | None, expected: type | None
) -> None:
    if expected is None:
        with pytest.raises(errors.ConfigurationError, match="nowhere"):
            load(text, flavor=flavor)
        return

    found = set(chain(load(text, flavor=flavor))) & {UnauthenticatedContextFilter, ContextFilter}

    assert found == {expected}


def test_flavor_when_indented_lines_follow_it_then_refused_without_telling_them(load: Load) -> None:
    with pytest.raises(errors.ConfigurationError, match="flavor goes on in the next line") as refused:
        load(PIKE_API, flavor="\n[keystone_authtoken]\npassword = SENT")

    assert "SENT" not in refused.value.message


@pytest.mark.parametrize("flavor", [None, "trusted-auth+cachemanagement"])
def test_api_pipeline_of_2017_then_loads(load: Load, flavor: str | None) -> None:
    assert callable(load(PIKE_API, flavor=flavor))


@pytest.mark.parametrize(
    ("text", "flavor", "asked"),
    [
        (CACTUS, None, "open"),
        (DIABLO_REGISTRY.replace("{filters}", "context"), None, "open"),
        (DIABLO_REGISTRY.replace("{filters}", "authtoken context"), None, "confirmed"),
        (DIABLO_REGISTRY.replace("{filters}", "authtoken"), None, "confirmed"),
        (PIKE_REGISTRY, None, "open"),
        (PIKE_REGISTRY, "trusted-auth", "confirmed"),
        ((pipelines.SHIPPED / "glance-registry-paste.ini").read_text(), None, "open"),
        ((pipelines.SHIPPED / "glance-registry-paste.ini").read_text(), "trusted-auth", "confirmed"),
        ((pipelines.SHIPPED / "glance-registry-paste.ini").read_text(), "tokens", "confirmed"),
        ((pipelines.SHIPPED / "glance-registry-paste.ini").read_text(), "http_basic", "confirmed"),
    ],
)
def test_registry_pipeline_then_anonymous_callers_get_what_it_says(load: Load, text: str, flavor: str | None, asked: str) -> None:
    called = []
    application = Composition(
        load(text, REGISTRY, flavor),
        confirmed=lambda environ, start_response: called.append("confirmed"),
        open_to_all=lambda environ, start_response: called.append("open"),
    )

    application({"PATH_INFO": "/images"}, None)

    assert called == [asked]


@pytest.mark.parametrize("flavor", [None, "trusted-auth", "tokens", "http_basic"])
def test_shipped_api_pipelines_then_load(load: Load, flavor: str | None) -> None:
    assert callable(load(SHIPPED_API, flavor=flavor))


@pytest.mark.parametrize(
    ("text", "flavor", "open_to_all"),
    [
        (CACTUS, None, True),
        (DIABLO_API.replace("{filters}", "context"), None, True),
        (DIABLO_API.replace("{filters}", "authtoken context"), None, False),
        (ESSEX_API, "caching", True),
        (ESSEX_API, "keystone", False),
        (PIKE_API, None, True),
        (PIKE_API, "trusted-auth+cachemanagement", False),
        (SHIPPED_API, None, True),
        (SHIPPED_API, "trusted-auth", False),
        (SHIPPED_API, "tokens", False),
        (SHIPPED_API, "http_basic", False),
        (f"[app:glance-api]\nuse = config:{pipelines.SHIPPED}/glance-api-paste.ini#glance-api\n", None, True),
    ],
)
def test_pipeline_then_says_whether_it_makes_everybody_the_administrator(read: Load, text: str, flavor: str | None, open_to_all: bool) -> None:
    assert read(text, flavor=flavor).open_to_all is open_to_all


@pytest.mark.parametrize(
    ("text", "flavor", "believed"),
    [
        (DIABLO_API.replace("{filters}", "authtoken context"), None, False),
        (ESSEX_API, "keystone", False),
        (PIKE_API, "trusted-auth+cachemanagement", True),
        (TWO_APIS.replace("{first}", "context").replace("{second}", "authtoken context"), None, True),
        (TWO_APIS.replace("{first}", "authtoken context").replace("{second}", "context"), None, True),
        (TWO_APIS.replace("{first}", "authtoken context").replace("{second}", "authtoken context"), None, False),
        *((SHIPPED_API, flavor, flavor == "trusted-auth") for flavor in (None, "trusted-auth", "tokens", "http_basic")),
    ],
)
def test_pipeline_then_says_whether_it_believes_what_anybody_claims(read: Load, text: str, flavor: str | None, believed: bool) -> None:
    assert read(text, flavor=flavor).believes_headers is believed


def test_healthcheck_of_2017_then_answers_at_its_path_only(load: Load) -> None:
    application = Composition(load(PIKE_REGISTRY, REGISTRY), confirmed=None, open_to_all=lambda environ, start_response: [b"registry"])
    statuses: list[str] = []

    def start_response(status: str, headers: object, exc_info: object = None) -> None:
        statuses.append(status)

    health = application({"PATH_INFO": "/healthcheck", "REQUEST_METHOD": "GET", "wsgi.url_scheme": "http", "SERVER_NAME": "x"}, start_response)

    assert (len(list(health)), statuses) == (1, ["200 OK"])
    assert application({"PATH_INFO": "/images"}, start_response) == [b"registry"]


@pytest.mark.parametrize(
    ("option", "expected"), [("", "http inside 10.0.0.1"), ("enable_proxy_headers_parsing = true", "https images.example 198.51.100.7")]
)
def test_filter_of_2017_for_proxies_then_believes_their_headers_where_that_is_switched_on(load: Load, option: str, expected: str) -> None:
    claimed = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "images.example", "HTTP_X_FORWARDED_FOR": "198.51.100.7"}
    environ = {"wsgi.url_scheme": "http", "HTTP_HOST": "inside", "REMOTE_ADDR": "10.0.0.1", **claimed}

    assert load(BEHIND_PROXY.replace("{option}", option))(environ, None) == [expected]


@pytest.mark.parametrize(
    ("text", "flavor", "reason"),
    [
        (ESSEX_API, "keyst0ne", "glance-api-keyst0ne"),
        ("[app:glance-api]\nuse = call:os:system\n", None, "'call:os:system' is refused"),
        ("[app:glance-api]\nuse = config:paste.ini#glance-api\n", None, "includes itself"),
        ("[app:glance-api]\npaste.app_factory = no.such.module:factory\n", None, "no"),
        ("[app:glance-api]\npaste.app_factory = a:b\npaste.app_factory = a:b\n", None, "already exists"),
        ("[pipeline:glance-api]\npipeline = a b\n", None, "'b'"),
    ],
)
def test_load_when_the_paste_file_is_wrong_then_names_file_and_cause(load: Load, text: str, flavor: str | None, reason: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"from paste file /.*paste\.ini") as raised:
        load(text, flavor=flavor)
    assert reason in raised.value.message


@pytest.mark.parametrize(
    ("text", "flavor", "reason"),
    [
        (ESSEX_API, "vanilla", "it has no section [pipeline:glance-api-vanilla]. Its flavors are: caching, keystone."),
        (CACTUS, "vanilla", "it has no section [pipeline:glance-api-vanilla]. Its flavors are: none."),
        (
            ESSEX_API.replace("pipeline:glance-api]", "pipeline:other]"),
            None,
            "it has no section [pipeline:glance-api]. Its flavors are: caching, keystone.",
        ),
    ],
)
def test_load_when_the_flavor_is_unknown_then_lists_those_there_are(load: Load, text: str, flavor: str | None, reason: str) -> None:
    with pytest.raises(errors.ConfigurationError) as raised:
        load(text, flavor=flavor)
    assert raised.value.message.endswith(f"paste.ini: {reason}")


def test_load_when_the_library_of_a_filter_is_missing_then_names_it(load: Load) -> None:
    with pytest.raises(errors.ConfigurationError, match="comes from the Python package no_such_library, which is not installed"):
        load(ESSEX_API.replace("{module}:authenticating", "no_such_library.auth_token:filter_factory"), flavor="keystone")


def test_translate_when_the_factory_is_not_ours_then_leaves_it(load: Load) -> None:
    options = {"paste.filter_factory": "somebody.else:filter", "setting": "1"}

    assert factories.translate(options, API, authenticated=False) == options


@pytest.mark.parametrize("old", sorted(factories.CLASSIC))
@pytest.mark.parametrize("program", [API, REGISTRY])
def test_every_classic_factory_then_has_one_that_exists_today(program: str, old: str) -> None:
    for authenticated in (True, False):
        new = factories.translate({factories.APP: old}, program, authenticated=authenticated)[factories.APP]
        module, _, name = new.partition(":")
        if module.startswith("glance."):
            assert callable(getattr(__import__(module, fromlist=[name]), name))


def find(tmp_path: Path, text: str, name: str = "glance-api.conf") -> Path:
    path = tmp_path / name
    path.write_text(text)
    path.chmod(0o640)
    loaded = programs.load(API, [str(path)])
    return pipelines.find(loaded.conf, API, loaded.files)


def test_find_when_the_configuration_holds_pipelines_then_it_is_the_paste_file(tmp_path: Path) -> None:
    assert find(tmp_path, CACTUS, "glance.conf") == tmp_path / "glance.conf"


def test_find_when_a_section_of_the_application_only_holds_options_then_it_is_none(tmp_path: Path) -> None:
    (tmp_path / "glance-api-paste.ini").touch()

    assert find(tmp_path, "[app:glance-api]\nbind_port = 1\n") == tmp_path / "glance-api-paste.ini"


def test_find_when_a_file_is_named_then_it_is_taken_and_must_exist(tmp_path: Path) -> None:
    (tmp_path / "own.ini").touch()

    assert find(tmp_path, "[paste_deploy]\nconfig_file = own.ini\n") == tmp_path / "own.ini"
    with pytest.raises(errors.ConfigurationError, match=r"Unable to locate paste config file for glance-api\."):
        find(tmp_path, "[paste_deploy]\nconfig_file = absent.ini\n")


def test_find_when_there_is_none_then_takes_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert find(tmp_path, "[paste_deploy]\nflavor =\n") == pipelines.SHIPPED / "glance-api-paste.ini"
