"""Python in a process of its own whose mounts are its own: tests mount, fill and unmount file systems there, also as an ordinary user."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_PRELUDE = """
import json, os, subprocess, sys
from pathlib import Path
from glance import errors
from glance.context import RequestContext
from glance.model.image import Location
from glance.store.drivers.file import DataDirectory, FileStore, FileStoreSettings

CTX = RequestContext()
MIB = 1 << 20

def mount(directory, options, kind="tmpfs"):
    subprocess.run(["mount", "-t", kind, "-o", options, kind, directory], check=True)

def remount(directory, options):
    subprocess.run(["mount", "-o", f"remount,{options}", directory], check=True)

def unmount(directory):
    subprocess.run(["umount", directory], check=True)

def add(store, image_id, size, announced=None):
    try:
        return store.add(CTX, image_id, (bytes(min(65536, size - start)) for start in range(0, size, 65536)), announced).url
    except errors.GlanceError as error:
        return error.code

def outcome(call, *arguments):
    try:
        call(*arguments)
    except errors.GlanceError as error:
        return error.message if isinstance(error, errors.ConfigurationError) else error.code
    return "done"

def names(directory):
    return sorted(os.listdir(directory))

def tell(*found):
    print(json.dumps(found))
"""


def run(script: str, *arguments: object) -> Any:
    """What a script told with ``tell``; it is given ``arguments`` as ``sys.argv[1:]`` and all that stands above."""
    command = ["unshare", "-rm", sys.executable, "-c", _PRELUDE + script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
