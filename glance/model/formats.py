"""Disk and container formats, and how the image types of 2011 translate into them (spec-v1 2.3)."""

from __future__ import annotations

from dataclasses import dataclass

from glance import errors

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop")
#: The container format of data that are a disk image and nothing around it.
BARE = "bare"
CONTAINER_FORMATS = ("ami", "ari", "aki", BARE, "ovf", "ova", "docker")

#: Formats of the Amazon triple: kernel, ramdisk and machine; disk and container format are always the same.
AMAZON_FORMATS = frozenset({"aki", "ari", "ami"})

#: The ``type`` of an image of 2010 and the disk and container format it stands for.
CLASSIC_TYPES = {
    "kernel": ("aki", "aki"),
    "ramdisk": ("ari", "ari"),
    "machine": ("ami", "ami"),
    "raw": ("raw", BARE),
    "vhd": ("vhd", "ovf"),
}


@dataclass(frozen=True, slots=True)
class Formats:
    """The formats that this service accepts (options ``disk_formats`` and ``container_formats``)."""

    disk: tuple[str, ...] = DISK_FORMATS
    container: tuple[str, ...] = CONTAINER_FORMATS

    def complete(self, disk: str | None, container: str | None) -> tuple[str | None, str | None]:
        """The pair with the missing half of an Amazon format filled in.

        Raises FormatUnknown for a format that is not accepted and FormatMismatch for an Amazon format mixed with another one.
        """
        if disk is not None and disk not in self.disk:
            raise errors.FormatUnknown(kind="disk", value=disk, accepted=", ".join(self.disk))
        if container is not None and container not in self.container:
            raise errors.FormatUnknown(kind="container", value=container, accepted=", ".join(self.container))
        if disk in AMAZON_FORMATS and container is None:
            container = disk
        elif container in AMAZON_FORMATS and disk is None:
            disk = container
        if disk != container and AMAZON_FORMATS & {disk, container}:
            raise errors.FormatMismatch
        return disk, container
