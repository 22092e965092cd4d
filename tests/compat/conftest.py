"""Scripted servers: ``server`` plays the image service, ``keystone`` the identity service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compat.scripted import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


@pytest.fixture
def keystone() -> Iterator[Server]:
    with serving() as one:
        yield one
