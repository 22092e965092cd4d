"""File systems of a test's own: mounts that only the service under test sees, without rights on the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from glance.testing.servers import Glance

_MOUNT = 'mount -t tmpfs -o "size=$0,mode=750" tmpfs "$1" && shift && exec "$@"'


def needs_namespaces() -> None:
    """Skips a test where the kernel gives no user namespaces."""
    done = subprocess.run(["unshare", "-rm", "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"user namespaces are off here: {done.stderr.strip()}")


def with_tmpfs(directory: Path, size: str) -> Sequence[str]:
    """A command in front of another one: for that, and its children, a file system of that size lies at ``directory``."""
    return ["unshare", "-rm", "sh", "-c", _MOUNT, size, str(directory)]


def remount(glance: Glance, directory: Path, option: str) -> None:
    """Changes that file system to ``ro`` or ``rw``."""
    inside = ["nsenter", "-t", str(glance.pid("api")), "-U", "-m", "--preserve-credentials"]
    subprocess.run([*inside, "mount", "-o", f"remount,{option}", str(directory)], check=True, capture_output=True)


def seen_by(glance: Glance, directory: Path) -> Path:
    """The directory as the service sees it."""
    return Path(f"/proc/{glance.pid('api')}/root{directory}")
