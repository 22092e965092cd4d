"""The servers that are measured: ours on any database, an older version of it, nginx, and whatever else has a base URL."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.processes import Tree
from glance.testing.servers import Glance, Service, free_ports, wait_until
from tests.databases import PostgresServer

#: What carries the applications: our own server, or gunicorn's threads.
Host = Literal["own", "threads"]

WORKERS = 2

_NGINX = """\
daemon off; worker_processes {workers}; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off; sendfile on; client_max_body_size 0;
    client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
    server {{ listen 127.0.0.1:{port}; location / {{ root {root}/files; dav_methods PUT DELETE; }} }}
}}
"""


@dataclass(frozen=True)
class Target:
    """A service at a base URL. ``many`` is the base URL of the same with many images, ``tree`` its processes, where they are known."""

    name: str
    url: str
    tree: Tree | None = None
    many: str | None = None


class Postgres(PostgresServer):
    """A server that writes what is committed to the disk, as whoever is measured on it promises."""

    settings: Mapping[str, str] = {"shared_buffers": "128MB"}


class ThreadedGlance(Glance):
    """The same programs under gunicorn's threads."""

    def command(self, service: Service) -> list[str]:
        return [sys.executable, "-m", "benchmarks.threaded", service, "--config-file", str(self.conf(service))]


def glance(
    directory: Path,
    host: Host,
    *,
    database: str | None = None,
    programs: Path | None = None,
    options: Mapping[str, object] | None = None,
    embedded: bool = False,
) -> Glance:
    """glance-api and a glance-registry behind it, or ``embedded`` in it, that believe identity headers, not started yet. ``database`` is a URL, None
    for a file of SQLite; ``options`` are glance-api's."""
    where = {"database": {"connection": database}} if database else {}
    common = {"workers": WORKERS}
    services: tuple[Service, ...] = ("api",) if embedded else ("registry", "api")
    made = (Glance if host == "own" else ThreadedGlance)(
        directory,
        flavor="trusted-auth",
        api_options={"DEFAULT": {**common, **({"registry_mode": "embedded"} if embedded else {}), **(options or {})}, **where},
        registry_options={"DEFAULT": common, **where},
        services=services,
        programs=programs,
    )
    if database:
        made.manage("db_sync")
    return made


def target(name: str, running: Glance, many: Glance | None = None) -> Target:
    """What rows need of services that we have started."""
    return Target(name, running.url, Tree(lambda: [running.pid(service) for service in running.services]), many.url if many else None)


@dataclass(frozen=True)
class Nginx:
    """An nginx that gives and takes the files of a directory."""

    target: Target
    files: Path


@contextlib.contextmanager
def nginx(root: Path) -> Iterator[Nginx]:
    """An nginx in a directory of its own."""
    [port] = free_ports(1)
    (root / "files").mkdir(parents=True)
    configuration = root / "nginx.conf"
    configuration.write_text(_NGINX.format(root=root, port=port, workers=WORKERS))
    if os.geteuid() == 0:
        for path in (root, root / "files"):
            path.chmod(0o777)
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    child = subprocess.Popen([program, "-c", str(configuration), "-p", str(root)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _listens(port), "nginx")
        yield Nginx(Target("nginx", url, Tree(lambda: [child.pid])), root / "files")
    finally:
        child.terminate()
        child.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
