"""A TCP proxy between the service and a store, which fails in the ways that networks and servers do. Tests set the fault while it runs.

::

    with Proxy(server.port) as proxy:
        proxy.fault = REFUSED
        ...
        proxy.fault = None
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

_PIECE = 65536
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
#: Bytes that are remembered of what a client sent, so that a pattern is found also where it arrives in two pieces.
_REMEMBERED = 200


@dataclass(frozen=True)
class Fault:
    """What happens to every connection while the fault lasts, old and new ones; what it does not name passes unharmed.

    ``refused``: nobody listens, and connections are reset. ``silent``: no byte passes, and no connection ends. ``reset_up``, ``reset_down``: a
    connection is reset once that many bytes have passed to the server, or to the client, since the fault began. ``rate``: bytes that pass in a
    second; ``rate_up``: those towards the server. ``delay``: seconds that each piece is late. ``answer``: what a client receives, and then the
    end, once it has sent something. ``times``: how many connections are harmed; those that follow are not.
    """

    name: str
    refused: bool = False
    silent: bool = False
    reset_up: int | None = None
    reset_down: int | None = None
    rate: float | None = None
    rate_up: float | None = None
    delay: float = 0.0
    answer: bytes | None = None
    times: int | None = None


def answering(name: str, status: str, *headers: str, body: bytes = b"", length: int | None = None, times: int | None = None) -> Fault:
    """The server answers that, whatever it is asked; ``length`` is what it announces where that is not the length of its body."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body) if length is None else length}", "Connection: close", "", ""]
    return Fault(name, answer="\r\n".join(lines).encode() + body, times=times)


REFUSED = Fault("refused", refused=True)
SILENT = Fault("black hole", silent=True)
GARBAGE = Fault("garbage", answer=bytes(range(128, 256)) * 8 + b"\r\n\r\n")
ERROR = answering("500", "500 Internal Server Error", body=b"out of order")
BUSY = answering("503 + Retry-After", "503 Service Unavailable", "Retry-After: 1", body=b"too busy")
TRUNCATED = answering("truncated", "200 OK", body=b"<?xml", length=1000)


