"""The OpenAPI document: complete, valid, and what the running service keeps to (OpenAPI 3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import openapi_spec_validator
import pytest

from glance.api.settings import ApiSettings
from glance.api.v2 import openapi
from glance.api.v2.routes import TABLE
from glance.config import custom_properties
from tests.api.conftest import Api

ROUTES = [(method, path, handler) for path, handlers in TABLE.items() for method, handler in handlers.items()]


@pytest.mark.parametrize(("method", "path", "handler"), ROUTES, ids=lambda value: str(value) if isinstance(value, str) else "")
def test_handler_then_its_docstring_names_the_route_and_says_what_it_does(method: str, path: str, handler: Callable[..., Any]) -> None:
    route, _, words = (handler.__doc__ or "").partition(": ")
    shown = path.replace("{image_id}", "{id}")
    assert route.startswith(f"{method} /")
    assert shown.startswith(route.removeprefix(f"{method} "))
    assert len(words) > 10


def test_operations_then_describe_every_handler_and_no_other() -> None:
    assert set(openapi.OPERATIONS) == {openapi.name_of(handler) for _, _, handler in ROUTES}


def test_document_then_is_valid_and_has_every_route(make_api: Callable[..., Api]) -> None:
    described = custom_properties.parse({"properties": {"colour": {"type": "string"}}, "required": ["colour"]})
    api = make_api(settings=ApiSettings(public_endpoint="https://images.example.org", custom_properties=described))

    document = api.get("/v2/openapi.json")

    openapi_spec_validator.validate(document)
    assert document["servers"] == [{"url": "https://images.example.org/v2"}]
    assert {(method.upper(), path) for path, item in document["paths"].items() for method in item if method != "parameters"} == {
        (method, path) for method, path, _ in ROUTES
    }
    new = document["components"]["schemas"]["new_image"]
    assert (new["required"], new["properties"]["colour"]["type"]) == (["colour"], "string")


def test_document_then_every_schema_in_it_is_used(api: Api) -> None:
    document = api.get("/v2/openapi.json")
    used = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert used == set(document["components"]["schemas"])


def test_document_when_the_caller_is_unknown_then_401_as_for_schemas(shared_api: Api) -> None:
    assert (shared_api.request("GET", "/v2/openapi.json").status, shared_api.request("GET", "/v2/schemas/image").status) == (401, 401)
    assert shared_api.as_caller("P1").request("GET", "/v2/openapi.json").status == 200
