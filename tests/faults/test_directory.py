"""R12: the directory of the file store disappears, becomes read-only, or somebody else's: 503 until it is back, and nothing is lost."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from glance.testing.servers import Glance, wait_until
from tests.faults.clients import create, download, new_image, status, stored, upload
from tests.faults.conftest import EMBEDDED, Report
from tests.faults.namespaces import remount, seen_by

#: Even root is refused what a mode does not allow.
UNPRIVILEGED = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"] if os.geteuid() == 0 else []


@pytest.fixture(scope="module")
def unprivileged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    glance = Glance(tmp_path_factory.mktemp("unprivileged"), services=("api",), api_options={"DEFAULT": EMBEDDED})
    try:
        glance.start({"api": UNPRIVILEGED})
        yield glance
    finally:
        glance.kill()


@contextmanager
def renamed(glance: Glance) -> Iterator[None]:
    other = glance.images.with_name("elsewhere")
    glance.images.rename(other)
    yield
    other.rename(glance.images)


@contextmanager
def unmounted(glance: Glance) -> Iterator[None]:
    """The empty directory below a mount."""
    other = glance.images.with_name("elsewhere")
    glance.images.rename(other)
    glance.images.mkdir(0o750)
    yield
    assert list(glance.images.iterdir()) == []
    glance.images.rmdir()
    other.rename(glance.images)


@contextmanager
def of_mode(glance: Glance, mode: int) -> Iterator[None]:
    glance.images.chmod(mode)
    yield
    glance.images.chmod(0o750)


@contextmanager
def owned_by_somebody(glance: Glance) -> Iterator[None]:
    if os.geteuid():
        pytest.skip("only root can give a directory away")
    os.chown(glance.images, 65534, 65534)
    with of_mode(glance, 0o700):
        yield
    os.chown(glance.images, 0, 0)


#: What happens, and whether images can be read meanwhile.
ACCIDENTS: dict[str, tuple[Callable[[Glance], object], bool]] = {
    "renamed": (renamed, False),
    "unmounted": (unmounted, False),
    "not writable": (lambda glance: of_mode(glance, 0o550), True),
    "not readable": (lambda glance: of_mode(glance, 0), False),
    "somebody else's": (owned_by_somebody, False),
}


def check_meanwhile(glance: Glance, kept: str, data: bytes, queued: str, *, readable: bool) -> None:
    """Uploads are refused with 503, of data that are there nothing is lost or said to be missing, and metadata are served."""
    refused = [upload(glance, queued, [data], len(data)), create(glance, str(uuid.uuid4()), [data], None)]
    found = download(glance, kept)

    for answer in refused:
        assert (answer.status, answer.header("Retry-After")) == (503, "5"), answer.text
    assert (found.status, found.body == data) == ((200, True) if readable else (503, False)), found.text
    assert glance.request("GET", f"/v2/images/{kept}").json["status"] == "active"


def check_afterwards(glance: Glance, kept: str, data: bytes, queued: str) -> float:
    """Uploads and downloads work again without a restart; returns after how many seconds."""
    began = time.monotonic()
    wait_until(lambda: status(glance, queued) == "queued", "the image to be queued again")
    wait_until(lambda: upload(glance, queued, [data], len(data)).status == 204, "an upload")
    assert download(glance, kept).body == data
    return time.monotonic() - began


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_directory_when_it_cannot_be_used_then_503_until_it_is_back(unprivileged: Glance, report: Report, accident: str) -> None:
    glance, data = unprivileged, os.urandom(100_000)
    happens, readable = ACCIDENTS[accident]
    kept, queued = stored(glance, data), new_image(glance)

    with happens(glance):
        check_meanwhile(glance, kept, data, queued, readable=readable)
    seconds = check_afterwards(glance, kept, data, queued)

    assert {path.name for path in glance.images.iterdir()} == {kept, queued}
    for image_id in (kept, queued):
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    report(f"R12 file, directory {accident}: uploads 503, recovered {seconds:.2f} s after it was back, lost 0")


def test_directory_when_it_may_not_be_written_any_more_in_the_middle_then_recovery_erases_what_was_left(unprivileged: Glance, report: Report) -> None:
    glance, image_id = unprivileged, new_image(unprivileged)

    def chunks() -> Iterator[bytes]:
        yield bytes(2 << 20)
        wait_until(lambda: list(glance.images.iterdir()) != [], "the file to be made")
        glance.images.chmod(0o550)
        yield bytes(2 << 20)

    answer = upload(glance, image_id, chunks(), 4 << 20)

    assert (answer.status, "erased once it can be used again" in answer.text) == (503, True)
    assert (status(glance, image_id), len(list(glance.images.iterdir()))) == ("saving", 1)
    glance.images.chmod(0o750)
    glance.stop()
    glance.start({"api": UNPRIVILEGED})
    wait_until(lambda: status(glance, image_id) == "queued", "recovery")
    assert list(glance.images.iterdir()) == []
    report("R12 file, directory not writable from the middle of an upload on: 503, leftovers after recovery 0")


def test_directory_when_its_file_system_becomes_read_only_then_503_until_it_is_back(small: Glance, report: Report) -> None:
    data = os.urandom(100_000)
    kept, queued = stored(small, data), new_image(small)

    remount(small, small.images, "ro")
    check_meanwhile(small, kept, data, queued, readable=True)
    remount(small, small.images, "rw")
    seconds = check_afterwards(small, kept, data, queued)

    assert {path.name for path in seen_by(small, small.images).iterdir()} == {kept, queued}
    for image_id in (kept, queued):
        assert small.request("DELETE", f"/v2/images/{image_id}").status == 204
    report(f"R12 file, read-only file system: uploads 503, recovered {seconds:.2f} s after it was writable, lost 0")
