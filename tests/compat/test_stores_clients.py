"""Several stores by way of python-glanceclient, python-openstackclient and openstacksdk as they are published, against real processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.testing.servers import Glance
from tests.compat.real_clients import DATA, Clients, properties, rows
from tests.copies import add_copy, several_stores
from tests.services import make_services

RAW = ("--disk-format", "raw", "--container-format", "bare")


def read_file(glance: Glance, store: str, image_id: str) -> bytes | None:
    """What a store of files keeps of an image."""
    path = glance.directory / {"cheap": "images", "costly": "costly"}[store] / image_id
    return path.read_bytes() if path.exists() else None


@pytest.fixture(scope="module")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    """A service of three stores, under glance-control; the stores are those of ``tests.copies.several_stores`` in its directory."""
    directory = tmp_path_factory.mktemp("several")
    options = {
        "DEFAULT": {"enabled_backends": "cheap:file, costly:file, web:http"},
        "glance_store": {"default_backend": "cheap"},
        "cheap": {"filesystem_store_datadir": directory / "images", "store_description": "Slow disks", "weight": 3},
        "costly": {"filesystem_store_datadir": directory / "costly"},
        "os_glance_staging_store": {"filesystem_store_datadir": directory / "staging"},
    }
    with Glance(directory, api_options=options, control=True) as running:
        yield running
        running.stop()


@pytest.fixture
def copied(glance: Glance, clients: Clients, image_id: str, source: Path) -> str:
    """The id of an image that is in both stores of files."""
    clients.glance(2, "image-create", "--id", image_id, *RAW, "--file", str(source))
    registry = SqlRegistry(make_engine(DatabaseSettings(f"sqlite:///{glance.database}")))
    try:
        add_copy(make_services(glance.directory, registry, stores=several_stores(glance.directory)), image_id, "costly")
    finally:
        registry.close()
    return image_id


# glance


def test_glance_stores_info_then_ids_and_flags(clients: Clients) -> None:
    shown = properties(clients.glance(2, "stores-info"))["stores"]
    assert json.loads(shown) == [
        {"id": "cheap", "description": "Slow disks", "default": "true"},
        {"id": "costly"},
        {"id": "web", "read-only": "true"},
    ]


def test_glance_stores_info_when_detailed_then_how_they_are_set_up(glance: Glance, clients: Clients) -> None:
    shown = json.loads(properties(clients.glance(2, "stores-info", "--detail"))["stores"])
    assert [(one["id"], one["type"], one["weight"]) for one in shown] == [("cheap", "file", 3), ("costly", "file", 0), ("web", "http", 0)]
    assert shown[1]["properties"]["data_dir"] == str(glance.directory / "costly")


@pytest.mark.parametrize("store", ["cheap", "costly"])
def test_glance_create_when_a_store_is_named_then_the_data_are_there(
    glance: Glance, clients: Clients, image_id: str, source: Path, store: str
) -> None:
    created = properties(clients.glance(2, "image-create", "--id", image_id, *RAW, "--file", str(source), "--store", store))

    assert (created["status"], created["stores"]) == ("active", store)
    assert [name for name in ("cheap", "costly") if read_file(glance, name, image_id) == DATA] == [store]


def test_glance_upload_when_a_store_is_named_then_the_data_are_there(glance: Glance, clients: Clients, image_id: str, source: Path) -> None:
    clients.glance(2, "image-create", "--id", image_id, *RAW)

    clients.glance(2, "image-upload", image_id, "--file", str(source), "--store", "costly")

    assert properties(clients.glance(2, "image-show", image_id))["stores"] == "costly"
    assert read_file(glance, "costly", image_id) == DATA
    clients.glance(2, "image-download", image_id, "--file", str(source.with_name("got")))
    assert source.with_name("got").read_bytes() == DATA


def test_glance_upload_when_the_store_is_none_of_the_list_then_refused(clients: Clients, image_id: str, source: Path) -> None:
    clients.glance(2, "image-create", "--id", image_id, *RAW)

    assert "zz" in clients.glance_error(2, "image-upload", image_id, "--file", str(source), "--store", "zz")
    assert "HTTP 410" in clients.glance_error(2, "image-upload", image_id, "--file", str(source), "--store", "web")

    assert properties(clients.glance(2, "image-show", image_id))["status"] == "queued"


@pytest.mark.parametrize("version", [1, 2])
def test_glance_create_when_piped_to_a_store_then_there_in_either_version(
    glance: Glance, clients: Clients, image_id: str, source: Path, version: int
) -> None:
    clients.glance(version, "image-create", "--id", image_id, *RAW, "--store", "costly", source=source)

    assert read_file(glance, "costly", image_id) == DATA


def test_glance_list_when_stores_are_asked_for_then_shown(clients: Clients, copied: str) -> None:
    [stores] = [row[-1] for row in rows(clients.glance(2, "image-list", "--include-stores")) if row[0] == copied]
    assert stores == "cheap,costly"


def test_glance_stores_delete_then_one_copy_stays(glance: Glance, clients: Clients, copied: str) -> None:
    clients.glance(2, "stores-delete", "--store", "costly", copied)

    assert properties(clients.glance(2, "image-show", copied))["stores"] == "cheap"
    assert (read_file(glance, "cheap", copied), read_file(glance, "costly", copied)) == (DATA, None)
    assert "Cannot delete image data from the only store" in clients.glance_error(2, "stores-delete", "--store", "cheap", copied)
    assert read_file(glance, "cheap", copied) == DATA


# openstack


def test_openstack_stores_list_then_lists_them(glance: Glance, clients: Clients) -> None:
    listed = clients.openstack_json("image", "stores", "list")
    assert [(one["ID"], one["Description"], one["Default"]) for one in listed] == [
        ("cheap", "Slow disks", True),
        ("costly", None, None),
        ("web", None, None),
    ]
    [_, costly, _] = clients.openstack_json("image", "stores", "list", "--detail")
    assert costly["Properties"]["data_dir"] == str(glance.directory / "costly")


def test_openstack_create_when_there_are_several_stores_then_in_the_default(glance: Glance, clients: Clients, image_id: str, source: Path) -> None:
    clients.openstack("image", "create", "--id", image_id, *RAW, "--file", str(source), "x")

    assert clients.openstack_json("image", "show", image_id)["properties"]["stores"] == "cheap"
    assert read_file(glance, "cheap", image_id) == DATA


SCRIPT = """
import json, sys
import openstack
url, image_id = sys.argv[1:]
images = openstack.connect(load_yaml_config=False, load_envvars=False, auth_type="none", endpoint=url, image_endpoint_override=url).image
saw = {}
stores = {one.id: one for one in images.stores(details=True)}
saw["stores"] = [[name, one.is_default, one.properties.get("data_dir")] for name, one in stores.items()]
saw["before"] = images.get_image(image_id).properties["stores"]
stores["cheap"].delete_image(images, image_id, ignore_missing=False)
saw["after"] = images.get_image(image_id).properties["stores"]
try:
    stores["costly"].delete_image(images, image_id, ignore_missing=False)
except openstack.exceptions.ForbiddenException as error:
    saw["last"] = error.status_code
images.download_image(image_id, output="got")
print(json.dumps(saw))
"""


def test_sdk_when_it_deletes_from_a_store_then_the_other_copy_is_read(
    glance: Glance, clients: Clients, copied: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)

    saw = json.loads(clients.python(script, glance.url, copied))

    assert saw == {
        "stores": [["cheap", True, str(glance.images)], ["costly", None, str(glance.directory / "costly")], ["web", None, None]],
        "before": "cheap,costly",
        "after": "costly",
        "last": 403,
    }
    assert hashlib.sha512((tmp_path / "got").read_bytes()).digest() == hashlib.sha512(DATA).digest()
    assert read_file(glance, "cheap", copied) is None
