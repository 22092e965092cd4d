"""Stores in a real Swift, each in a container of its own, and a client that looks behind them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from swiftclient.client import Connection

from glance.context import RequestContext
from glance.model.image import Location
from glance.store.drivers.swift.settings import SwiftReference, SwiftStoreSettings
from glance.store.drivers.swift.store import SwiftStore
from tests.swift_server import SwiftServer

CTX = RequestContext(request_id="req-swift")

Make = Callable[..., SwiftStore]


@pytest.fixture
def swift(swift_server: SwiftServer) -> Iterator[Connection]:
    """A client of its own in the account of the store."""
    connection = Connection(swift_server.auth_url, swift_server.user, swift_server.key, retries=1)
    yield connection
    connection.close()


@pytest.fixture
def container(swift: Connection) -> str:
    name = f"images-{uuid.uuid4().hex}"
    swift.put_container(name)
    return name


@pytest.fixture
def settings(swift_server: SwiftServer, container: str) -> SwiftStoreSettings:
    reference = SwiftReference(auth_url=swift_server.auth_url, auth_version="1", user=swift_server.user, key=swift_server.key)
    return SwiftStoreSettings({"ref1": reference}, container=container, timeout=10)


@pytest.fixture
def make(settings: SwiftStoreSettings) -> Make:
    """Makes a store, checked, whose settings differ from the usual ones in some values; ``reference`` in those of the account."""

    def make(reference: dict[str, Any] | None = None, **changed: Any) -> SwiftStore:
        account = replace(settings.references["ref1"], **(reference or {}))
        store = SwiftStore("swift", replace(settings, references={"ref1": account}, **changed))
        store.check()
        return store

    return make


def names(swift: Connection, container: str) -> list[str]:
    return [entry["name"] for entry in swift.get_container(container, full_listing=True)[1]]


def read(store: SwiftStore, location: Location, offset: int = 0, length: int | None = None) -> bytes:
    blob = store.open(CTX, location, offset, length)
    try:
        return b"".join(blob)
    finally:
        blob.close()
