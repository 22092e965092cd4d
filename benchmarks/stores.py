"""A large qcow2 up to Swift and S3 and down again: through glance-api, and with the command lines of both, in turn. Ratios from one run.

Usage: python -m benchmarks.stores [--size MIB] [--segment MIB] [--part MIB] [--rounds N] [--only swift|s3]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from benchmarks.command_line import whole
from benchmarks.measuring import OURS, compared
from benchmarks.table import printed
from benchmarks.wire import MIB
from glance.testing.servers import Glance
from tests.remote_stores import s3_options, swift_options
from tests.swift_server import SwiftServer

PROGRAMS = Path(__file__).parents[1] / ".venv-bench" / "bin"
JSON = {"Content-Type": "application/json"}
#: One process, so that its memory is that of the transfer.
EMBEDDED = {"registry_mode": "embedded", "workers": "0"}


class Side(Protocol):
    """A way for one file to a server and back; each returns the seconds that it took."""

    def upload(self, source: Path) -> float: ...

    def download(self, target: Path) -> float: ...

    def erase(self) -> float: ...


class Through:
    """The way through a glance-api, with curl as its client."""

    def __init__(self, glance: Glance) -> None:
        self._glance = glance
        self._url = ""

    def upload(self, source: Path) -> float:
        created = self._glance.request("POST", "/v2/images", JSON, b'{"disk_format": "qcow2", "container_format": "bare"}')
        self._url = f"{self._glance.url}/v2/images/{created.json['id']}"
        return self._curl("--header", "Content-Type: application/octet-stream", "--upload-file", str(source), f"{self._url}/file")

    def download(self, target: Path) -> float:
        return self._curl("--output", str(target), f"{self._url}/file")

    def erase(self) -> float:
        return self._curl("--request", "DELETE", self._url)

    def _curl(self, *arguments: str) -> float:
        return seconds(["curl", "--fail", "--silent", "--show-error", *arguments])


@dataclass
class CommandLine:
    """A command line as its users run it. ``FILE`` in an argument stands for the file."""

    up: Sequence[str]
    down: Sequence[str]
    remove: Sequence[str]
    environment: Mapping[str, str]

    def upload(self, source: Path) -> float:
        return self._run(self.up, source)

    def download(self, target: Path) -> float:
        return self._run(self.down, target)

    def erase(self) -> float:
        return self._run(self.remove)

    def _run(self, command: Sequence[str], file: Path | None = None) -> float:
        return seconds([str(file) if part == "FILE" else part for part in command], self.environment)


def seconds(command: Sequence[str], environment: Mapping[str, str] | None = None) -> float:
    """What a command takes, its start included."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})}, timeout=1800, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return time.perf_counter() - start


def swift_command(server: SwiftServer, segment: int) -> CommandLine:
    swift = [str(PROGRAMS / "swift"), "--quiet"]
    there = ["command-line", "image"]
    return CommandLine(
        up=[*swift, "upload", "--segment-size", str(segment * MIB), "--object-name", "image", "command-line", "FILE"],
        down=[*swift, "download", "--output", "FILE", *there],
        remove=[*swift, "delete", *there],
        environment={"ST_AUTH": server.auth_url, "ST_USER": server.user, "ST_KEY": server.key},
    )


def aws_command(server: SwiftServer) -> CommandLine:
    """With its own sizes (parts of 8 MiB, ten at a time), without the checksums that only AWS's own service looks at."""
    s3 = [str(PROGRAMS / "aws"), "--endpoint-url", server.url, "--region", server.region, "s3"]
    there = "s3://command-line-s3/image"
    environment = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_ACCESS_KEY_ID": server.user,
        "AWS_SECRET_ACCESS_KEY": server.key,
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }
    seconds([*s3, "mb", "s3://command-line-s3"], environment)
    copy = [*s3, "cp", "--only-show-errors"]
    return CommandLine(up=[*copy, "FILE", there], down=[*copy, there, "FILE"], remove=[*s3, "rm", there], environment=environment)


def make_qcow2(directory: Path, size: int) -> Path:
    """A disk of ``size`` MiB, full of data that do not compress."""
    raw, image = directory / "image.raw", directory / "image.qcow2"
    with raw.open("wb") as file:
        for _ in range(size):
            file.write(os.urandom(MIB))
    subprocess.run(["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, image], check=True, timeout=600)
    raw.unlink()
    return image


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetched(side: Side, target: Path, expected: str) -> float:
    """The time of a download whose bytes are the expected ones."""
    taken = side.download(target)
    if digest(target) != expected:
        raise RuntimeError("other bytes came back")
    target.unlink()
    return taken


def watched(glance: Glance, what: str, transfer: Callable[[], float]) -> float:
    """The time of a transfer; prints by how much the memory of glance-api grew."""
    before = glance.memory()
    glance.reset_peak_memory()
    taken = transfer()
    print(f"{what}: {taken:.1f} s, glance-api grew by {(glance.peak_memory() - before) / MIB:.1f} MiB", flush=True)
    return taken


def compare(name: str, glance: Glance, theirs: CommandLine, image: Path, rounds: int) -> None:
    """Prints a line for each transfer through ``glance``, and the medians and ratios of all."""
    ours, target = Through(glance), image.parent / "received"
    warm_up(ours, image.parent / "small.qcow2")
    expected = digest(image)
    ups, downs = [], []
    for _ in range(rounds):
        ups.append((watched(glance, f"{name} upload", lambda: ours.upload(image)), theirs.upload(image)))
        downs.append((watched(glance, f"{name} download", lambda: fetched(ours, target, expected)), fetched(theirs, target, expected)))
        ours.erase()
        theirs.erase()
    size = image.stat().st_size / MIB
    for what, pairs in (("upload", ups), ("download", downs)):
        rates = [[{"MiB/s": size / taken} for taken in side] for side in zip(*pairs, strict=True)]
        for line in compared(f"{name} {what}", "MiB/s", dict(zip((OURS, "command line"), rates, strict=True)), {}):
            print(printed(line))


def warm_up(side: Side, small: Path) -> None:
    """What glance-api loads once is no memory of a transfer."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", small, "1M"], check=True, timeout=60)
    side.upload(small)
    fetched(side, small.with_suffix(".received"), digest(small))
    side.erase()


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=whole(), default=1536, help="MiB of the image")
    parser.add_argument("--segment", type=whole(), default=200, help="MiB of a segment in Swift, of ours and of the command line's")
    parser.add_argument("--part", type=whole(), default=10, help="MiB of a part that glance-api sends to S3")
    parser.add_argument("--rounds", type=whole(), default=3)
    parser.add_argument("--only", choices=["swift", "s3"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        root = Path(directory)
        (root / "server").mkdir()
        server = stack.enter_context(SwiftServer(root / "server"))
        image = make_qcow2(root, arguments.size)
        for name, options, command in (
            ("swift", swift_options(server, "glance", arguments.segment), partial(swift_command, server, arguments.segment)),
            ("s3", s3_options(server, "glance-s3", arguments.part), partial(aws_command, server)),
        ):
            if arguments.only in (None, name):
                with Glance(root / name, services=("api",), api_options={"DEFAULT": EMBEDDED, "glance_store": options}) as glance:
                    compare(name, glance, command(), image, arguments.rounds)


if __name__ == "__main__":
    main()
