"""Services that meet faults, the places that they keep images in, and the figures that come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from tests.faults.namespaces import needs_namespaces, with_tmpfs
from tests.faults.places import InFiles, Place, place_of
from tests.faults.proxy import BUSY, ERROR, GARBAGE, REFUSED, SILENT, TRUNCATED, Fault, Proxy
from tests.summary import FIGURE
from tests.swift_server import SwiftServer

#: One process that does everything: it starts soon, and its descriptors can be counted.
EMBEDDED = {"registry_mode": "embedded", "workers": "0"}

#: Seconds that the stores of ``service`` wait for an answer.
STORE_TIMEOUT = 2.0

FAULTS = (
    REFUSED,
    SILENT,
    GARBAGE,
    ERROR,
    BUSY,
    TRUNCATED,
    Fault("reset of requests", reset_up=100),
    Fault("reset of answers", reset_down=0),
    Fault("takes 1 byte/s", rate_up=1),
    Fault("+5 s", delay=5),
)

Report = Callable[[str], None]


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Keeps a line for the end of the test run, where all figures stand together."""
    return partial(record_property, FIGURE)


#: How often to repeat what goes wrong, of two numbers: for every change, and for the long form that ``docs/reliability.md`` tells of.
Rounds = Callable[[int, int], int]


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> Rounds:
    return lambda short, long: long if pytestconfig.getoption("long") else short


@dataclass(frozen=True)
class Scene:
    """A service, the place that it keeps images in, and the proxy between the two; between a service and its files there is none."""

    glance: Glance
    place: Place
    proxy: Proxy


@contextmanager
def served(driver: str, directory: Path, swift_server: SwiftServer, **options: Mapping[str, object]) -> Iterator[Scene]:
    """A service that keeps its images in a new place of that driver; ``options`` by section, beside those."""
    with ExitStack() as ended:
        proxy = ended.enter_context(Proxy(swift_server.port))
        glance = Glance(directory, services=("api",), api_options={"DEFAULT": EMBEDDED})
        glance.add_options("api", options)
        place = InFiles(glance.images) if driver == "file" else place_of(driver, swift_server)
        ended.callback(place.close)
        if driver != "file":
            glance.add_options("api", {"glance_store": {"stores": f"{driver},file", "default_store": driver, **place.options(proxy.url)}})
        ended.enter_context(glance)
        yield Scene(glance, place, proxy)


@pytest.fixture(scope="session", params=["file", "swift", "s3"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, swift_server: SwiftServer) -> Iterator[Scene]:
    """One service for each driver."""
    driver: str = request.param
    with served(driver, tmp_path_factory.mktemp(driver), swift_server) as scene:
        yield scene


@pytest.fixture
def scene(shared: Scene) -> Iterator[Scene]:
    """A service whose store works, and is left as it was found."""
    before = shared.place.held()
    yield shared
    shared.proxy.heal()
    assert shared.place.held() == before


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    """A service whose file store has 64 MiB."""
    needs_namespaces()
    glance = Glance(tmp_path_factory.mktemp("small"), services=("api",), api_options={"DEFAULT": EMBEDDED})
    try:
        glance.start({"api": with_tmpfs(glance.images, "64m")})
        yield glance
    finally:
        glance.kill()


@dataclass(frozen=True)
class Service:
    """``proxies`` by the name of the store behind; all of these keep their images in one ``place``, the store "good" keeps its in files."""

    glance: Glance
    place: Place
    proxies: dict[str, Proxy]


@pytest.fixture(scope="session", params=["swift", "s3"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, swift_server: SwiftServer) -> Iterator[Service]:
    with ExitStack() as ended:
        place = place_of(request.param, swift_server)
        ended.callback(place.close)
        proxies = {f"bad{number}": ended.enter_context(Proxy(swift_server.port)) for number in range(len(FAULTS))}
        glance = Glance(tmp_path_factory.mktemp("unreachable"), services=("api",), api_options={"DEFAULT": EMBEDDED})
        sections = {name: {**place.options(proxy.url), **place.timeout(STORE_TIMEOUT)} for name, proxy in proxies.items()}
        enabled = ", ".join([f"{name}:{place.driver}" for name in proxies] + ["good:file"])
        good = {"filesystem_store_datadir": glance.option("api", "glance_store", "filesystem_store_datadir")}
        glance.add_options("api", {"DEFAULT": {"enabled_backends": enabled}, "glance_store": {"default_backend": "good"}, "good": good, **sections})
        ended.enter_context(glance)
        yield Service(glance, place, proxies)
