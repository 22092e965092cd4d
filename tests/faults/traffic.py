"""Clients that upload, read, change and delete images all the time, whatever becomes of the service, and keep what they were told."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import Answer
from tests.faults.clients import BYTES, FORMATS, JSON, V1, create, download, send, upload
from tests.faults.history import Call, History, Kind, digest_of

#: Ways to store the data of an image.
WAYS = ("v1 POST", "v1 PUT", "v2 PUT")

_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
#: What a client does, and how often of 100 times.
_MIX = {"store": 78, "read": 10, "rename": 5, "remove": 5, "read_removed": 2}

#: Seconds that a client waits after a failure of the service.
_PAUSE = 0.1

T = TypeVar("T")


def _answer(ask: Callable[[], T]) -> T | None:
    """What was answered; None where nothing was, or not all of it. Raises ConnectionRefusedError."""
    try:
        return ask()
    except ConnectionRefusedError:
        raise
    except (OSError, http.client.HTTPException, ValueError):
        return None


class Client:
    """One client, with images of its own: calls about an image follow one after the other. ``sizes`` chooses how large an image is.

    What it does raises ConnectionRefusedError where nobody listens; that is no call.
    """

    def __init__(self, glance: Glance, history: History, numbers: random.Random, sizes: Callable[[random.Random], int]) -> None:
        self.stored: list[str] = []
        self.removed: list[str] = []
        self._unanswered: list[str] = []
        self._glance = glance
        self._history = history
        self._numbers = numbers
        self._sizes = sizes

    def act(self) -> None:
        """Does one thing, by chance."""
        if self._unanswered and self._numbers.random() < 0.2:
            self.try_again()
        [name] = self._numbers.choices(list(_MIX), list(_MIX.values()))
        {"store": self.store, "read": self.read, "rename": self.rename, "remove": self.remove, "read_removed": self.read_removed}[name]()

    def store(self, way: str = "") -> None:
        """A new image."""
        way, image_id = way or self._numbers.choice(WAYS), str(uuid.UUID(int=self._numbers.getrandbits(128), version=4))
        if way == "v1 POST" or self._create(way, image_id):
            self._upload(way, image_id)

    def try_again(self) -> None:
        """Other data for an image of whose upload the client does not know what became."""
        self._upload("v2 PUT", self._unanswered.pop(0))

    def read(self) -> None:
        if self.stored:
            self._download(self._numbers.choice(self.stored))

    def read_removed(self) -> None:
        if self.removed:
            self._download(self._numbers.choice(self.removed))

    def read_all(self) -> None:
        for image_id in self.stored:
            self._download(image_id)

    def rename(self) -> None:
        if not self.stored:
            return
        image_id, name = self._numbers.choice(self.stored), f"name {self._numbers.random()}"
        body = json.dumps([{"op": "replace", "path": "/name", "value": name}]).encode()
        self._call("patch", "v2", image_id, lambda: self._glance.request("PATCH", f"/v2/images/{image_id}", _PATCH, body).status, name=name)

    def remove(self) -> None:
        """What was not certainly refused may have been done, so the image is not used any more."""
        if not self.stored:
            return
        image_id, version = self.stored.pop(self._numbers.randrange(len(self.stored))), self._numbers.choice(("v1", "v2"))
        call = self._call("delete", version, image_id, lambda: self._glance.request("DELETE", f"/{version}/images/{image_id}").status)
        if call.acknowledged:
            self.removed.append(image_id)

    def _create(self, way: str, image_id: str) -> bool:
        def ask() -> int:
            if way == "v1 PUT":
                return send(self._glance, "POST /v1/images", (*V1, f"x-image-meta-id: {image_id}"), (), 0).status
            return self._glance.request("POST", "/v2/images", JSON, json.dumps({**FORMATS, "id": image_id}).encode()).status

        return self._call("create", way.partition(" ")[0], image_id, ask).acknowledged

    def _upload(self, way: str, image_id: str) -> None:
        data = self._numbers.randbytes(self._sizes(self._numbers))
        length = len(data) if data and self._numbers.random() < 0.8 else None
        call = self._call("upload", way, image_id, lambda: self._send(way, image_id, [data], length).status, digest=digest_of(data))
        if call.acknowledged:
            self.stored.append(image_id)
        elif not call.refused:
            self._unanswered.append(image_id)

    def _send(self, way: str, image_id: str, chunks: Sequence[bytes], length: int | None) -> Answer:
        if way == "v1 POST":
            return create(self._glance, image_id, chunks, length)
        if way == "v1 PUT":
            return send(self._glance, f"PUT /v1/images/{image_id}", (BYTES,), chunks, length)
        return upload(self._glance, image_id, chunks, length)

    def _download(self, image_id: str) -> None:
        path, begun = self._numbers.choice(("/v1/images/{}", "/v2/images/{}/file")), time.monotonic()
        found = _answer(lambda: download(self._glance, image_id, path))
        status, data, whole = (found.status, found.body, found.whole) if found else (None, b"", False)
        self._keep(Call("download", path[1:3], image_id, begun, time.monotonic(), status, digest_of(data), whole))

    def _call(self, kind: Kind, way: str, image_id: str, ask: Callable[[], int], *, digest: str = "", name: str = "") -> Call:
        begun = time.monotonic()
        status = _answer(ask)
        return self._keep(Call(kind, way, image_id, begun, time.monotonic(), status, digest, name=name))

    def _keep(self, call: Call) -> Call:
        self._history.keep(call)
        if call.failed:
            time.sleep(_PAUSE)
        return call


class Traffic:
    """So many clients at the same time, as long as the context manager lasts."""

    def __init__(self, glance: Glance, history: History, sizes: Callable[[random.Random], int], *, clients: int, seed: int) -> None:
        self.history = history
        self._clients = [Client(glance, history, random.Random(f"{seed} {number}"), sizes) for number in range(clients)]
        self._ended = threading.Event()
        self._threads = ThreadPoolExecutor(clients)
        self._running: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._running = [self._threads.submit(self._run, client) for client in self._clients]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._ended.set()
        self._threads.shutdown()
        for one in self._running:
            one.result()

    def await_uploads(self, count: int) -> None:
        """Returns when that many more uploads were acknowledged."""
        acknowledged = self.history.acknowledged
        enough = acknowledged["upload"] + count
        wait_until(lambda: acknowledged["upload"] >= enough or any(one.done() for one in self._running), "the uploads of clients", 120)

    def await_success(self) -> None:
        """Returns when something that begins now or later was acknowledged."""
        begun = time.monotonic()
        wait_until(lambda: any(call.begun > begun and call.acknowledged for call in self.history.calls[-200:]), "a call to succeed", 120)

    def read_all(self) -> None:
        """Reads every image once that must be there; clients do nothing else any more."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(Client.read_all, self._clients))

    def _run(self, client: Client) -> None:
        while not self._ended.is_set():
            try:
                client.act()
            except ConnectionRefusedError:
                time.sleep(_PAUSE)
