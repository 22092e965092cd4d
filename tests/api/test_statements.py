"""A list takes as many statements of SQL for 2,000 images as for 10, each with properties, tags and a location."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert

from glance.api.settings import ApiSettings
from glance.db.registry import SqlRegistry
from glance.db.schema import image_locations, image_properties, image_tags, images
from tests.api.conftest import Api, pipeline, wsgi_sender
from tests.services import make_services
from tests.statements import counted

FEW, MANY = 10, 2000
#: What comes into question, and the page.
MOST = 2


@pytest.fixture
def api(tmp_path: Path, engine: Engine) -> Api:
    services, settings = make_services(tmp_path, SqlRegistry(engine)), ApiSettings(max_limit=MANY)
    return Api(services, settings, tmp_path / "images", wsgi_sender(pipeline(services, settings, trusted=True)), {})


def fill(connection: Connection, numbers: range) -> None:
    """Public images of those numbers."""
    now = datetime.now(UTC).replace(tzinfo=None)
    history: dict[str, Any] = {"created_at": now, "updated_at": now}
    ids = [f"{number:08}-2222-4333-8444-555555555555" for number in numbers]
    connection.execute(insert(images), [{"id": one, "name": one, "status": "active", "visibility": "public", "size": 1, **history} for one in ids])
    rows = [{"image_id": one, **history} for one in ids]
    for name in ("os", "arch"):
        connection.execute(insert(image_properties), [{**row, "name": name, "value": "x"} for row in rows])
        connection.execute(insert(image_tags), [{**row, "value": name} for row in rows])
    connection.execute(insert(image_locations), [{**row, "value": f"file:///{row['image_id']}", "store": "file"} for row in rows])
    if connection.dialect.name == "postgresql":  # as it does by itself within a minute: it would plan for empty tables
        connection.exec_driver_sql("ANALYZE")


@pytest.mark.parametrize("roles", ["member", "admin"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/images/detail?limit=2000",
        "/v1/images/detail?limit=2000&property-os=x&sort_key=size",
        "/v2/images?limit=2000",
        "/v2/images?limit=2000&os=x&arch=x&tag=os&tag=arch&status=active&sort=name:asc",
    ],
)
def test_list_when_there_are_2000_images_takes_as_many_statements_as_for_10(api: Api, engine: Engine, roles: str, path: str) -> None:
    caller = api.as_caller("P1", roles)
    counts = {}
    for numbers in (range(FEW), range(FEW, MANY)):
        with engine.begin() as connection:
            fill(connection, numbers)
        with counted(engine) as statements:
            shown = caller.get(path)["images"]
        counts[len(shown)] = len(statements)
    assert counts[FEW] == counts[MANY] <= MOST