class Proxy:
    """Listens on ``port`` of 127.0.0.1 and passes bytes on to the port ``behind``. As a context manager it ends with all its connections.

    ``sent`` and ``received`` are the bytes that have passed to the server and to clients. One thread does it all, so that a connection can be
    reset whatever is under way.
    """

    def __init__(self, behind: int) -> None:
        self.behind = behind
        self.sent = self.received = 0
        # Keeps the port ours, also while nobody listens.
        self._bound = socket.socket()
        self._bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._bound.bind(("127.0.0.1", 0))
        self.port: int = self._bound.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._listener: socket.socket | None = None
        self._fault: Fault | None = None
        self._armed: tuple[Fault, bytes] | None = None
        self._over = asyncio.Event()
        self._harmed = 0
        self._links: dict[_Link, asyncio.Task[None]] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._change(None))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._bound.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def fault(self) -> Fault | None:
        """The fault that lasts now; None while everything passes."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        self._call(self._change(fault))

    def heal(self) -> None:
        """From now on everything passes but what was on its way: that is lost."""
        self.fault = REFUSED
        self.fault = None

    def arm(self, fault: Fault, pattern: bytes) -> None:
        """The fault begins once a client sends ``pattern``, before that is passed on; what it has sent already does not count."""
        self._call(self._arm(fault, pattern))

    # What links ask

    async def fault_for(self, link: _Link, sent: bytes) -> Fault | None:
        """The fault that harms this connection now; ``sent`` by its client may have set off the one that is armed."""
        if self._armed is not None and self._armed[1] in sent:
            await self._change(self._armed[0], but=link)
        fault = self._fault
        if fault is None or link.harmed:
            return fault
        if fault.times is not None and self._harmed >= fault.times:
            return None
        self._harmed += 1
        link.harmed = True
        return fault

    async def pause(self, seconds: float | None) -> None:
        """Waits so long, or until the fault is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    # On the thread of the proxy

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _arm(self, fault: Fault, pattern: bytes) -> None:
        self._armed = (fault, pattern)
        for link in self._links:
            link.forget()

    async def _change(self, fault: Fault | None, but: _Link | None = None) -> None:
        self._fault, self._armed, self._harmed = fault, None, 0
        self._over.set()
        self._over = asyncio.Event()
        for link in self._links:
            link.begin()
        if fault is None or not fault.refused:
            self._listen()
            return
        self._refuse()
        for link, task in list(self._links.items()):
            link.reset()
            if link is not but:
                task.cancel()

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
            self._listener.setblocking(False)
            self._loop.add_reader(self._listener, self._accept, self._listener)

    def _refuse(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    async def _stop(self) -> None:
        self._refuse()
        for task in list(self._links.values()):
            await _end(task)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # whoever came has gone again
            link = _Link(self, listener.accept()[0])
            self._links[link] = task = self._loop.create_task(link.run())
            task.add_done_callback(lambda _task: self._forget(link))

    def _forget(self, link: _Link) -> None:
        link.close()
        del self._links[link]


class _Link:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self.harmed = False
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()
        self._client = client
        self._server = socket.socket()
        self._passed = {"up": 0, "down": 0}
        self._remembered = b""
        self._lost = False

    def begin(self) -> None:
        """A fault begins or ends: what passes is counted from here."""
        self._passed = {"up": 0, "down": 0}
        self.harmed = False

    def forget(self) -> None:
        """What the client has sent so far counts no more."""
        self._remembered = b""

    def reset(self) -> None:
        """Nothing passes any more, and both connections end with a reset when they are closed."""
        self._lost = True
        for one in (self._client, self._server):
            with contextlib.suppress(OSError):  # closed already
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)

    async def run(self) -> None:
        """Until both sides have ended their connections, or the fault does."""
        for one in (self._client, self._server):
            one.setblocking(False)
        try:
            await self._loop.sock_connect(self._server, ("127.0.0.1", self._proxy.behind))
            async with asyncio.TaskGroup() as directions:
                directions.create_task(self._pump(self._client, self._server, "up"))
                directions.create_task(self._pump(self._server, self._client, "down"))
        except* _Answer as answers:
            await self._answer(answers.exceptions[0].args[0])
        except* OSError:
            self.reset()

    def close(self) -> None:
        self._client.close()
        self._server.close()

    async def _pump(self, source: socket.socket, target: socket.socket, way: str) -> None:
        while data := await self._loop.sock_recv(source, _PIECE):
            await self._pass(data, target, way)
        target.shutdown(socket.SHUT_WR)

    async def _pass(self, data: bytes, target: socket.socket, way: str) -> None:
        sent = b""
        if way == "up":
            sent = self._remembered + data
            self._remembered = sent[-_REMEMBERED:]
        fault = await self._proxy.fault_for(self, sent)
        while fault is not None and fault.silent:
            await self._proxy.pause(None)
            fault = await self._proxy.fault_for(self, b"")
        if fault is None:
            await self._send(data, target, way)
            return
        if fault.refused:
            raise ConnectionResetError
        if fault.answer is not None and way == "up":
            raise _Answer(fault.answer)
        await self._proxy.pause(fault.delay)
        most = fault.reset_up if way == "up" else fault.reset_down
        allowed = len(data) if most is None else max(0, most - self._passed[way])
        await self._send_slowly(data[:allowed], target, way, (way == "up" and fault.rate_up) or fault.rate)
        if allowed < len(data):
            raise ConnectionResetError

    async def _send_slowly(self, data: bytes, target: socket.socket, way: str, rate: float | None) -> None:
        piece = len(data) if rate is None else max(1, int(rate / 10))
        for start in range(0, len(data), piece or 1):
            if rate is not None:
                await self._proxy.pause(piece / rate)
            await self._send(data[start : start + piece], target, way)

    async def _send(self, data: bytes, target: socket.socket, way: str) -> None:
        if self._lost:
            raise ConnectionResetError
        await self._loop.sock_sendall(target, data)
        self._passed[way] += len(data)
        if way == "up":
            self._proxy.sent += len(data)
        else:
            self._proxy.received += len(data)

    async def _answer(self, answer: bytes) -> None:
        """Takes whatever the client still sends, so that it finds the answer before the end."""
        self._server.close()
        with contextlib.suppress(OSError):
            await self._loop.sock_sendall(self._client, answer)
            self._client.shutdown(socket.SHUT_WR)
            while await self._loop.sock_recv(self._client, _PIECE):
                pass


class _Answer(Exception):
    """Ends a connection with the bytes that are its argument."""


async def _end(task: Awaitable[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
