"""What makes an image unsafe for whoever reads it: parts that lead to other files, and numbers that exhaust memory (spec-v2 13.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from oslo_utils.imageutils.format_inspector import FileInspector, SafetyCheckFailed

#: The format of a text that describes a disk in other files, and the name of the check that it fails.
DESCRIPTOR = ("vmdk", "descriptor")

#: Largest size of a disk: what a file's length can be.
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Bound:
    """A number in a header, at ``offset`` in the struct format ``code``, that sound images have between ``lowest`` and ``highest``."""

    name: str
    offset: int
    code: str
    lowest: int
    highest: int

    def holds(self, header: bytes | bytearray) -> bool:
        """Whether the number is sound."""
        (value,) = struct.unpack_from(self.code, header, self.offset)
        return bool(self.lowest <= value <= self.highest)


#: Readers allocate, or shift, by these numbers before they look any further; the bounds are those of QEMU's own driver.
_QCOW2 = (
    Bound("backing_file_name", 16, ">I", 0, 1023),
    Bound("cluster_bits", 20, ">I", 9, 21),
    Bound("l1_size", 36, ">I", 0, 2**22),
    Bound("refcount_table", 56, ">I", 0, 2**14),
    Bound("snapshots", 60, ">I", 0, 2**16),
)
_QCOW2_VERSION_3 = (
    Bound("refcount_order", 96, ">I", 0, 6),
    Bound("header_length", 100, ">I", 104, 2**21),
)
#: The bounds of formats that have the same header in all versions. A VMDK of no sectors is read as a description of other files.
_BOUNDS: dict[str, tuple[Bound, ...]] = {
    "vdi": (Bound("blocks", 0x180, "<I", 0, 0x3FFFFFFF),),
    "vmdk": (Bound("capacity", 12, "<Q", 1, 2**54),),
}


def failed_checks(inspector: FileInspector, size_of_disk: Callable[[FileInspector], int]) -> list[str]:
    """The names of the checks that a stream fails as an image of one of the formats that it has."""
    try:
        inspector.safety_check()
        if size_of_disk(inspector) > _LARGEST:
            return ["virtual_size"]
    except SafetyCheckFailed as error:
        return list(error.failures)
    except Exception:  # noqa: BLE001 - what the library cannot check is not safe
        return ["readable"]
    if inspector.NAME == "vmdk" and b"parentfilenamehint" in inspector.region("descriptor").data.lower():
        return ["parent"]
    return _out_of_bounds(inspector)


def _out_of_bounds(inspector: FileInspector) -> list[str]:
    bounds = _BOUNDS.get(inspector.NAME, ())
    if inspector.NAME == "qcow2":
        version_2 = inspector.region("header").data[4:8] == b"\0\0\0\2"
        bounds = _QCOW2 if version_2 else _QCOW2 + _QCOW2_VERSION_3
    return [bound.name for bound in bounds if not bound.holds(inspector.region("header").data)]
