"""Real images: made by the field's own tools, uploaded over both dialects, and liked by the same tools after the download."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from glance.testing.wire import Answer

MIB = 1024 * 1024
TOOLS = "/usr/sbin:/sbin:" + os.environ["PATH"]


def run(*command: str | Path) -> str:
    """Runs a tool, which must succeed; returns what it printed."""
    tool = shutil.which(command[0], path=TOOLS)
    assert tool, f"{command[0]} is not installed"
    done = subprocess.run([tool, *command[1:]], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Dialect:
    """One way to speak v1: where images are, and whether header names are written with dashes."""

    path: str
    dashes: bool

    def headers(self, **fields: str) -> dict[str, str]:
        named = {f"x-image-meta-{name}": value for name, value in fields.items()}
        if self.dashes:
            named = {name.replace("_", "-"): value for name, value in named.items()}
        return {**named, "Content-Type": "application/octet-stream"}


DIALECTS = [Dialect("/images", dashes=True), Dialect("/v1/images", dashes=False)]


def pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while chunk := stream.read(65536):
            yield chunk


class Library:
    """Uploads files, and forgets the images at the end of the test."""

    def __init__(self, glance: Glance, dialect: Dialect) -> None:
        self.glance = glance
        self.dialect = dialect
        self.ids: list[str] = []

    def add(self, file: Path, *, chunked: bool = False, **fields: str) -> str:
        body = pieces(file) if chunked else file.read_bytes()
        answer = self.glance.request("POST", self.dialect.path, self.dialect.headers(**fields), body)
        assert answer.status == 201, answer.text
        image = answer.json["image"]
        assert (image["status"], image["size"]) == ("active", file.stat().st_size)
        assert image["checksum"] == hashlib.md5(file.read_bytes()).hexdigest()
        self.ids.append(image["id"])
        return str(image["id"])

    def get(self, image_id: str, method: str = "GET", **headers: str) -> Answer:
        return self.glance.request(method, f"{self.dialect.path}/{image_id}", {name.replace("_", "-"): value for name, value in headers.items()})

    def fetch(self, image_id: str, to: Path) -> Path:
        to.write_bytes(self.get(image_id).body)
        return to

    def clear(self) -> None:
        for image_id in self.ids:
            assert self.glance.request("DELETE", f"{self.dialect.path}/{image_id}").status == 200


@pytest.fixture(params=DIALECTS, ids=lambda one: one.path)
def library(glance: Glance, request: pytest.FixtureRequest) -> Iterator[Library]:
    one = Library(glance, request.param)
    yield one
    one.clear()


@pytest.fixture(scope="module")
def qcow2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A qcow2 image of a 64 MiB disk with 20 MiB of data in it."""
    directory = tmp_path_factory.mktemp("qcow2")
    raw, image = directory / "disk.raw", directory / "disk.qcow2"
    with raw.open("wb") as file:
        file.write(os.urandom(20 * MIB))
        file.truncate(64 * MIB)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image)
    return image


def cpio(files: dict[str, bytes]) -> bytes:
    """A "newc" archive, the format of an initial ramdisk (cpio(5))."""
    archive = b""
    for inode, (name, data) in enumerate([*files.items(), ("TRAILER!!!", b"")], start=1):
        mode = 0o100755 if data else 0
        numbers = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name.encode() + b"\0"
        archive += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return archive


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_qcow2_uploaded_and_downloaded_then_qemu_finds_it_whole(library: Library, qcow2: Path, tmp_path: Path, chunked: bool) -> None:
    image_id = library.add(qcow2, chunked=chunked, name="disk", disk_format="qcow2", container_format="bare")

    copy = library.fetch(image_id, tmp_path / "copy.qcow2")

    assert copy.read_bytes() == qcow2.read_bytes()
    assert "No errors were found" in run("qemu-img", "check", copy)
    info = json.loads(run("qemu-img", "info", "--output", "json", copy))
    assert (info["format"], info["virtual-size"]) == ("qcow2", 64 * MIB)
    run("qemu-img", "compare", qcow2, copy)


def test_bootable_iso_uploaded_and_downloaded_then_still_bootable(library: Library, tmp_path: Path) -> None:
    iso = Path("/usr/lib/ipxe/ipxe.iso")
    image_id = library.add(iso, name="ipxe", disk_format="iso", container_format="bare")

    copy = library.fetch(image_id, tmp_path / "copy.iso").read_bytes()

    assert copy == iso.read_bytes()
    assert copy[510:512] == b"\x55\xaa"  # boots from a disk
    assert copy[32769:32774] == b"CD001"  # an ISO 9660 volume
    assert b"EL TORITO SPECIFICATION" in copy[: 20 * 2048]  # boots from a CD


