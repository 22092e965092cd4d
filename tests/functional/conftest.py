"""A service to attack, and what must be true after every attack; a machine with glance-control."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from glance.testing.wire import Answer
from tests.functional.control_site import Site

VICTIM = "33333333-2222-4333-8444-555555555555"
UPLOAD = {"x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare", "Content-Type": "application/octet-stream"}
INSIDE = ("Traceback", 'File "', "sqlalchemy", "SELECT ")


@dataclass(frozen=True)
class Target:
    """The attacked service, and somebody's image in it."""

    glance: Glance
    victim: str
    digest: str

    def check_alive(self) -> None:
        """The service answers, and the victim's image is what it was."""
        answer = self.glance.request("GET", f"/v1/images/{self.victim}", timeout=10)
        assert (answer.status, hashlib.sha256(answer.body).hexdigest()) == (200, self.digest)

    def check_silent(self, answer: Answer) -> None:
        """No crash, and nothing of the inside in the answer."""
        assert answer.status < 500 or answer.status in {501, 505}
        text = answer.text + repr(answer.headers)
        for secret in (*INSIDE, str(self.glance.directory), self.glance.registry_secret):
            assert secret not in text

    def check_logs(self) -> None:
        """Attacks are no errors of ours, and a log is one line for each event, of printable characters."""
        logs = "".join(path.read_text(errors="replace") for path in (self.glance.directory / "log").iterdir())
        assert "Traceback" not in logs
        assert self.glance.registry_secret not in logs
        assert "\x1b" not in logs

    def files(self) -> set[str]:
        """What stands in and around the service's directory, beside image data, logs and the database."""
        kept = tuple(str(one) for one in (self.glance.images, self.glance.directory / "log", self.glance.database))
        return {str(path) for path in self.glance.directory.parent.rglob("*") if not str(path).startswith(kept)}


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    data = os.urandom(1024 * 1024)
    with Glance(tmp_path_factory.mktemp("hostile") / "glance") as glance:
        assert glance.request("POST", "/v1/images", {**UPLOAD, "x-image-meta-id": VICTIM}, data).status == 201
        target = Target(glance, VICTIM, hashlib.sha256(data).hexdigest())
        before = target.files()
        yield target
        target.check_alive()
        target.check_logs()
        assert target.files() == before


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()
