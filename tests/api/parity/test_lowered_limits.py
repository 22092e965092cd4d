"""Limits that an operator has lowered, for images that have more (spec-v2 4.7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from glance.service import Limits
from tests.api.conftest import Api


@pytest.fixture
def image_id(make_api: Callable[..., Api]) -> str:
    return make_api().new(p1="a", p2="b")


def test_property_quota_when_lowered_then_what_adds_none_still_works(make_api: Callable[..., Api], image_id: str) -> None:
    api = make_api(limits=Limits(properties=1))
    kept = {"x-glance-registry-purge-props": "false"}

    assert api.request("PUT", f"/v1/images/{image_id}", {**kept, "x-image-meta-name": "one"}).status == 200
    assert api.patch(image_id, [{"op": "replace", "path": "/name", "value": "two"}, {"op": "replace", "path": "/p1", "value": "c"}]).status == 200
    assert api.get(f"/v2/images/{image_id}")["p1"] == "c"


def test_property_quota_when_lowered_then_nothing_more_is_added(make_api: Callable[..., Api], image_id: str) -> None:
    api = make_api(limits=Limits(properties=1))
    kept = {"x-glance-registry-purge-props": "false"}

    assert api.request("PUT", f"/v1/images/{image_id}", {**kept, "x-image-meta-property-p3": "c"}).status == 413
    assert api.patch(image_id, [{"op": "add", "path": "/p3", "value": "c"}]).status == 413
    assert api.get(f"/v2/images/{image_id}").keys().isdisjoint({"p3"})
