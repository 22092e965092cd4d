"""Data that stay where they are, registered by one version and met by the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.api.conftest import Api
from tests.api.parity.clients import CLIENTS, Version
from tests.web import Web, web

__all__ = ["web"]

BYTES = b"bytes of an image"


@pytest.mark.parametrize(("writer", "reader"), list(itertools.product(CLIENTS, CLIENTS)))
def test_external_data_when_registered_by_one_version_then_served_by_the_other(
    make_api: Callable[..., Api], web: Web, writer: Version, reader: Version
) -> None:
    api = make_api(trusted=True)
    mine, theirs = CLIENTS[writer](api).as_caller("P1"), CLIENTS[reader](api).as_caller("P1")
    image_id = mine.create("one")
    mine.point_to(image_id, web.put("/x", BYTES))
    shown = theirs.show(image_id)
    assert (shown, shown.status, shown.size) == (mine.show(image_id), "active", len(BYTES))
    assert theirs.download(image_id) == BYTES
    theirs.delete(image_id)
    assert mine.names() == []
    assert web.objects == {"/x": BYTES}
