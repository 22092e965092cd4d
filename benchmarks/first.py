"""Upload and download beside nginx, and show and list with few and many images: ratios from one run.

Usage: python benchmarks/first.py [--size MIB] [--rounds N] [--seconds N]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from glance.context import unauthenticated
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.model.image import Image
from glance.testing.servers import Glance, free_ports, wait_until

MIB = 1024 * 1024
BLOCK = 4 * MIB
#: Nothing looks at the payload but hashes, which take the same time for all bytes.
PAYLOAD = os.urandom(BLOCK)

NGINX = """\
daemon off; worker_processes 2; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; sendfile on; client_max_body_size 0;
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
    server {{ listen 127.0.0.1:{port}; location / {{ root {root}/files; dav_methods PUT; }} }}
}}
"""


@contextlib.contextmanager
def nginx(root: Path) -> Iterator[int]:
    """The port of an nginx that serves and takes files below ``root``."""
    [port] = free_ports(1)
    (root / "files").mkdir(parents=True)
    (root / "nginx.conf").write_text(NGINX.format(root=root, port=port))
    if os.geteuid() == 0:
        for path in (root, root / "files"):
            path.chmod(0o777)
    child = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(root / "nginx.conf"), "-p", str(root)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "nginx")
        yield port
    finally:
        child.terminate()
        child.wait()


def send(port: int, method: str, path: str, headers: dict[str, str], size: int) -> float:
    """Seconds that a body of ``size`` bytes takes until its answer is there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.putrequest(method, path)
    for name, value in {**headers, "Content-Length": str(size)}.items():
        connection.putheader(name, value)
    start = time.perf_counter()
    connection.endheaders()
    for _ in range(size // BLOCK):
        connection.sock.sendall(PAYLOAD)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in {200, 201, 204}:
        raise RuntimeError(f"{answer.status} {text[:200]!r}")
    connection.close()
    return time.perf_counter() - start


def fetch(port: int, path: str, size: int) -> float:
    """Seconds until all bytes have arrived; the kernel drops them (tcp(7), MSG_TRUNC), so that the client costs little."""
    with socket.create_connection(("127.0.0.1", port), timeout=600) as connection:
        start = time.perf_counter()
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        if b" 200 " not in head[:16]:
            raise RuntimeError(head[:200])
        received = len(head.partition(b"\r\n\r\n")[2])
        buffer = bytearray(MIB)
        while received < size:
            received += connection.recv_into(buffer, MIB, socket.MSG_TRUNC)
        return time.perf_counter() - start


def in_turn(rounds: int, *measures: Callable[[], float]) -> list[list[float]]:
    """``rounds`` results of each measure, taken A B A B, after one of each that is not counted."""
    for measure in measures:
        measure()
    results: list[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for measure, seconds in zip(measures, results, strict=True):
            seconds.append(measure())
    return results


def report(what: str, ours: Sequence[float], theirs: Sequence[float], unit: str) -> None:
    """A line: medians, and the median of the pairwise ratios."""
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(f"{what:<34} {statistics.median(ours):>9.0f} {statistics.median(theirs):>9.0f} {unit:<6} ratio {ratio:.2f}")


def data_path(glance: Glance, port: int, root: Path, size: int, rounds: int) -> None:
    """Upload and download of one image of ``size`` bytes, ours and nginx's in turn."""
    metadata = {"x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare", "Content-Type": "application/octet-stream"}

    def upload() -> float:
        image = str(uuid.uuid4())
        seconds = send(glance.api_port, "POST", "/v1/images", {**metadata, "x-image-meta-id": image}, size)
        glance.request("DELETE", f"/v1/images/{image}")
        return seconds

    def nginx_upload() -> float:
        seconds = send(port, "PUT", "/up", {}, size)
        (root / "files" / "up").unlink()
        return seconds

    ours, theirs = in_turn(rounds, upload, nginx_upload)
    report("upload, ours / nginx dav PUT", *[[size / MIB / one for one in group] for group in (ours, theirs)], "MiB/s")
    image = str(uuid.uuid4())
    send(glance.api_port, "POST", "/v1/images", {**metadata, "x-image-meta-id": image}, size)
    shutil.copy(glance.images / image, root / "files" / image)
    (root / "files" / image).chmod(0o644)
    ours, theirs = in_turn(rounds, lambda: fetch(glance.api_port, f"/v1/images/{image}", size), lambda: fetch(port, f"/{image}", size))
    report("download, ours / nginx sendfile", *[[size / MIB / one for one in group] for group in (ours, theirs)], "MiB/s")
    glance.request("DELETE", f"/v1/images/{image}")


def populate(glance: Glance, count: int) -> str:
    """``count`` public images with three properties each; returns the id of one."""
    registry = SqlRegistry(make_engine(DatabaseSettings(connection=f"sqlite:///{glance.database}")))
    properties = {"os": "linux", "kernel_id": str(uuid.uuid4()), "note": "x" * 40}
    try:
        images = [
            registry.images.create(unauthenticated(), Image(id="", name=f"image-{number}", visibility="public", properties=properties))
            for number in range(count)
        ]
    finally:
        registry.close()
    return images[0].id


def requests_per_second(glance: Glance, method: str, path: str, seconds: int) -> float:
    """What wrk counts over 8 kept connections."""
    script = glance.directory / f"{method}.lua"
    script.write_text(f'wrk.method = "{method}"\n')
    command = ["wrk", "-t1", "-c8", f"-d{seconds}s", "-s", str(script), glance.url + path]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in printed:
        raise RuntimeError(printed)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", printed)[1])


def metadata_path(few: Glance, many: Glance, seconds: int, rounds: int) -> None:
    """Show and list, 8 kept connections, with 10,000 images and with 1,000 in turn."""
    one_of_few, one_of_many = populate(few, 1000), populate(many, 10000)
    for what, method, path_few, path_many in (
        ("show", "HEAD", f"/v1/images/{one_of_few}", f"/v1/images/{one_of_many}"),
        ("list 25, brief", "GET", "/v1/images", "/v1/images"),
        ("list 25, detail", "GET", "/v1/images/detail", "/v1/images/detail"),
    ):
        of_many = partial(requests_per_second, many, method, path_many, seconds)
        of_few = partial(requests_per_second, few, method, path_few, seconds)
        report(f"{what}, 10,000 / 1,000 images", *in_turn(rounds, of_many, of_few), "req/s")


def main() -> None:
    """Runs everything and prints one line for each measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1024, help="MiB of the image")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of each requests-per-second measure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        root = Path(name)
        root.chmod(0o755)
        few = stack.enter_context(Glance(root / "few"))
        many = stack.enter_context(Glance(root / "many"))
        port = stack.enter_context(nginx(root / "nginx"))
        print(f"{'medians of ' + str(arguments.rounds) + ' rounds in turn':<34} {'first':>9} {'second':>9}")
        data_path(few, port, root / "nginx", arguments.size * MIB, arguments.rounds)
        metadata_path(few, many, arguments.seconds, arguments.rounds)


if __name__ == "__main__":
    main()
