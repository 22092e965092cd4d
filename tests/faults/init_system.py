"""glance-api as an init system keeps it: started, told to end, started again; and clients that are busy with it meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import threading
import time
from types import TracebackType
from typing import Self

from glance.testing.servers import PATIENCE, Glance, program
from glance.testing.wire import Answer, parse_all, request_bytes
from tests.faults.clients import BYTES

#: Bytes of a download that its client reads at first.
BEGINNING = 65536

#: Seconds between two requests of who asks again and again.
PAUSE = 0.01


class Kept:
    """glance-api with the configuration of ``glance``. With ``holding`` its listening socket is held here and handed over, as a socket unit of
    systemd does. As a context manager it leaves no process."""

    def __init__(self, glance: Glance, *, holding: bool) -> None:
        self._command = [program("glance-api"), "--config-file", str(glance.conf("api"))]
        self._output = glance.directory / "log" / "api.out"
        self._held: socket.socket | None = None
        self._processes: list[subprocess.Popen[bytes]] = []
        if holding:
            self._held = socket.create_server((glance.api_host, glance.api_port), backlog=4096)
            self._command = ["bash", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{self._held.fileno()}', "init", *self._command]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait(PATIENCE)
        if self._held is not None:
            self._held.close()

    def start(self) -> subprocess.Popen[bytes]:
        """A new process, which may not serve yet."""
        held = () if self._held is None else (self._held.fileno(),)
        with self._output.open("ab") as output:
            process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, pass_fds=held)
        self._processes.append(process)
        return process


class Upload:
    """A request with the data of an image, half of which has been sent."""

    def __init__(self, glance: Glance, image_id: str, data: bytes) -> None:
        self.image_id = image_id
        self._connection = glance.connect()
        self._rest = data[len(data) // 2 :]
        head = request_bytes(f"PUT /v2/images/{image_id}/file HTTP/1.1", f"Content-Length: {len(data)}", BYTES)
        self._connection.sendall(head + data[: len(data) // 2])

    def finish(self) -> Answer | None:
        """The answer after the other half; None where the connection was cut."""
        received = b""
        with self._connection as connection, contextlib.suppress(ConnectionError):
            connection.sendall(self._rest)
            while part := connection.recv(65536):
                received += part
        answers = parse_all(received) if received else []
        return answers[0] if answers else None


class Download:
    """A request for the data of an image, the beginning of which has been read."""

    def __init__(self, glance: Glance, image_id: str) -> None:
        self._connection = glance.connection("api", PATIENCE)
        self._connection.request("GET", f"/v2/images/{image_id}/file")
        self._answer = self._connection.getresponse()
        self._beginning = self._answer.read(BEGINNING)

    def finish(self) -> bytes:
        """What came in all; less than the image where the connection was cut."""
        with contextlib.closing(self._connection):
            try:
                return self._beginning + self._answer.read()
            except http.client.IncompleteRead as error:
                return self._beginning + error.partial
            except ConnectionError:
                return self._beginning


class Asking:
    """A client that asks for a list again and again, each time on a new connection, and counts what becomes of it.

    ``cut`` tells of requests that were accepted and not answered with a list.
    """

    def __init__(self, glance: Glance) -> None:
        self.answered = 0
        self.refused = 0
        self.cut: list[str] = []
        self._glance = glance
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                answer = self._glance.request("GET", "/v2/images?limit=1")
            except ConnectionRefusedError:
                self.refused += 1
            except (OSError, http.client.HTTPException) as error:
                self.cut.append(repr(error))
            else:
                self.answered += 1
                if answer.status != 200:
                    self.cut.append(f"status {answer.status}")
            time.sleep(PAUSE)
