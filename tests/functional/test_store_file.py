"""The file store of real processes, under glance-control: several directories, a reserve, mounts that are missing, a file system that hangs."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from glance.testing.servers import Glance, program, wait_until
from glance.testing.wire import Answer, request_bytes

MIB = 1 << 20
JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}
IMAGE = b'{"name": "one", "disk_format": "raw", "container_format": "bare"}'


def upload(glance: Glance, data: bytes) -> tuple[str, Answer]:
    """(id, answer) of an upload of data to a new image."""
    image_id = glance.request("POST", "/v2/images", JSON, IMAGE).json["id"]
    return image_id, glance.request("PUT", f"/v2/images/{image_id}/file", BYTES, data)


def refusal(glance: Glance, framing: str) -> int:
    """The status that ends an upload: data are sent by the MiB until the service answers, 100 at most."""
    image_id = glance.request("POST", "/v2/images", JSON, IMAGE).json["id"]
    data = bytes(MIB) if "Length" in framing else b"%x\r\n%s\r\n" % (MIB, bytes(MIB))
    with glance.connect() as connection:
        connection.sendall(request_bytes(f"PUT /v2/images/{image_id}/file HTTP/1.1", "Content-Type: application/octet-stream", framing))
        for _ in range(100):
            if select.select([connection], [], [], 0.01)[0]:
                break
            connection.sendall(data)
        return int(connection.recv(65536).split()[1])


def read(glance: Glance, image_id: str) -> Answer:
    return glance.request("GET", f"/v2/images/{image_id}/file")


def files(*directories: Path) -> list[list[str]]:
    return [sorted(path.name for path in directory.iterdir()) for directory in directories]


def listed(glance: Glance) -> float:
    """Milliseconds that a list of images took."""
    begun = time.monotonic()
    assert glance.request("GET", "/v2/images").status == 200
    return (time.monotonic() - begun) * 1000


def p95(times: Sequence[float]) -> float:
    return sorted(times)[len(times) * 95 // 100]


@pytest.fixture
def controlled(tmp_path: Path) -> Iterator[Callable[..., Glance]]:
    """Makes a service with options for the file store, not yet started; ends it after the test."""
    made: list[Glance] = []

    def make(**options: object) -> Glance:
        made.append(Glance(tmp_path / "glance", control=True, api_options={"glance_store": options}))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "fast", tmp_path / "large"


@pytest.fixture
def in_two_places(controlled: Callable[..., Glance], places: tuple[Path, Path]) -> Glance:
    glance = controlled()
    fast, large = places
    one = f"filesystem_store_datadir = {glance.images}"
    assert one in glance.conf("api").read_text()
    several = f"filesystem_store_datadirs = {large}\nfilesystem_store_datadirs = {fast}:100"
    glance.conf("api").write_text(glance.conf("api").read_text().replace(one, several))
    glance.start()
    return glance


def test_images_in_two_directories_when_one_goes_then_only_its_own_wait_until_it_is_back(in_two_places: Glance, places: tuple[Path, Path]) -> None:
    glance, (fast, large) = in_two_places, places
    there, answer = upload(glance, b"in the fast directory")
    assert (answer.status, files(fast, large)) == (204, [[there], []])
    fast.rename(fast.with_name("away"))

    here, answer = upload(glance, b"in the large directory")
    assert (answer.status, files(large)) == (204, [[here]])
    failed = read(glance, there)
    assert (failed.status, failed.header("Retry-After")) == (503, "5")
    assert str(fast) not in failed.text
    assert read(glance, here).body == b"in the large directory"
    assert {image["id"] for image in glance.request("GET", "/v2/images").json["images"]} == {here, there}

    fast.with_name("away").rename(fast)
    begun = time.monotonic()
    wait_until(lambda: read(glance, there).body == b"in the fast directory", "the directory to be used again")
    print(f"R12: recovered {time.monotonic() - begun:.2f} seconds after the directory was back")
    glance.restart()
    for image_id in (here, there):
        assert read(glance, image_id).status == 200
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    wait_until(lambda: files(fast, large) == [[], []], "the files to be erased")


def test_upload_when_the_disk_is_full_then_413_nothing_is_left_and_a_smaller_one_fits(tmp_path: Path) -> None:
    glance = Glance(tmp_path / "glance", services=("api",), api_options={"DEFAULT": {"registry_mode": "embedded", "workers": 0}})
    mount = f'mount -t tmpfs -o size=64m,mode=0750 tmpfs "{glance.images}" && exec "$@"'
    with contextlib.ExitStack() as ending:
        ending.callback(glance.kill)
        glance.start({"api": ("unshare", "-rm", "sh", "-c", mount, "sh")})
        images = Path(f"/proc/{glance.pid('api')}/root{glance.images}")
        refused = [refusal(glance, framing) for framing in (f"Content-Length: {100 * MIB}", "Transfer-Encoding: chunked")]
        left = [path.stat().st_size for path in images.iterdir()]
        fitting = upload(glance, bytes(10 * MIB))[1].status

    print(f"R08: answers {refused}, then {fitting}; {sum(left)} bytes left over")
    assert (refused, left, fitting) == ([413, 413], [], 204)


def test_upload_when_all_room_is_reserved_then_413_and_the_image_can_be_uploaded_again(controlled: Callable[..., Glance]) -> None:
    glance = controlled(filesystem_store_reserved_space="99.9999999%")
    glance.start()

    image_id, answer = upload(glance, b"data")

    assert answer.status == 413
    assert glance.request("GET", f"/v2/images/{image_id}").json["status"] == "queued"
    assert files(glance.images) == [[]]


def test_start_when_a_share_is_not_mounted_then_refused_with_the_reason(controlled: Callable[..., Glance]) -> None:
    glance = controlled(filesystem_store_require_mount="True")

    command = [program("glance-api"), "--config-file", str(glance.conf("api"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 3
    assert "Nothing is mounted" in done.stderr + glance.logs()
    assert files(glance.images) == [[]]


def test_image_that_hangs_when_it_is_read_then_503_in_time_while_the_rest_goes_on(controlled: Callable[..., Glance]) -> None:
    glance = controlled(filesystem_store_timeout="8", filesystem_store_thread_pool_size="4", filesystem_store_threadpool_threshold="50")
    glance.add_options("api", {"DEFAULT": {"workers": 1}})
    glance.start()
    hanging, fine = (upload(glance, b"data")[0] for _ in range(2))
    before = [listed(glance) for _ in range(100)]
    pipe = glance.images / hanging
    pipe.unlink()
    os.mkfifo(pipe)

    begun = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(read, glance, hanging) for _ in range(2)]
        during = [listed(glance) for _ in range(100)]
        assert [answer.result().status for answer in answers] == [503, 503]
    waited = time.monotonic() - begun
    # As many calls hang as may: the directory is taken for lost, though not what needs none of its data.
    assert [read(glance, image_id).status for image_id in (hanging, fine)] == [503, 503]
    assert upload(glance, b"more")[1].status == 503
    print(f"R20: 503 after {waited:.1f} seconds; lists p95 {p95(before):.1f} ms before, {p95(during):.1f} ms while calls hung")
    assert "2 calls hang" in glance.logs()
    assert "3 calls hang" not in glance.logs()

    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
    wait_until(lambda: read(glance, fine).body == b"data", "the directory to be used again")
    wait_until(lambda: upload(glance, b"more")[1].status == 204, "uploads to be taken again")
