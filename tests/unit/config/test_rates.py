"""Rates as operators write them, and the pipelines that hold callers to them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from oslo_config import cfg

from glance import errors
from glance.api.middleware.rate_limit import RateLimitFilter
from glance.api.settings import RateSettings
from glance.config import pipelines, programs, rates
from glance.config.programs import API

SHIPPED = pipelines.SHIPPED / "glance-api-paste.ini"
FLAVORS = [None, "trusted-auth", "tokens", "http_basic"]

Read = Callable[[str], cfg.ConfigOpts]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The options of a configuration with these lines about rates."""

    def read(lines: str) -> cfg.ConfigOpts:
        path = tmp_path / "glance-api.conf"
        path.write_text(f"[rate_limits]\n{lines}\n")
        path.chmod(0o640)
        return programs.load(API, [str(path)]).conf

    return read


def filters(conf: cfg.ConfigOpts, flavor: str | None) -> list[type]:
    """The classes of what a shipped pipeline has from the filter on that knows who calls, from the outside in."""
    files = [Path(conf.config_file[0])]
    paste = files[0].with_name("paste.ini")
    paste.write_text(SHIPPED.read_text().replace("healthcheck http_proxy_to_wsgi versionnegotiation ", ""))
    paste.chmod(0o640)
    application = pipelines.load(paste, API, flavor, files, conf).application
    found = []
    while application is not None:
        found.append(type(application))
        application = getattr(application, "_application", None)
    return found


def test_read_when_nothing_is_set_then_there_is_no_rate(read: Read) -> None:
    assert not rates.read(read("")).any
    assert not rates.read(read("requests =\nwrites =\nmemcached_servers = 127.0.0.1:11211")).any


def test_read_when_each_is_set_then_each_counts(read: Read) -> None:
    found = rates.read(read("requests = 1000/minute; 50/second\nwrites = 5/day\nexempt_roles = Admin, ops\nmemcached_servers = a:1, b:2"))

    assert found == RateSettings("1000/minute; 50/second", "5/day", frozenset({"admin", "ops"}), ("a:1", "b:2"))


@pytest.mark.parametrize("text", ["5", "0/second", "5/week", "5/2 seconds", "-1/day", "5 per second", "5/second;", "5/second 6/minute", "٣/day"])
def test_rate_when_it_is_none_then_the_start_fails(read: Read, text: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="requests"):
        read(f"requests = {text}")


@pytest.mark.parametrize("flavor", FLAVORS)
def test_shipped_pipeline_then_has_the_filter_only_where_a_rate_is_set(read: Read, flavor: str | None) -> None:
    assert RateLimitFilter not in filters(read(""), flavor)

    for lines in ("requests = 5/second", "writes = 5/second"):
        assert filters(read(lines), flavor).index(RateLimitFilter) == 1


@pytest.mark.parametrize("missing", ["limits", "pymemcache"])
def test_rate_when_its_extra_is_not_installed_then_says_what_to_install(missing: str, tmp_path: Path) -> None:
    path = tmp_path / "glance-api.conf"
    path.write_text("[rate_limits]\nrequests = 5/second\n")
    path.chmod(0o640)
    program = f"""
import sys
sys.modules["{missing}"] = None
from pathlib import Path
from glance.config import pipelines, programs
conf = programs.load("glance-api", ["{path}"]).conf
pipelines.load(Path("{SHIPPED}"), "glance-api", None, [Path("{path}")], conf)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert "ConfigurationError" in done.stderr.splitlines()[-1]
    assert "pip install 'glance[rate-limits]'" in done.stderr.splitlines()[-1]
