"""A real Swift in a directory of its own, in user space: proxy with TempAuth and the S3 interface, account, container and object server.

The directory's file system must keep extended attributes (ext4, xfs; tmpfs of Linux 6.6 and later).
"""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from glance.testing.servers import free_ports, wait_until
from tests.swift_memory import FORGET

_SWIFT = """\
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests
[storage-policy:0]
name = default
default = yes
"""

_SERVER = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {directory}/etc
devices = {directory}/devices
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
"""

_BACKEND = """\
[pipeline:main]
pipeline = {server}-server
[app:{server}-server]
use = egg:swift#{server}
recon_cache_path = {directory}
recon_lock_path = {directory}
"""

#: What a proxy cannot do without is put into the pipeline by Swift itself.
_PROXY = """\
[pipeline:main]
pipeline = healthcheck cache bulk s3api tempauth container-quotas account-quotas slo dlo symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:cache]
paste.filter_factory = tests.swift_memory:filter_factory
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_reader = reading
user_other_tester = testing .admin
user_service_glance = serving .reseller_admin
user_service_plain = serving
user_zqswiftaccount_zqswiftuser = zqswiftkey .admin
user_zqs3account_zqs3user = zqs3secret .admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:bulk]
use = egg:swift#bulk
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:account-quotas]
use = egg:swift#account_quotas
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:symlink]
use = egg:swift#symlink
"""


class SwiftServer:
    """As a context manager it starts, and ends leaving no process.

    ``user`` owns the account test; ``reader`` belongs to it with no rights but those that a container gives (``X-Container-Read: test:reader``).
    ``reseller`` may do everything in every account; ``plain``, of the project service, what containers allow.
    The names and keys of ``marked`` and ``marked_s3`` occur nowhere else, so that they can be searched for.
    For S3, ``user`` and ``key`` are the access key and the secret; region us-east-1, path addressing, parts from 5 MiB.
    """

    user, key = "test:tester", "testing"
    reader, reader_key = "test:reader", "reading"
    other, other_key = "other:tester", "testing"
    reseller, plain, service_key = "service:glance", "service:plain", "serving"
    marked, marked_key = "zqswiftaccount:zqswiftuser", "zqswiftkey"
    marked_s3, marked_s3_key = "zqs3account:zqs3user", "zqs3secret"
    region = "us-east-1"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ports = free_ports(4)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The S3 endpoint, and the root of everything else."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def port(self) -> int:
        """Where the proxy listens."""
        return self._ports[0]

    @property
    def auth_url(self) -> str:
        """TempAuth, version 1."""
        return f"{self.url}/auth/v1.0"

    @property
    def log(self) -> Path:
        """What all servers print."""
        return self.directory / "log"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._end()

    def forget_tokens(self) -> None:
        """Ends the life of every token that was given out."""
        self._request("POST", FORGET)

    def _start(self) -> None:
        etc = self.directory / "etc"
        etc.mkdir()
        (self.directory / "devices" / "d1").mkdir(parents=True)
        (etc / "swift.conf").write_text(_SWIFT)
        user = pwd.getpwuid(os.getuid()).pw_name
        for server, port in zip(("proxy", "account", "container", "object"), self._ports, strict=True):
            form = _SERVER + (_PROXY if server == "proxy" else _BACKEND)
            text = form.format(server=server, port=port, user=user, directory=self.directory)
            (etc / f"{server}-server.conf").write_text(text)
        root = Path(__file__).parent.parent
        command = [sys.executable, "-W", "ignore", "-m", "tests.swift_processes", str(etc), *map(str, self._ports)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, "Swift to answer")

    def _end(self) -> None:
        """The process ends its children and itself when its standard input is closed."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"Swift ended:\n{self.log.read_text(errors='replace')[-4000:]}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            for port in self._ports:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
            return self._request("GET", "/healthcheck") == 200
        return False

    def _request(self, method: str, path: str) -> int:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path)
            return connection.getresponse().status
