"""Stores as the documents of each era tell operators to configure them: glance-api starts with such a file, keeps images where it says, and tells
what it leaves out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from tests.swift_server import SwiftServer

FORMATS = {"disk_format": "raw", "container_format": "bare"}
V1 = {f"x-image-meta-{name}": value for name, value in FORMATS.items()}
BYTES = {"Content-Type": "application/octet-stream"}
DATA = b"as of old"


@dataclass(frozen=True)
class Seed:
    """A file of options. ``places`` are the beginnings of the locations of new images, by the store that is asked for, "" for none; ``left_out`` are
    stores that the log says are not there, ``told`` what else it names."""

    text: str
    places: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


#: What stood in every file of 2011.
CACTUS = """\
[DEFAULT]
verbose = True
debug = False
bind_host = 127.0.0.1
bind_port = {port}
registry_host = 127.0.0.1
registry_port = {registry}
log_file = {directory}/log/api.log
filesystem_store_datadir = {directory}/images/
"""
SWIFT_OPTIONS = """\
swift_store_auth_address = {swift}/auth/v1.0/
swift_store_user = {user}
swift_store_key = {key}
swift_store_container = seeds
swift_store_create_container_on_put = True
swift_store_large_object_size = 5120
swift_store_large_object_chunk_size = 200
swift_enable_snet = False
"""
S3_OPTIONS = """\
s3_store_host = {swift}/
s3_store_access_key = {user}
s3_store_secret_key = {key}
s3_store_bucket = seeds3
s3_store_create_bucket_on_put = True
s3_store_object_buffer_dir = {directory}/buffer
s3_store_bucket_url_format = path
"""
#: Every driver of 2013.
KNOWN = ", ".join(
    f"glance.store.{name}.Store" for name in ("filesystem", "http", "rbd", "s3", "swift", "sheepdog", "cinder", "gridfs", "vmware_datastore")
)

FILE, SWIFT, S3 = "file://{directory}/images/", "swift+config://ref1/seeds/", "s3+{swift}/seeds3/"

SEEDS = {
    "2011": Seed(CACTUS + "default_store = file\n" + SWIFT_OPTIONS.replace("{swift}/auth", "127.0.0.1:1"), {"": FILE, "file": FILE}),
    "2011 in Swift": Seed(CACTUS + "default_store = swift\n" + SWIFT_OPTIONS, {"": SWIFT, "swift": SWIFT, "file": FILE}),
    "2011 in S3": Seed(CACTUS + "default_store = s3\n" + S3_OPTIONS, {"": S3, "s3": S3, "file": FILE}, told=("s3_store_object_buffer_dir",)),
    "2013, every driver": Seed(
        CACTUS + f"known_stores = {KNOWN}\ndefault_store = file\n" + S3_OPTIONS,
        {"": FILE, "s3": S3},
        ("rbd", "swift", "sheepdog", "cinder", "gridfs", "vmware_datastore"),
    ),
    "2014": Seed(
        CACTUS + "default_store = file\nimage_cache_dir = {directory}/cache\n"
        "[paste_deploy]\nflavor =\n[glance_store]\nstores = glance.store.filesystem.Store\n",
        {"": FILE, "filesystem": FILE},
    ),
    "2015": Seed(
        CACTUS + "[glance_store]\nstores = glance.store.swift.Store, file\ndefault_store = swift\nswift_store_auth_version = 1\n" + SWIFT_OPTIONS,
        {"": SWIFT, "file": FILE},
    ),
    "2017, only the default is set": Seed(
        CACTUS + "[glance_store]\nstores = file,http,swift,s3\ndefault_store = file\n", {"": FILE, "file": FILE}, ("swift", "s3")
    ),
    "several": Seed(
        CACTUS + "enabled_backends = fast:file, cold:swift, objects:s3, web:http\n"
        "[glance_store]\ndefault_backend = fast\n"
        "[fast]\nfilesystem_store_datadir = {directory}/images\nstore_description = Disks\n"
        "[cold]\n" + SWIFT_OPTIONS + "[objects]\n" + S3_OPTIONS + "[backend_defaults]\nweight = 3\n"
        "[os_glance_staging_store]\nfilesystem_store_datadir = {directory}/staged\n",
        {"": FILE, "fast": FILE, "cold": SWIFT, "objects": S3},
    ),
}


@pytest.fixture
def seeded(tmp_path: Path, swift_server: SwiftServer, request: pytest.FixtureRequest) -> Iterator[tuple[Glance, Seed, dict[str, object]]]:
    """A service that was given the file of a seed and nothing else, the seed, and what its placeholders mean."""
    seed: Seed = request.param
    glance = Glance(tmp_path / "glance", registry_options={"DEFAULT": {"registry_shared_secret": ""}})
    meaning: dict[str, object] = {
        "port": glance.api_port,
        "registry": glance.registry_port,
        "directory": glance.directory,
        "swift": swift_server.url,
        "user": swift_server.user,
        "key": swift_server.key,
    }
    glance.conf("api").write_text(seed.text.format(**meaning))
    with glance:
        yield glance, seed, meaning


@pytest.mark.parametrize("seeded", SEEDS.values(), ids=SEEDS, indirect=True)
def test_seed_then_loads_as_it_is_and_images_lie_where_it_says(seeded: tuple[Glance, Seed, dict[str, object]]) -> None:
    glance, seed, meaning = seeded
    for store, place in seed.places.items():
        asked = {"x-image-meta-store": store} if store else {}
        first = glance.request("POST", "/v1/images", {**V1, **BYTES, **asked}, DATA)
        assert first.status == 201, first.text
        second = glance.request("POST", "/v2/images", {"Content-Type": "application/json"}, json.dumps(FORMATS).encode()).json["id"]
        stored = glance.request("PUT", f"/v2/images/{second}/file", {**BYTES, **asked}, DATA)
        assert stored.status == 204, stored.text
        for image_id in (first.json["image"]["id"], second):
            assert location(glance, image_id) == place.format(**meaning) + image_id
            assert glance.request("GET", f"/v2/images/{image_id}/file").body == DATA
            assert glance.request("DELETE", f"/v1/images/{image_id}").status == 200
    log = (glance.directory / "log" / "api.log").read_text()
    assert {name for name in ALL_STORES if f"store '{name}' cannot be used and is left out" in log} == set(seed.left_out)
    assert [name for name in seed.told if name not in log] == []


ALL_STORES = {name for seed in SEEDS.values() for name in (*seed.left_out, *seed.places)}


def location(glance: Glance, image_id: str) -> str:
    """The location of an image as the database has it."""
    with closing(sqlite3.connect(glance.database)) as database:
        [[found]] = database.execute("SELECT value FROM image_locations WHERE image_id = ?", (image_id,)).fetchall()
    return str(found)
