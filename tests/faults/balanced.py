"""The two nodes of docs/scale-out.md behind a real HAProxy, and clients that go through it."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import math
import os
import re
import signal
import socket
import subprocess
import sysconfig
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from glance.testing.servers import PATIENCE, free_ports, read_pid, wait_until
from tests.databases import MariadbServer
from tests.faults.clients import FORMATS, JSON
from tests.swift_server import SwiftServer

PAGE = (Path(__file__).parents[2] / "docs/scale-out.md").read_text()
ADDRESSES = {"node1": "10.0.0.11", "node2": "10.0.0.12"}
NODES = tuple(ADDRESSES)
SERVICES = ("registry", "api")
BALANCER = "127.0.0.10"

#: Seconds that one request may take while a node is restarted on a busy machine.
LONGEST = 120.0
#: Seconds between the two halves of slow uploads and downloads.
SLOW = 1.0
SMALL, LARGE = os.urandom(65536), os.urandom(8 << 20)


def blocks(language: str) -> list[str]:
    """What the page says in that language, in its order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


class Site:
    """What the page describes, in ``directory``: its addresses are some of 127.0.0.0/8, its ports free ones. As a context manager it runs."""

    def __init__(self, directory: Path, database: MariadbServer, swift: SwiftServer) -> None:
        self.directory = directory
        self.port, self._registry_port, watching = free_ports(3)
        self._replaced = {
            "glance:PASSWORD@10.0.0.20": f"glance@127.0.0.1:{database.port}",
            "http://10.0.0.30:8080": swift.url,
            "swift_store_key = KEY": f"swift_store_key = {swift.service_key}",
            "9292": str(self.port),
            "9191": str(self._registry_port),
            "8404": str(watching),
            "10.0.0.": "127.0.0.",
        }
        self._watching = f"http://127.0.0.1:{watching}/;csv"
        self._haproxy: subprocess.Popen[bytes] | None = None
        database.execute(blocks("sql")[0].splitlines()[0])  # the server of the tests has such a user
        self.token = self._configure()

    def __enter__(self) -> Self:
        try:
            with (self.directory / "haproxy.log").open("wb") as log:
                command = ["haproxy", "-db", "-f", str(self.directory / "haproxy.cfg")]
                self._haproxy = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            starts = (self._control(node, service, "start") for node in NODES for service in SERVICES)
            self._run("\n".join([*(f"{start} & started+=($!)" for start in starts), 'for one in "${started[@]}"; do wait $one; done']))
            self.await_all_up()
        except BaseException:
            print(self.logs())
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._end()

    def await_all_up(self) -> None:
        """Returns when the balancer has taken all four for ready."""
        wait_until(self._all_up, "two nodes", LONGEST)

    def restart_in_turn(self) -> None:
        """What the page says about a rolling restart, the programs being daemons of glance-control."""
        script = self._here(blocks("sh")[1])
        told = "ssh root@$node systemctl restart $service"
        if told not in script:
            raise LookupError(f"the page does not say: {told}")
        end, start = (self._control("$node", "${service#glance-}", command) for command in ("shutdown", "start"))
        # An init system waits longer than glance-control for requests that run.
        self._run(script.replace(told, f"{end} || true; {start}"))

    def kill(self, node: str, service: str) -> tuple[float, float]:
        """Ends a program of a node without warning. Returns when that began, and when none of its threads took connections any more."""
        address = ADDRESSES[node].replace("10.0.0.", "127.0.0.")
        port = self.port if service == "api" else self._registry_port
        began = monotonic()
        os.killpg(read_pid(self.directory / node / f"glance-{service}.pid"), signal.SIGKILL)
        wait_until(lambda: _refuses(address, port), "the end of all threads")
        return began, monotonic()

    def start(self, node: str, service: str) -> None:
        self._run(self._control(node, service, "start"))

    def logs(self) -> str:
        """The end of every log."""
        paths = sorted(self.directory.rglob("*.log"))
        return "\n".join(line for path in paths for line in (f"--- {path}", *path.read_text(errors="replace").splitlines()[-30:]))

    def _configure(self) -> str:
        """Writes all files; returns a token."""
        api, registry = blocks("ini")
        for node, address in ADDRESSES.items():
            (self.directory / node / "log").mkdir(parents=True)
            for service, text in (("api", api), ("registry", registry)):
                path = self.directory / node / f"glance-{service}.conf"
                path.touch(mode=0o600)
                path.write_text(self._here(text.replace(ADDRESSES["node1"], address), node))
        (self.directory / "haproxy.cfg").write_text(self._here(blocks("haproxy")[0]))
        printed = self._run(self._here(blocks("sh")[0]))
        tokens = self.directory / NODES[0] / "tokens.json"
        (self.directory / NODES[1] / "tokens.json").write_bytes(tokens.read_bytes())
        (self.directory / NODES[1] / "tokens.json").chmod(0o600)
        return printed.split()[-1]

    def _here(self, text: str, node: str = NODES[0]) -> str:
        replaced = {**self._replaced, "/etc/glance": f"{self.directory}/{node}", "/var/log/glance": f"{self.directory}/{node}/log"}
        return re.sub("|".join(map(re.escape, replaced)), lambda found: replaced[found[0]], text)

    def _control(self, node: str, service: str, command: str) -> str:
        place = f"{self.directory}/{node}"
        return f"glance-control --pid-dir {place} {service} {command} {place}"

    def _run(self, script: str) -> str:
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=10 * LONGEST, check=False)
        if done.returncode:
            raise RuntimeError(f"{script}\nended with {done.returncode}:\n{done.stdout}{done.stderr}\n{self.logs()}")
        return done.stdout

    def _all_up(self) -> bool:
        if self._haproxy is None or self._haproxy.poll() is not None:
            raise RuntimeError(f"HAProxy ended:\n{self.logs()}")
        with contextlib.suppress(OSError), urllib.request.urlopen(self._watching, timeout=PATIENCE) as answer:
            return len(re.findall(r"^glance-\w+,node.*,UP,", answer.read().decode(), re.MULTILINE)) == len(NODES) * len(SERVICES)
        return False

    def _end(self) -> None:
        if self._haproxy is not None:
            self._haproxy.kill()
            self._haproxy.wait(PATIENCE)
        for path in self.directory.glob("*/*.pid"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(read_pid(path), signal.SIGKILL)


def _refuses(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


@dataclass(frozen=True)
class Failure:
    """A request that was not answered as it should be: what it was, when it began and ended, and how it failed."""

    what: str
    began: float
    ended: float
    how: str


class Clients:
    """They create, upload, show, list, download and delete through the balancer, some of them slowly. ``kept`` are acknowledged uploads that nobody
    deletes: each of them holds what its client sent."""

    def __init__(self, site: Site) -> None:
        self.requests: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.kept: dict[str, bytes] = {}
        self._site = site
        self._end = threading.Event()
        self._lock = threading.Lock()
        paces = ((SMALL, 0.0), (SMALL, 0.0), (SMALL, 0.0), (SMALL, SLOW), (LARGE, SLOW), (LARGE, SLOW))
        self._threads = [threading.Thread(target=self._run, args=pace) for pace in paces]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    @property
    def at_once(self) -> int:
        """Requests that run at the same time, at most."""
        return len(self._threads)

    def await_requests(self, count: int) -> None:
        """Returns when there were so many more."""
        until = self.requests.total() + count
        wait_until(lambda: self.requests.total() >= until, f"{count} requests", LONGEST)

    def damaged(self) -> list[str]:
        """Those of ``kept`` that are not what was acknowledged."""
        return [image_id for image_id, data in self.kept.items() if self._ask("read again", 200, "GET", f"/v2/images/{image_id}/file") != data]

    def _run(self, data: bytes, pause: float) -> None:
        for number in itertools.count():
            if self._end.is_set():
                return
            self._live_of_an_image(data, pause, keep=data is SMALL and number % 5 == 0)

    def _live_of_an_image(self, data: bytes, pause: float, *, keep: bool) -> None:
        created = self._ask("create", 201, "POST", "/v2/images", JSON, json.dumps(FORMATS).encode())
        if created is None:
            return
        image_id = json.loads(created)["id"]
        path = f"/v2/images/{image_id}"
        if self._ask("upload", 204, "PUT", f"{path}/file", {"Content-Type": "application/octet-stream"}, data, pause) is None:
            return
        self._ask("show", 200, "GET", path)
        self._ask("list", 200, "GET", "/v2/images?limit=20")
        got = self._ask("download", 200, "GET", f"{path}/file", pause=pause)
        if got is not None and got != data:
            self.failures.append(Failure("download", math.inf, math.inf, f"{len(got)} other bytes"))
        if keep:
            self.kept[image_id] = data
        else:
            self._ask("delete", 204, "DELETE", path)

    def _ask(
        self, what: str, status: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", pause: float = 0
    ) -> bytes | None:
        """The body of an answer, None where it is not there in full or has another status. ``pause`` is in the middle of the data, either way."""
        began = monotonic()
        how, data = "", b""
        sent = {**(headers or {}), "X-Auth-Token": self._site.token, "Content-Length": str(len(body))}
        connection = http.client.HTTPConnection(BALANCER, self._site.port, timeout=LONGEST)
        with contextlib.closing(connection):
            try:
                connection.request(method, path, self._in_halves(body, pause) if body else None, sent)
                answer = connection.getresponse()
                data = answer.read(65536)
                self._end.wait(0 if body else pause)
                data += answer.read()
                if answer.status != status:
                    how = f"status {answer.status}"
            except (OSError, http.client.HTTPException) as error:
                how = type(error).__name__
        with self._lock:
            self.requests[what] += 1
            if how:
                self.failures.append(Failure(what, began, monotonic(), how))
        return None if how else data

    def _in_halves(self, body: bytes, pause: float) -> Iterator[bytes]:
        half = len(body) // 2
        yield body[:half]
        self._end.wait(pause)
        yield body[half:]
