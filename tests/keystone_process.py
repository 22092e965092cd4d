"""Program: a keystone, in one process that ends when its standard input ends, however its parent did. Runs in the environment .venv-keystone.

::

    python keystone_process.py DIRECTORY PORT

The directory holds keystone.conf; at the first start the database is made, with the administrator ``admin`` of
the project ``admin``, whose password is in OS_BOOTSTRAP_PASSWORD.
"""

from __future__ import annotations

import grp
import os
import pwd
import sys
import threading
from pathlib import Path

from keystone.cmd import cli
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Keystone has a log of its own."""


def main(directory: str, port: str) -> None:
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = f"{directory}/keystone.conf"
    if not Path(directory, "keystone.sqlite").exists():
        _prepare(directory, f"http://127.0.0.1:{port}/v3")
    threading.Thread(target=_end_with_input, daemon=True).start()
    del sys.argv[1:]  # keystone would read them
    from keystone.wsgi.api import application

    make_server("127.0.0.1", int(port), application, request_handler=Quiet).serve_forever()


def _prepare(directory: str, url: str) -> None:
    user = ["--keystone-user", pwd.getpwuid(os.getuid()).pw_name, "--keystone-group", grp.getgrgid(os.getgid()).gr_name]
    urls = [f"--bootstrap-{interface}-url={url}" for interface in ("admin", "public", "internal")]
    _manage(directory, "db_sync")
    _manage(directory, "fernet_setup", *user)
    _manage(directory, "credential_setup", *user)
    _manage(directory, "bootstrap", "--bootstrap-region-id=RegionOne", *urls)


def _manage(directory: str, *command: str) -> None:
    """keystone-manage, in a child, since it changes what it imports; importing all of it again would take most of the time."""
    child = os.fork()
    if child == 0:
        cli.main(["keystone-manage", "--config-file", f"{directory}/keystone.conf", *command])
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError(f"keystone-manage {command[0]} failed")


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
