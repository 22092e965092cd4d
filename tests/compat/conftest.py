"""Real clients of the service ``glance``, and scripted servers: ``server`` plays the image service, ``keystone`` the identity service."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from tests.compat.real_clients import DATA, Clients
from tests.compat.scripted import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


@pytest.fixture
def keystone() -> Iterator[Server]:
    with serving() as one:
        yield one


@pytest.fixture
def clients(glance: Glance, tmp_path: Path) -> Clients:
    return Clients(glance.url, tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.raw"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def image_id(glance: Glance) -> Iterator[str]:
    """An id for the test's image, which is deleted afterwards if there is one."""
    image_id = str(uuid.uuid4())
    yield image_id
    glance.request("DELETE", f"/v2/images/{image_id}")
