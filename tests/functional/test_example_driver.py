"""The example of docs/writing-a-driver.md, as an operator gets it: installed by pip beside Glance, and named in a configuration."""

from __future__ import annotations

import configparser
import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from glance.testing.store_contract import StoreContract

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "sqlite_store"
PAGE = ROOT / "docs" / "writing-a-driver.md"
UPLOAD = {"x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare", "Content-Type": "application/octet-stream"}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that the example is installed in; building it takes nothing from the network."""
    source, target = tmp_path_factory.mktemp("source") / "sqlite_store", tmp_path_factory.mktemp("installed")
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))  # setuptools writes beside what it builds
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    run("pip", "install", "--quiet", *offline, "--target", target, source, cwd=source)
    return target


@pytest.fixture
def beside_glance(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that are started from now on find the driver."""
    monkeypatch.setenv("PYTHONPATH", str(installed))


@pytest.mark.usefixtures("beside_glance")
def test_example_driver_then_passes_the_suite_of_all_stores(tmp_path: Path) -> None:
    test_file = shutil.copy(EXAMPLE / "test_glance_sqlite_store.py", tmp_path)

    printed = run("pytest", "-c", os.devnull, "--rootdir", tmp_path, "-p", "no:cacheprovider", "-W", "error", "-v", test_file, cwd=tmp_path)

    passed = set(re.findall(r"::(test_\w+)\S* PASSED", printed))
    assert passed >= {name for name in dir(StoreContract) if name.startswith("test_")}


def configuration(path: Path) -> dict[str, dict[str, str]]:
    """The one of the page, with another file."""
    [text] = re.findall(r"^```ini\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    parser = configparser.RawConfigParser(default_section="")
    parser.read_string(text.replace("/var/lib/glance/images.sqlite", str(path)))
    return {section: dict(parser[section]) for section in parser.sections()}


@pytest.mark.usefixtures("beside_glance")
def test_service_on_the_example_driver_then_keeps_images_in_it(tmp_path: Path) -> None:
    file, data = tmp_path / "images.sqlite", os.urandom(3 * 1024 * 1024 + 5)
    with Glance(tmp_path / "glance", api_options=configuration(file), control=True) as glance:
        created = glance.request("POST", "/v1/images", UPLOAD, data)
        assert (created.status, created.json["image"]["checksum"]) == (201, hashlib.md5(data).hexdigest())
        image_id = created.json["image"]["id"]
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("SELECT image, size FROM upload").fetchall() == [(image_id, len(data))]

        assert glance.request("GET", f"/v2/images/{image_id}").json["stores"] == "shelf"
        glance.restart()
        assert glance.request("GET", f"/v2/images/{image_id}/file").body == data
        part = glance.request("GET", f"/v2/images/{image_id}/file", {"Range": "bytes=1048570-1048579"})
        assert (part.status, part.body) == (206, data[1048570:1048580])

        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
        assert glance.request("GET", f"/v1/images/{image_id}").status == 404
