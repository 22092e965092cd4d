"""The places of the security matrix, and what every test finds and must leave behind."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from tests.canaries import Listener, marker
from tests.keystone_server import KeystoneServer
from tests.security.aftermath import Before, Level
from tests.security.matrix import LEAK, PLACES, Callers, Case, Picture, Place, options, with_issued_tokens, with_names, with_users
from tests.summary import SAW


@pytest.fixture(scope="session")
def canaries_of_session() -> Iterator[list[Listener]]:
    """Listeners on loopback addresses that no service may connect to."""
    made = [Listener(address, marker) for address in ("127.0.0.1", "127.0.0.2", "::1")]
    yield made
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def users(keystone_server: KeystoneServer) -> Callers:
    """Callers whom keystone knows, the same for both of its places."""
    return with_users(keystone_server)


@pytest.fixture(scope="session")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Callers]:
    """Callers with tokens of the operator, and the file that says so, for both places that know such."""
    file = tmp_path_factory.mktemp("issued") / "tokens.json"
    return file, with_issued_tokens(file)


@pytest.fixture(scope="session")
def ended() -> Iterator[ExitStack]:
    """What ends with the session."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def started() -> dict[str, Place]:
    """The places that have been asked for: each starts once, also where the tests of a run are not sorted by place."""
    return {}


@pytest.fixture(scope="session", params=PLACES)
def place(
    request: pytest.FixtureRequest,
    started: dict[str, Place],
    ended: ExitStack,
    tmp_path_factory: pytest.TempPathFactory,
    canaries_of_session: list[Listener],
) -> Place:
    """One service after the other."""
    name: str = request.param
    if name not in started:
        flavor, _, registry = name.partition("/")
        around = tmp_path_factory.mktemp(f"{flavor}-{registry}")
        (around / "leak").write_text(LEAK)
        glance = Glance(
            around / "glance",
            flavor="" if flavor == "none" else flavor,
            services=("api",) if registry == "embedded" else ("registry", "api"),
            api_options=options(registry),
            registry_options=options(registry),
        )
        callers = _callers(request, flavor, glance)
        ended.callback(shutil.rmtree, glance.images)
        ended.enter_context(glance)
        started[name] = Place(flavor, registry, glance, callers, canaries_of_session)
    return started[name]


def _callers(request: pytest.FixtureRequest, flavor: str, glance: Glance) -> Callers:
    if flavor == "tokens":
        file, callers = request.getfixturevalue("issued")
        shutil.copy(file, glance.directory)
        return callers
    if flavor == "keystone":
        glance.add_options("api", request.getfixturevalue("keystone_server").options(token_cache_time=300))
        return request.getfixturevalue("users")
    return with_names()


@pytest.fixture(scope="session")
def standing(place: Place) -> Picture:
    """A private image of B that stands there all the time."""
    return Case(place, print).image("B")


@pytest.fixture(scope="module")
def level(place: Place, standing: Picture) -> Iterator[None]:
    """After a module of tests the processes hold as much as before."""
    before = Level.of(place)
    yield
    before.check()


@pytest.fixture
def case(
    request: pytest.FixtureRequest, place: Place, standing: Picture, level: None, record_property: Callable[[str, object], None]
) -> Iterator[Case]:
    """A place for one test, whose docstring begins with the numbers of its rows. Nothing is harmed once it has ended."""
    row = re.match(r"[SP]\d+(, [SP]\d+)*", request.function.__doc__ or "")
    assert row, "the docstring begins with the numbers of the rows"
    before = Before.of(place, standing)
    case = Case(place, lambda text: record_property(SAW, (row[0], text, place.name)))
    yield case
    before.check(case)