def test_kernel_ramdisk_and_machine_uploaded_then_the_machine_leads_to_the_other_two(library: Library, tmp_path: Path) -> None:
    kernel = Path("/usr/lib/ipxe/ipxe.lkrn")
    ramdisk, machine = tmp_path / "initrd.gz", tmp_path / "disk.ext2"
    ramdisk.write_bytes(gzip.compress(cpio({"init": b"#!/bin/sh\necho started\n"})))
    run("mke2fs", "-q", "-t", "ext2", machine, "8M")

    kernel_id = library.add(kernel, name="kernel", disk_format="aki", container_format="aki")
    ramdisk_id = library.add(ramdisk, name="ramdisk", disk_format="ari", container_format="ari")
    links = {"property-kernel_id": kernel_id, "property-ramdisk_id": ramdisk_id}
    machine_id = library.add(machine, name="machine", disk_format="ami", **links)

    head = library.get(machine_id, "HEAD")
    assert (head.header("x-image-meta-disk_format"), head.header("x-image-meta-container_format")) == ("ami", "ami")
    found = {kind: str(head.header(f"x-image-meta-property-{kind}_id")) for kind in ("kernel", "ramdisk")}
    copies = {kind: library.fetch(image_id, tmp_path / kind).read_bytes() for kind, image_id in found.items()}
    assert copies == {"kernel": kernel.read_bytes(), "ramdisk": ramdisk.read_bytes()}
    assert copies["kernel"][0x202:0x206] == b"HdrS"  # the Linux boot protocol's mark
    run("e2fsck", "-f", "-n", library.fetch(machine_id, tmp_path / "machine"))


def test_head_of_an_image_then_metadata_and_no_body(library: Library, qcow2: Path) -> None:
    image_id = library.add(qcow2, name="disk", disk_format="qcow2", container_format="bare")

    head = library.get(image_id, "HEAD")

    assert (head.status, head.header("Content-Length"), head.body) == (200, "0", b"")
    assert head.header("x-image-meta-size") == str(qcow2.stat().st_size)
    assert head.header("ETag") == hashlib.md5(qcow2.read_bytes()).hexdigest()


def test_ranges_of_an_image_then_exactly_those_bytes(library: Library, qcow2: Path) -> None:
    data = qcow2.read_bytes()
    size = len(data)
    image_id = library.add(qcow2, name="disk", disk_format="qcow2", container_format="bare")
    ranges = [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=1048575-3000000", 1048575, 3000001),
        (f"bytes={size - 1}-", size - 1, size),
        ("bytes=-512", size - 512, size),
        (f"bytes=-{size * 2}", 0, size),
        (f"bytes=5-{size * 2}", 5, size),
    ]

    for text, first, end in ranges:
        part = library.get(image_id, Range=text)
        assert (part.status, part.header("Content-Range")) == (206, f"bytes {first}-{end - 1}/{size}"), text
        assert part.header("Content-Length") == str(end - first)
        assert part.body == data[first:end]

    for text in (f"bytes={size}-", f"bytes={size + 5}-{size + 9}"):
        refused = library.get(image_id, Range=text)
        assert (refused.status, refused.header("Content-Range")) == (416, f"bytes */{size}"), text


def test_range_guarded_by_an_entity_tag_then_only_of_that_entity(library: Library, qcow2: Path) -> None:
    data = qcow2.read_bytes()
    image_id = library.add(qcow2, name="disk", disk_format="qcow2", container_format="bare")
    tag = str(library.get(image_id, "HEAD").header("ETag"))

    assert library.get(image_id, Range="bytes=0-9", If_Range=tag).body == data[:10]
    other = library.get(image_id, Range="bytes=0-9", If_Range='"other"')
    assert (other.status, len(other.body)) == (200, len(data))


def test_kernel_ids_in_lists_then_filters_find_the_machine(library: Library, tmp_path: Path) -> None:
    machine = tmp_path / "disk.raw"
    machine.write_bytes(os.urandom(1000))
    image_id = library.add(machine, name="filtered", disk_format="ami", is_public="True", **{"property-kernel_id": "k-of-this-test"})

    answer = library.glance.request("GET", f"{library.dialect.path}/detail?property-kernel_id=k-of-this-test")

    assert [one["id"] for one in answer.json["images"]] == [image_id]
