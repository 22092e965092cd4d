"""Large objects in parts: cutting a stream, and sending the pieces side by side."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import count, repeat
from typing import Any

#: Parts of one upload that are in memory: one that is filled, the others on their way.
PARTS_HELD = 4

#: Parts that an object may have.
_MAX_PARTS = 10_000


def part_sizes(size: int | None, chunk: int, large: int) -> Iterator[int]:
    """Bytes of each part of ``size`` bytes; the last one may be shorter. A single part up to ``large``, where that many may be held in memory.

    Where the size is not known they grow, so that 10,000 parts hold 55,000 times a ``chunk``.
    """
    if size is None:
        return (chunk * (1 + number // 1000) for number in count())
    at_once = min(large, PARTS_HELD * chunk)
    return repeat(max(chunk, size if size <= at_once else -(-size // _MAX_PARTS)))


def cut(chunks: Iterable[bytes], sizes: Iterator[int]) -> Iterator[tuple[bytearray, bool]]:
    """``chunks`` as parts of the given ``sizes``, each with whether it is the last one, which may be shorter; of no data, one empty part."""
    part, size = bytearray(), next(sizes)
    for chunk in chunks:
        left = memoryview(chunk)
        while left:
            if len(part) == size:
                yield part, False
                part, size = bytearray(), next(sizes)
            taken = left[: size - len(part)]
            part += taken
            left = left[len(taken) :]
    yield part, True


class Multipart:
    """An upload in parts of the object ``name`` (Bucket, Key), which gets ``metadata``. What its methods raise is boto's."""

    def __init__(self, client: Any, pool: ThreadPoolExecutor, name: Mapping[str, str], metadata: Mapping[str, str]) -> None:
        self._client = client
        self._pool = pool
        answer = client.create_multipart_upload(**name, Metadata=metadata)
        self._upload = {**name, "UploadId": answer["UploadId"]}
        self._running: deque[Future[str]] = deque()
        self._etags: list[str] = []
        self._numbers = count(1)

    def send(self, part: bytearray) -> None:
        """Returns once there is memory for the next part."""
        self._running.append(self._pool.submit(self._send, next(self._numbers), part))
        while len(self._running) >= PARTS_HELD:
            self._collect()

    def await_parts(self) -> None:
        while self._running:
            self._collect()

    def complete(self, **conditions: str) -> None:
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, 1)]
        self._client.complete_multipart_upload(**self._upload, MultipartUpload={"Parts": parts}, **conditions)

    def abort(self) -> None:
        """Waits for what is on its way: a part that arrives after the end of its upload may stay for ever. Fine where somebody has ended it."""
        for one in self._running:
            one.cancel()
        wait(self._running)
        with suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(**self._upload)

    def _send(self, number: int, part: bytearray) -> str:
        etag: str = self._client.upload_part(**self._upload, PartNumber=number, Body=part)["ETag"]
        return etag

    def _collect(self) -> None:
        self._etags.append(self._running.popleft().result())
