"""The running service keeps to its OpenAPI document, whatever is sent: no failure of its own, and no answer that the document does not have."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import content_type_conformance, not_a_server_error, response_schema_conformance, status_code_conformance
from schemathesis.generation import GenerationMode

from glance.api.routing import Handler
from glance.api.v2 import openapi, patch
from glance.api.v2.routes import TABLE
from glance.api.v2.schemas import SCHEMAS
from tests.api.conftest import Api, pipeline, served
from tests.copies import add_copy, several_stores


def takes_more_than_a_path(handler: Handler) -> bool:
    operation = openapi.OPERATIONS[openapi.name_of(handler)]
    return bool(operation.body or operation.parameters)


#: Every route with what fits its description, and with what does not where it takes more than a path.
ROUTES = [
    (method, path, mode)
    for path, handlers in TABLE.items()
    for method, handler in handlers.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or takes_more_than_a_path(handler)
]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: The same requests in every run: a failure here is a failure everywhere.
EFFORT = settings(
    max_examples=20,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)

schemathesis.serializer.alias([patch.V20, patch.V21], "application/json")


class Images:
    """Makes the image that a request is about; whatever is there has a member and a tag."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def missing(self) -> str:
        return str(uuid.uuid4())

    def queued(self, body: bytes | None = None) -> str:
        image_id = self._api.new(body, colour="red", tags=["t"])
        assert self._api.send_json("POST", f"/v2/images/{image_id}/members", {"member": "P2"}).status == 200
        return image_id

    def active(self) -> str:
        return self.queued(b"0123456789")

    def copied(self) -> str:
        image_id = self.active()
        add_copy(self._api.services, image_id, "costly")
        return image_id

    def deactivated(self) -> str:
        image_id = self.active()
        assert self._api.request("POST", f"/v2/images/{image_id}/actions/deactivate").status == 204
        return image_id


#: Names that there are, beside those that are made up.
KNOWN = {"member": ["P2"], "name": ["t", *SCHEMAS], "store": ["cheap", "costly", "web"]}


@pytest.fixture
def running(make_api: Callable[..., Api], tmp_path: Path) -> Iterator[tuple[Api, Any]]:
    """A service of several stores, and its document as the service serves it."""
    api = make_api(stores=several_stores(tmp_path))
    with served(pipeline(api.services, api.settings, trusted=False)) as port:
        yield api, schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/v2/openapi.json")


@pytest.mark.parametrize(("method", "path", "mode"), ROUTES, ids=lambda value: str(getattr(value, "value", value)))
def test_route_when_anything_is_sent_then_it_answers_as_documented(running: tuple[Api, Any], method: str, path: str, mode: GenerationMode) -> None:
    api, document = running
    images = Images(api)

    @EFFORT
    @given(
        case=document[path][method].as_strategy(generation_mode=mode),
        make_image=st.sampled_from([images.queued, images.active, images.copied, images.deactivated, images.missing, None]),
        known=st.fixed_dictionaries({name: st.sampled_from([*values, None]) for name, values in KNOWN.items()}),
    )
    def exchange(case: schemathesis.Case, make_image: Callable[[], str] | None, known: dict[str, str | None]) -> None:
        chosen = {**known, "image_id": make_image() if make_image and "image_id" in case.path_parameters else None}
        case.path_parameters |= {name: value for name, value in chosen.items() if value is not None and name in case.path_parameters}
        case.call_and_validate(checks=CHECKS)

    exchange()
