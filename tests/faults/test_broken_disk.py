"""R19, file store: a disk that cannot be read any more. Another copy takes the place of one that fails before its first byte is sent; who
downloads from one that fails later sees the cut."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from tests.faults.clients import Download, add_copy, download, stored
from tests.faults.conftest import EMBEDDED, Report
from tests.faults.places import MIB
from tests.faults.tracing import injected, injecting

SEED = 19
#: More than sockets hold.
DATA = random.Random(SEED).randbytes(32 * MIB)
#: Bytes of a part: what is sent with the head, and what goes from the disk to the socket; None for the whole image.
LONG = 24 * MIB
PARTS = (1, 64 * 1024, 64 * 1024 + 1, LONG, None)
OFFSET = MIB
READS = "read,pread64,sendfile"


@pytest.fixture(scope="module")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    glance = Glance(tmp_path_factory.mktemp("disks"), services=("api",), api_options={"DEFAULT": EMBEDDED})
    sections = {name: {"filesystem_store_datadir": glance.directory / name} for name in ("first", "second")}
    chosen = {"DEFAULT": {"enabled_backends": "first:file, second:file"}, "glance_store": {"default_backend": "first"}}
    glance.add_options("api", {**chosen, **sections})
    with glance:
        yield glance


def read(glance: Glance, image_id: str, part: int | None, begun: Callable[[], None] = lambda: None) -> Download:
    return download(glance, image_id, headers={} if part is None else {"Range": f"bytes={OFFSET}-{OFFSET + part - 1}"}, begun=begun)


def failing(glance: Glance, image_id: str, calls: str, number: str, trace: Path) -> AbstractContextManager[None]:
    """While it lasts, the first copy of an image cannot be read, or not any more."""
    return injecting(glance.pid("api"), calls, "error=EIO", number, trace, on=glance.directory / "first" / image_id)


def expected(part: int | None) -> bytes:
    return DATA if part is None else DATA[OFFSET : OFFSET + part]


def test_download_when_the_disk_fails_at_once_then_another_copy_is_sent_and_else_503(glance: Glance, tmp_path: Path, report: Report) -> None:
    image_id = stored(glance, DATA, "X-Image-Meta-Store: first")

    with failing(glance, image_id, READS, "1+", tmp_path / "alone"):
        alone = [read(glance, image_id, part) for part in PARTS]
    add_copy(glance, image_id, DATA, "second")
    with failing(glance, image_id, READS, "1+", tmp_path / "copied"):
        copied = [read(glance, image_id, part) for part in PARTS]

    assert injected(tmp_path / "alone")
    assert [(one.status, one.whole, "cannot be used" in one.text) for one in alone] == [(503, True, True)] * len(PARTS)
    assert injected(tmp_path / "copied")
    assert [(one.status, one.body == expected(part)) for one, part in zip(copied, PARTS, strict=True)] == [(206, True)] * 4 + [(200, True)]
    report("R19 file: of a disk that cannot be read 503, or the other copy: the whole image and parts of every length")


def test_download_when_the_disk_fails_in_the_middle_then_the_cut_is_seen(glance: Glance, tmp_path: Path, report: Report) -> None:
    image_id = stored(glance, DATA, "X-Image-Meta-Store: first")

    cut = []
    for part in (LONG, None):
        trace = tmp_path / str(part)
        with failing(glance, image_id, "sendfile", "2+", trace):
            # Nothing is read until the first call is over: it sends as much as is taken.
            cut.append(read(glance, image_id, part, lambda trace=trace: wait_until(lambda: "= " in trace.read_text(), "sendfile")))
        assert injected(trace)

    assert [(one.status, one.whole, len(one.body) > 0) for one in cut] == [(206, False, True), (200, False, True)]
    assert [expected(part).startswith(one.body) for one, part in zip(cut, (LONG, None), strict=True)] == [True, True]
    assert read(glance, image_id, None).body == DATA
    report("R19 file: a disk that fails in the middle of a download: visibly cut")
