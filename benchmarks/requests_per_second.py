"""Small requests, many of them: wrk where one request is like the other, loops of our own where it depends on the one before."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator

from benchmarks import callers
from benchmarks.measuring import Sample, at_once
from benchmarks.services import Target
from benchmarks.wire import Connection, Headers, Unexpected

#: wrk counts nothing in less, where a request takes long.
_LEAST_SECONDS = 2
_PAGE = 100

_SCRIPT = """\
for name, value in pairs({headers}) do wrk.headers[name] = value end
{more}
done = function(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format('\\n{{"requests": %d, "microseconds": %d, "failed": %d, "p50": %d, "p99": %d}}\\n',
    summary.requests, summary.duration, failed, latency:percentile(50), latency:percentile(99)))
end
"""


def wrk(target: Target, path: str, clients: int, seconds: float, headers: Headers = callers.MEMBER, more: str = "") -> Sample:
    """GET again and again on ``clients`` kept connections. ``more`` is Lua for wrk. Raises Unexpected for any failure."""
    table = "{" + ", ".join(f'["{name}"] = "{value}"' for name, value in headers.items()) + "}"
    duration = max(_LEAST_SECONDS, round(seconds))
    before = target.tree.seconds() if target.tree else 0.0
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT.format(headers=table, more=more))
        script.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{duration}s", "--timeout", "60s", "-s", script.name, target.url + path]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    counted = json.loads(printed.splitlines()[-1])
    if counted["failed"] or not counted["requests"]:
        raise Unexpected(f"{target.name} {path}: {printed}")
    sample = {
        "req/s": counted["requests"] * 1e6 / counted["microseconds"],
        "p50 ms": counted["p50"] / 1000,
        "p99 ms": counted["p99"] / 1000,
    }
    if target.tree:
        sample["CPU ms"] = (target.tree.seconds() - before) * 1000 / counted["requests"]
    return sample


def pairs(target: Target, clients: int, seconds: float) -> Sample:
    """Records of images, each created and deleted at once."""
    end = time.monotonic() + seconds

    def work() -> tuple[int, int]:
        done = failed = 0
        with Connection(target.url, callers.MEMBER) as connection:
            while time.monotonic() < end:
                if _pair(connection):
                    done += 1
                else:
                    failed += 1
        return done, failed

    started = time.perf_counter()
    counted = at_once([work] * clients)
    taken = time.perf_counter() - started
    return {"pairs/s": sum(done for done, _failed in counted) / taken, "failures": sum(failed for _done, failed in counted)}


def _pair(connection: Connection) -> bool:
    document = {"id": str(uuid.uuid4()), "name": "pair", "disk_format": "raw", "container_format": "bare", "os": "linux", "tags": ["one"]}
    try:
        connection.call_json("POST", "/v2/images", document)
        connection.call("DELETE", f"/v2/images/{document['id']}")
    except Unexpected:
        return False
    return True


def walk(url: str, seconds: float) -> Sample:
    """Images that a client sees each second which follows the pages to the end, or as far as it gets in that time."""
    started = time.perf_counter()
    end, seen, path = time.monotonic() + seconds, 0, f"/v2/images?limit={_PAGE}"
    with Connection(url, callers.admin()) as connection:
        while path and time.monotonic() < end:
            page = connection.call("GET", path).json
            seen += len(page["images"])
            path = page.get("next", "")
    return {"images/s": seen / (time.perf_counter() - started)}


def latencies(connection: Connection, path: str, calls: int) -> Iterator[float]:
    """Milliseconds that each of some calls takes, one after the other."""
    for _ in range(calls):
        started = time.perf_counter()
        connection.call("GET", path)
        yield (time.perf_counter() - started) * 1000
