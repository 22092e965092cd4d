"""What a Swift for tests keeps in its proxy's memory, where a real one asks memcached: tokens, above all. Loaded by the proxy's paste file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

#: A request to this path makes the proxy forget every token, as when they have expired.
FORGET = "/tests/forget"


class Memory:
    """The part of swift.common.memcached.MemcacheRing that the proxy and its filters use."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, float]] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        value, end = self._kept.get(key, (None, 0.0))
        return value if not end or end > time.time() else None

    def set(self, key: str, value: Any, serialize: bool = True, time: float = 0, min_compress_len: int = 0, raise_on_error: bool = False) -> None:
        self._kept[key] = (value, _now() + time if time else 0.0)

    def delete(self, key: str, server_key: str | None = None) -> None:
        self._kept.pop(key, None)

    def clear(self) -> None:
        self._kept.clear()


def filter_factory(global_conf: dict[str, str], **local_conf: str) -> Callable[[Any], Any]:
    """A paste filter that gives the applications behind it a memory, and forgets all of it on request."""
    memory = Memory()

    def wrap(application: Any) -> Any:
        def remembering(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["PATH_INFO"] == FORGET:
                memory.clear()
                start_response("204 No Content", [])
                return []
            environ["swift.cache"] = memory
            return application(environ, start_response)

        return remembering

    return wrap


def _now() -> float:
    return time.time()
