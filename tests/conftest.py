"""Servers for black-box tests (real processes, each with a directory of its own), and a registry for all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from glance.db.registry import SqlRegistry
from glance.interfaces import Registry
from glance.testing.servers import Glance
from tests.databases import KINDS, Databases, MariadbServer, PostgresServer, SqliteFiles
from tests.keystone_server import KeystoneServer
from tests.summary import pytest_terminal_summary
from tests.swift_server import SwiftServer

__all__ = ["pytest_terminal_summary"]

Options = dict[str, dict[str, str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=KINDS, default="sqlite", help="where the registries of tests keep their records")
    parser.addoption("--results", metavar="PAGE", help="puts what tests of reliability report into that page, where they pass")
    parser.addoption("--long", action="store_true", help="tests of reliability repeat what goes wrong as often as their results page says")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes; .ci/run runs it, make test does not")


@pytest.fixture(scope="session")
def local_sources() -> Options:
    """Options that let the API fetch from servers of the tests; the shipped default refuses loopback addresses."""
    return {"DEFAULT": {"allowed_source_networks": "127.0.0.0/8", "allowed_source_ports": "1-65535"}}


# A file of tests has its own services: what it sees in a list does not depend on the files that ran before it in the same process.


@pytest.fixture(scope="module")
def glance(tmp_path_factory: pytest.TempPathFactory, local_sources: Options) -> Iterator[Glance]:
    """A service without identity, for tests that clean up or do not mind each other's images."""
    with Glance(tmp_path_factory.mktemp("glance"), api_options=local_sources) as running:
        yield running


@pytest.fixture(scope="module")
def trusted_glance(tmp_path_factory: pytest.TempPathFactory, local_sources: Options) -> Iterator[Glance]:
    """A service that believes the identity headers of a proxy in front of it."""
    with Glance(tmp_path_factory.mktemp("trusted"), flavor="trusted-auth", api_options=local_sources) as running:
        yield running


@pytest.fixture(scope="session")
def swift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftServer]:
    """A real Swift with its S3 interface, shared by all tests that keep to containers of their own."""
    with SwiftServer(tmp_path_factory.mktemp("swift")) as running:
        yield running


@pytest.fixture(scope="session")
def keystone_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeystoneServer]:
    """A real keystone, shared by all tests that make users of their own."""
    with KeystoneServer(tmp_path_factory.mktemp("keystone")) as running:
        yield running


@pytest.fixture(scope="module")
def keystone_glance(tmp_path_factory: pytest.TempPathFactory, keystone_server: KeystoneServer) -> Iterator[Glance]:
    """A service that asks that keystone about every token, and is in its catalogue. Only other services may make images ``community``."""
    glance = Glance(tmp_path_factory.mktemp("keystone-glance"), flavor="keystone", api_options=keystone_server.options())
    (glance.directory / "policy.yaml").write_text('"communitize_image": "service_roles:service"\n')
    with keystone_server.published("image", glance.url), glance:
        yield glance


@pytest.fixture
def fresh_glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Glance]]:
    """Makes services of a test's own; takes what ``Glance`` takes, starts them, and ends them after the test."""
    made: list[Glance] = []

    def make(**options: object) -> Glance:
        one = Glance(tmp_path_factory.mktemp("fresh"), **options)
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.kill()


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteFiles]:
    files = SqliteFiles(tmp_path_factory.mktemp("sqlite"))
    yield files
    files.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariadbServer]:
    with MariadbServer() as running:
        yield running


@pytest.fixture(scope="session")
def database_kind(pytestconfig: pytest.Config) -> str:
    return str(pytestconfig.getoption("database"))


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, database_kind: str) -> Databases:
    """Where databases come from: what the option ``--database`` names, unless a test class chooses another kind."""
    source: Databases = request.getfixturevalue(database_kind)
    return source


@pytest.fixture
def engine(databases: Databases) -> Iterator[Engine]:
    """A database with the newest schema and no rows."""
    with databases.migrated() as engine:
        yield engine


@pytest.fixture
def registry(engine: Engine) -> Registry:
    """A registry without images."""
    return SqlRegistry(engine)
