"""Runs ``server_app.py`` as a process tree, and speaks to it through raw sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

APP = Path(__file__).with_name("server_app.py")
PATIENCE = 20.0


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)


class Client:
    """A connection; ``answer`` reads one answer by its framing."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def get(self, path: str = "/hello", headers: str = "") -> None:
        self.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n".encode())

    def answer(self, *, bodyless: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, headers with lower-case names, body. Raises EOFError where the connection ends before or within the answer."""
        status = int(self._line().split()[1])
        headers = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if bodyless or status in (100, 204, 304):
            return status, headers, b""
        return status, headers, self._body(headers)

    def _line(self) -> str:
        line = self.file.readline()
        if not line:
            raise EOFError
        return line.decode("latin-1").rstrip("\r\n")

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            data = b""
            while size := int(self._line(), 16):
                data += self._exactly(size)
                self._line()
            self._line()
            return data
        if "content-length" in headers:
            return self._exactly(int(headers["content-length"]))
        return self.file.read()

    def _exactly(self, size: int) -> bytes:
        data = self.file.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def ended(self) -> bool:
        """Whether the server closes, waiting for it."""
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True


class Server:
    """The process tree, stopped on exit; ``settings`` are those of ``ServerSettings`` and of ``server_app.Service``."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self.log_file = directory / "log"
        self.settings_file = directory / "settings.json"
        self.configure(**settings)
        root = str(APP.parents[2])
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(APP), str(self.settings_file)], stderr=log, env={**os.environ, "PYTHONPATH": root}, start_new_session=True
            )
        self.workers = int(settings.get("workers", 0) or 0) or 1  # type: ignore[call-overload]
        self.await_log("starting up on", self.workers)
        self.port = int(re.findall(r"starting up on https?://127.0.0.1:(\d+)/", self.log)[0])

    def configure(self, **settings: object) -> None:
        self.settings_file.write_text(json.dumps(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def await_log(self, text: str, count: int = 1) -> None:
        wait_until(lambda: self.log.count(text) >= count or self.process.poll() is not None, f"{count} times {text!r} in the log")
        assert self.log.count(text) >= count, self.log

    def connect(self) -> Client:
        return Client(socket.create_connection(("127.0.0.1", self.port), PATIENCE))

    def accepts(self) -> bool:
        try:
            self.connect().__exit__()
        except ConnectionError:
            return False
        return True

    def ask(self, data: bytes, *, bodyless: bool = False) -> tuple[int, dict[str, str], bytes]:
        with self.connect() as client:
            client.send(data)
            return client.answer(bodyless=bodyless)

    def get(self, path: str = "/hello") -> bytes:
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())[2]

    def serving_pid(self) -> int:
        return int(self.get().split()[1])

    def worker_pids(self) -> set[int]:
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(pid) for pid in pids}

    def memory(self) -> int:
        """Bytes in RAM of all processes."""
        return sum(_resident(pid) for pid in (self.worker_pids() or {self.process.pid}))

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
