"""Images of disks: made by qemu-img, and made by hand where no tool makes them so."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

MIB = 1024 * 1024
SIZE = 10 * MIB


def run_qemu_img(*arguments: str | Path) -> None:
    tool = shutil.which("qemu-img")
    assert tool, "qemu-img is not installed"
    subprocess.run([tool, *arguments], check=True, timeout=60, capture_output=True)


def qemu_img(directory: Path, driver: str, *options: str) -> bytes:
    """A new image of 10 MiB as qemu-img makes it."""
    path = directory / "made.img"
    path.unlink(missing_ok=True)
    run_qemu_img("create", "-q", "-f", driver, *options, path, str(SIZE))
    return path.read_bytes()


def converted(directory: Path, driver: str, options: str) -> bytes:
    """An image with data in it, converted by qemu-img from a raw one of 10 MiB."""
    raw, path = directory / "made.raw", directory / "made.img"
    raw.write_bytes(random.Random(1).randbytes(MIB) + bytes(SIZE - MIB))
    run_qemu_img("convert", "-q", "-f", "raw", "-O", driver, "-o", options, raw, path)
    return path.read_bytes()


def patched(data: bytes, *changes: tuple[int, bytes]) -> bytes:
    """``data`` with other bytes at some offsets."""
    found = bytearray(data)
    for offset, new in changes:
        found[offset : offset + len(new)] = new
    return bytes(found)


def qcow2(*changes: tuple[int, bytes], version: int = 3, length: int = 200 * 1024) -> bytes:
    """A header of qcow2 for a disk of 10 MiB, and zeros up to ``length`` bytes."""
    classic = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, 0, 0, 16, SIZE, 0, 1, 3 << 16, 1 << 16, 1, 0, 0)
    newer = struct.pack(">QQQII", 0, 0, 0, 4, 104) if version == 3 else b""
    return patched((classic + newer).ljust(length, b"\0"), *changes)


#: A backing file, its name behind the header.
BACKED = ((8, struct.pack(">QI", 512, 11)), (512, b"/etc/passwd"))
DATA_FILE = (72, struct.pack(">Q", 1 << 2))


def partition(kind: int, *, boot: int = 0, chs: tuple[int, int, int] = (0, 2, 0), start: int = 1, sectors: int = 2048) -> bytes:
    """An entry of a partition table."""
    return struct.pack("<B3BB3BII", boot, *chs, kind, 0xFF, 0xFF, 0xFF, start, sectors)


def partitioned(*entries: bytes, length: int = MIB) -> bytes:
    """A disk with a partition table in its first sector."""
    return patched(bytes(length), (446, b"".join(entries)), (510, b"\x55\xaa"))


def gpt_disk(length: int = MIB) -> bytes:
    """A disk with a GUID partition table behind its protective first sector."""
    return patched(partitioned(partition(0xEE), length=length), (512, b"EFI PART\0\0\1\0\x5c\0\0\0"))


def iso(length: int = MIB, blocks: int = 400) -> bytes:
    """A disc with a primary volume descriptor of ``blocks`` blocks of 2 KiB."""
    return patched(bytes(length), (32768, b"\1CD001\1\0"), (32768 + 80, struct.pack("<I", blocks)), (32768 + 128, struct.pack("<H", 2048)))


def luks(version: int = 1, payload_sectors: int = 8, length: int = MIB) -> bytes:
    """A header of LUKS, with the disk behind it."""
    return patched(bytes(length), (0, b"LUKS\xba\xbe" + struct.pack(">H", version)), (104, struct.pack(">I", payload_sectors)))


def descriptor(extent: str = 'RW 20480 FLAT "/etc/passwd" 0', comment: bytes = b"") -> bytes:
    """A text that describes a VMDK disk in another file."""
    lines = b'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
    return lines + comment + extent.encode() + b"\n"


def vhdx(entries: int = 1, metadata: int = MIB) -> bytes:
    """The start of a VHDX file with that many entries in its region table, the last of them for metadata at an offset; its metadata say 10 MiB."""
    guid = bytes.fromhex("06a27c8b90479a4bb8fe575f050f886e")
    size_guid = bytes.fromhex("2442a52f1bcd7648b2115dbed83bf4b8")
    others = (b"\x11" * 32) * (min(entries, 2047) - 1)
    table = struct.pack("<IIII", 0x69676572, 0, entries, 0) + others + guid + struct.pack("<QII", metadata, MIB, 1)
    items = b"metadata" + struct.pack("<HH20x", 0, 1) + size_guid + struct.pack("<IIII", 65536, 8, 0, 0)
    return patched(bytes(2 * MIB), (0, b"vhdxfile"), (192 * 1024, table), (metadata, items), (metadata + 65536, struct.pack("<Q", SIZE)))


#: Format, and perhaps a variant -> an image of 10 MiB, as qemu-img makes it.
REAL: dict[str, Callable[[Path], bytes]] = {
    "qcow2": lambda directory: qemu_img(directory, "qcow2"),
    "qcow2 of old": lambda directory: qemu_img(directory, "qcow2", "-o", "compat=0.10"),
    "qcow2 compressed": lambda directory: qemu_img(directory, "qcow2", "-o", "compression_type=zstd,cluster_size=2M"),
    "vmdk": lambda directory: qemu_img(directory, "vmdk"),
    "vmdk stream": lambda directory: converted(directory, "vmdk", "subformat=streamOptimized"),
    "vhd": lambda directory: qemu_img(directory, "vpc", "-o", "force_size=on"),
    "vhdx": lambda directory: qemu_img(directory, "vhdx"),
    "vdi": lambda directory: qemu_img(directory, "vdi"),
    "raw": lambda directory: qemu_img(directory, "raw"),
}
