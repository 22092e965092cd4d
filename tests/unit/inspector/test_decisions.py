"""The table of spec-v2 13.2, and the checks of 13.3."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import pytest

from glance import errors
from glance.inspector.inspection import FormatInspector, InspectorSettings
from glance.model.image import Image
from tests import disk_images
from tests.disk_images import BACKED, DATA_FILE, MIB, REAL, SIZE, partition, partitioned, patched, qcow2
from tests.unit.inspector.decisions import Outcome, decide

MISMATCH, UNSAFE = "data-format-mismatch", "image-unsafe"
RAW = b"0123456789"
LENIENT = InspectorSettings(require_match=False)
MBR_NONFATAL = InspectorSettings(gpt_nonfatal=frozenset({"mbr"}))
ISO_AND_GPT = patched(disk_images.iso(), (446, partition(0xEE)), (510, b"\x55\xaa"))
BAD_TABLE = partitioned(partition(0x83, boot=7))


@pytest.mark.parametrize("name", REAL)
def test_real_image_when_declared_as_what_it_is_then_its_virtual_size(real: dict[str, bytes], name: str) -> None:
    assert decide([real[name]], name.split(maxsplit=1)[0]) == SIZE


@pytest.mark.parametrize("name", sorted(REAL.keys() - {"raw"}))
def test_real_image_when_declared_raw_then_a_warning_and_its_length(real: dict[str, bytes], name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert decide([real[name]], "raw") == len(real[name])
    assert f"Image one is declared raw, but its data are {name.split(maxsplit=1)[0]}" in caplog.messages


#: What it is -> declared as, data, what becomes of it where formats must match, and where they need not.
TABLE: dict[str, tuple[str | None, bytes, Outcome, Outcome]] = {
    "raw": ("raw", RAW, 10, 10),
    "nothing as raw": ("raw", b"", None, None),
    "one byte as raw": ("raw", b"x", 1, 1),
    "text as raw": ("raw", b"some text\n" * 100, 1000, 1000),
    "text of other scripts as raw": ("raw", "Zürich\n".encode() * 50, 400, 400),
    "raw as ami": ("ami", RAW, None, None),
    "raw as ploop": ("ploop", RAW, None, None),
    "raw as the operator's own": ("own", RAW, None, None),
    "raw without format": (None, RAW, None, None),
    "raw as qcow2": ("qcow2", RAW, MISMATCH, None),
    "raw as vhd": ("vhd", RAW, MISMATCH, None),
    "nothing as qcow2": ("qcow2", b"", MISMATCH, None),
    "qcow2": ("qcow2", qcow2(), SIZE, SIZE),
    "qcow2 as vmdk": ("vmdk", qcow2(), MISMATCH, None),
    "qcow2 as ami": ("ami", qcow2(), MISMATCH, None),
    "qcow2 as iso": ("iso", qcow2(), MISMATCH, None),
    "qcow2 as the operator's own": ("own", qcow2(), MISMATCH, None),
    "qcow2 as raw": ("raw", qcow2(), 200 * 1024, 200 * 1024),
    "disk with GPT as raw": ("raw", disk_images.gpt_disk(), MIB, MIB),
    "disk with GPT as gpt": ("gpt", disk_images.gpt_disk(3 * MIB), 3 * MIB, 3 * MIB),
    "disk with MBR as raw": ("raw", partitioned(partition(0x83, boot=0x80)), MIB, MIB),
    "disk with GPT as qcow2": ("qcow2", disk_images.gpt_disk(), MISMATCH, None),
    "FAT file system as raw": ("raw", patched(bytes(MIB), (0x10, b"\2"), (0x15, b"\xf8"), (510, b"\x55\xaa")), MIB, MIB),
    "ISO": ("iso", disk_images.iso(), 400 * 2048, 400 * 2048),
    "ISO that tells no size": ("iso", patched(disk_images.iso(), (32768, b"\0")), None, None),
    "UDF as iso": ("iso", patched(disk_images.iso(), (32768, b"\0NSR03")), None, None),
    "ISO and GPT at once": ("iso", ISO_AND_GPT, 400 * 2048, 400 * 2048),
    "ISO and GPT at once as raw": ("raw", ISO_AND_GPT, MIB, MIB),
    "ISO with a bad MBR": ("iso", patched(ISO_AND_GPT, (446, b"\7")), 400 * 2048, 400 * 2048),
    "qcow2 and MBR at once": ("qcow2", patched(qcow2(), (446, partition(0x83)), (510, b"\x55\xaa")), MISMATCH, None),
    "qcow2 and MBR at once as raw": ("raw", patched(qcow2(), (446, partition(0x83)), (510, b"\x55\xaa")), MISMATCH, None),
    "LUKS": ("luks", disk_images.luks(length=3 * MIB), 3 * MIB - 4096, 3 * MIB - 4096),
    "LUKS with less data than header": ("luks", disk_images.luks(payload_sectors=4096), None, None),
    "VHDX": ("vhdx", disk_images.vhdx(), SIZE, SIZE),
    "GIF and archive at once as raw": ("raw", b"GIF89a".ljust(1000, b"\0") + b"PK\3\4" + bytes(996), 2000, 2000),
    "all ones as raw": ("raw", b"\xff" * MIB, MIB, MIB),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_data_when_declared_as_something_then_as_the_table_says(row: tuple[str | None, bytes, Outcome, Outcome]) -> None:
    declared, data, strictly, leniently = row
    assert decide([data], declared) == strictly
    assert decide([data], declared, must_match=False) == leniently
    assert decide([data], declared, settings=LENIENT) == leniently


def footed(footer: int = 3, end: int = 0, capacity: int = 20480) -> bytes:
    """A VMDK that was written as a stream: its header says that a footer follows, between markers of those kinds."""
    text = f'# Disk DescriptorFile\nversion=1\ncreateType="streamOptimized"\nRDONLY {capacity} SPARSE "disk.vmdk"\n'.encode()
    head = struct.pack("<4sIIQQQQIQQ", b"KDMV", 3, 0x30001, capacity, 128, 1, 20, 512, 0, 2**64 - 1).ljust(512, b"\0")
    foot = patched(head, (56, struct.pack("<Q", 21)))
    marker = struct.pack("<QII", 1, 0, footer).ljust(512, b"\0")
    return head + text.ljust(20 * 512, b"\0") + bytes(3 * MIB) + marker + foot + struct.pack("<QII", 0, 0, end).ljust(512, b"\0")


def extent(text: str) -> bytes:
    """A VMDK with its description inside, of one extent."""
    return patched(footed(), (512, f'createType="monolithicSparse"\n{text}\n'.encode().ljust(512, b"\0")))


#: What it is -> what the message names, and the data.
HOSTILE: dict[str, tuple[str, bytes]] = {
    "qcow2 with backing file": ("backing_file", qcow2(*BACKED)),
    "qcow2 with backing file, cut in its header": ("backing_file", qcow2(*BACKED, version=2, length=88)),
    "qcow2 with data file": ("data_file", qcow2(DATA_FILE)),
    "qcow2 with unknown feature": ("unknown_features", qcow2((72, struct.pack(">Q", 1 << 5)))),
    "qcow2 with unknown high feature": ("unknown_features", qcow2((72, struct.pack(">Q", 1 << 63)))),
    "qcow2 of version 1": ("unknown_features", qcow2((4, struct.pack(">I", 1)))),
    "qcow2 of version 4": ("unknown_features", qcow2((4, struct.pack(">I", 4)))),
    "qcow2 with a long backing file name": ("backing_file_name", qcow2((16, struct.pack(">I", 2**31)))),
    "qcow2 with huge clusters": ("cluster_bits", qcow2((20, struct.pack(">I", 63)))),
    "qcow2 with a huge L1 table": ("l1_size", qcow2((36, struct.pack(">I", 2**31)))),
    "qcow2 with a huge refcount table": ("refcount_table", qcow2((56, struct.pack(">I", 2**31)))),
    "qcow2 with many snapshots": ("snapshots", qcow2((60, struct.pack(">I", 2**32 - 1)))),
    "qcow2 with wide refcounts": ("refcount_order", qcow2((96, struct.pack(">I", 63)))),
    "qcow2 with a long header": ("header_length", qcow2((100, struct.pack(">I", 2**32 - 1)))),
    "qcow2 larger than any disk": ("virtual_size", qcow2((24, struct.pack(">Q", 2**63)))),
    "QED": ("banned", b"QED\0".ljust(MIB, b"\0")),
    "VMDK that leads elsewhere": ("descriptor", disk_images.descriptor()),
    "VMDK that leads elsewhere, with a comment in another script": ("descriptor", disk_images.descriptor(comment="# é\n".encode())),
    "VMDK that leads elsewhere, with a long comment": ("descriptor", disk_images.descriptor(comment=b"#" * 600 + "é\n".encode())),
    "VMDK that leads elsewhere, in few bytes": ("descriptor", b'version=1\nCID=1\nparentCID=0\ncreateType="vmfs"\nRW 1 VMFS "s"'),
    "VMDK with a path": ("descriptor", extent('RW 20480 SPARSE "../../x"')),
    "VMDK of a disk partition": ("descriptor", extent('FLAT 20480 "x"')),
    "VMDK without extent": ("descriptor", extent("")),
    "VMDK with a parent": ("parent", extent('parentFileNameHint="base.vmdk"\nRW 20480 SPARSE "disk.vmdk"')),
    "VMDK without sectors": ("capacity", footed(capacity=0)),
    "VMDK larger than any disk": ("virtual_size", footed(capacity=2**60)),
    "VMDK with a wrong footer": ("footer", footed(footer=2)),
    "VMDK with a wrong end": ("footer", footed(end=3)),
    "VMDK with its description elsewhere": ("readable", patched(footed(), (28, struct.pack("<Q", 2)))),
    "VMDK cut in its header": ("readable", b"KDMV"),
    "VDI with many blocks": ("blocks", patched(bytes(1024), (0x40, b"\x7f\x10\xda\xbe"), (0x180, b"\xff" * 4))),
    "VDI larger than any disk": ("virtual_size", patched(bytes(1024), (0x40, b"\x7f\x10\xda\xbe"), (0x170, b"\xff" * 8))),
    "VHD larger than any disk": ("virtual_size", b"conectix".ljust(512, b"\xff")),
    "VHDX with many regions": ("readable", disk_images.vhdx(2**20)),
    "VHDX cut in its header": ("readable", b"vhdxfile"),
    "VHDX with metadata behind its end": ("readable", patched(disk_images.vhdx(), (192 * 1024 + 32, struct.pack("<Q", 2**50)))),
    "LUKS of version 2": ("version", disk_images.luks(version=2)),
    "partition with a wrong boot flag": ("mbr", BAD_TABLE),
    "partition table without partition": ("mbr", partitioned()),
    "GPT beside another partition": ("mbr", partitioned(partition(0xEE), partition(0x83))),
    "GPT that starts elsewhere": ("mbr", partitioned(partition(0xEE, start=2))),
    "GPT with wrong heads": ("mbr", partitioned(partition(0xEE, chs=(1, 1, 0)))),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("settings", [InspectorSettings(), LENIENT], ids=["strict", "lenient"])
def test_unsafe_data_when_declared_raw_then_refused_in_every_setting(name: str, settings: InspectorSettings) -> None:
    _, data = HOSTILE[name]
    assert decide([data], "raw", must_match=settings.require_match, settings=settings) in {UNSAFE, MISMATCH}
    assert decide([data], "raw", must_match=False, settings=settings) == UNSAFE


@pytest.mark.parametrize("name", HOSTILE)
def test_unsafe_data_when_refused_then_the_message_names_the_check_and_nothing_of_the_data(name: str) -> None:
    check, data = HOSTILE[name]
    inspection = FormatInspector(LENIENT).inspection(Image(id="one", disk_format="raw", container_format="bare"), must_match=True)
    inspection.update(data)
    with pytest.raises(errors.ImageUnsafe, match=f"Image failed safety checks of format [a-z0-9]+: ([a-z_]+, )*{check}[.,]") as refused:
        inspection.finish()
    assert "passwd" not in refused.value.message


def test_streamed_vmdk_when_sound_then_accepted() -> None:
    assert decide([footed()], "vmdk") == SIZE


def test_partition_table_when_its_check_is_not_fatal_then_only_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert decide([BAD_TABLE], "raw", settings=MBR_NONFATAL) == MIB
    assert "Image one fails checks of its partition table that are not fatal here: mbr" in caplog.messages
    assert decide([qcow2(*BACKED)], "raw", settings=MBR_NONFATAL) == UNSAFE


@pytest.mark.parametrize("container", ["ovf", "ami", None])
def test_data_in_a_container_then_not_looked_at(container: str | None) -> None:
    assert decide([qcow2(*BACKED)], "qcow2", container) is None


def test_mismatch_when_formats_need_not_match_then_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert decide([RAW], "qcow2", must_match=False) is None
    assert [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING] == ["Image one is declared qcow2, but its data are raw"]


def test_real_image_when_it_has_a_backing_file_then_unsafe(tmp_path: Path) -> None:
    disk_images.run_qemu_img("create", "-q", "-f", "raw", tmp_path / "base", "1M")
    data = disk_images.qemu_img(tmp_path, "qcow2", "-F", "raw", "-b", str(tmp_path / "base"))
    assert decide([data], "qcow2") == UNSAFE


def test_real_image_when_it_has_a_data_file_then_unsafe(tmp_path: Path) -> None:
    data = disk_images.qemu_img(tmp_path, "qcow2", "-o", f"data_file={tmp_path / 'data'}")
    assert decide([data], "qcow2") == UNSAFE
    assert decide([disk_images.qemu_img(tmp_path, "qed")], "raw") == UNSAFE
