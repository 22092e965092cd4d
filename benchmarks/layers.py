"""Where the processor time of a request goes, by layer: stacks of all processes, sampled by py-spy while clients keep them busy.

Usage: make profile BENCH_ARGS='--seconds 10 --page docs/performance.md'. Most systems let root alone look into processes like this.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, Plan
from benchmarks.command_line import above_zero, page, whole
from benchmarks.populate import public_image
from benchmarks.requests_per_second import wrk
from benchmarks.services import Target
from benchmarks.table import number, placed
from benchmarks.transfers import GIB, downloads, stored, uploads
from benchmarks.wire import MIB
from glance.testing.servers import program
from tests.results import commit

BEGIN, END = "<!-- layers: make profile writes them -->", "<!-- end of layers -->"
PAGE = Path("docs/performance.md")

#: The time of a sample belongs to the innermost frame of one of these, in this order; what they call of Python's own library belongs to them.
LAYERS: Mapping[str, tuple[str, ...]] = {
    "server: connections, HTTP": ("glance/server/", "eventlet/", "greenlet/"),
    "API: routes, translation": ("glance/api/", "glance/router.py", "webob/", "paste/"),
    "use cases, policy": ("glance/service/", "glance/model/", "glance/policies/", "glance/context.py", "glance/worker.py", "glance/notifier/"),
    "digests, inspection": ("glance/stream.py", "glance/inspector/", "oslo_utils/", "concurrent/futures/"),
    "store": ("glance/store/",),
    "registry: both ends of the wire": ("glance/registry/", "httptools/"),
    "SQL: ours": ("glance/db/",),
    "SQL: SQLAlchemy": ("sqlalchemy/",),
    "SQL: driver": ("psycopg/", "psycopg_binary/"),
    "log": ("logging/", "oslo_log/", "glance/config/logs.py"),
}
OTHER = "other"
_CLIENTS = 8


def layer_of(stack: str) -> str:
    """The layer of a stack as py-spy writes it, outermost frame first: ``name (path:line);name (path:line)``."""
    for frame in reversed(stack.split(";")):
        path = frame.rpartition("(")[2]
        for layer, prefixes in LAYERS.items():
            if path.startswith(prefixes):
                return layer
    return OTHER


def counted(raw: str) -> Counter[str]:
    """Samples by layer, of lines as py-spy writes them: a stack and how often it was seen."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, times = line.rpartition(" ")
        found[layer_of(stack)] += int(times)
    return found


@contextlib.contextmanager
def sampled(pids: Sequence[int]) -> Iterator[Counter[str]]:
    """Samples of these processes and their children, during the block; there once it has ended."""
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / str(pid) for pid in pids]
        options = ["--subprocesses", "--rate", "200", "--format", "raw"]
        commands = [[program("py-spy"), "record", *options, "--pid", str(pid), "--output", str(file)] for pid, file in zip(pids, files, strict=True)]
        watchers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for command in commands]
        for watcher in watchers:
            if watcher.stdout is None or "Sampling" not in watcher.stdout.readline():
                raise RuntimeError("py-spy may not look into the processes")
        try:
            yield found
        finally:
            for watcher in watchers:
                watcher.send_signal(signal.SIGINT)
                watcher.communicate()
        for file in files:
            found.update(counted(file.read_text()))


def profile(target: Target, load: Callable[[], float]) -> dict[str, float]:
    """Processor time by layer, in the unit that ``load`` returns."""
    if target.tree is None:
        raise ValueError("only of processes that are known can anything be sampled")
    with sampled(target.tree.roots()) as found:
        cost = load()
    return {layer: cost * times / found.total() for layer, times in found.items()}


def loads(bench: Bench) -> dict[str, Callable[[], float]]:
    """What keeps the service busy, and how much processor time each request (ms) or GiB (s) took."""
    ours, seconds, size = bench.ours, bench.plan.seconds, bench.plan.size
    path = stored(ours, size)

    def requests(asked: str) -> float:
        return wrk(ours, asked, _CLIENTS, seconds)["CPU ms"]

    def transfers(one: Callable[[], object]) -> float:
        before, end, count = _seconds(ours), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            one()
            count += 1
        return (_seconds(ours) - before) * GIB / size / count

    return {
        "show, ms": partial(requests, f"/v2/images/{public_image(bench.plan.few)}"),
        "list of 25, ms": partial(requests, "/v2/images?limit=25"),
        "upload, s/GiB": partial(transfers, partial(uploads, ours, size)),
        "download, s/GiB": partial(transfers, partial(downloads, ours, path, size, 1)),
    }


def table(profiles: Mapping[str, Mapping[str, float]], date: str, commit_id: str) -> list[str]:
    """A row for each layer, a column for each load."""
    rows = [(layer, *(number(times.get(layer, 0.0)) for times in profiles.values())) for layer in (*LAYERS, OTHER)]
    rows.append(("**all**", *(number(sum(times.values())) for times in profiles.values())))
    head = (f"layer ({date}, {commit_id})", *profiles)
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def main() -> None:
    """Profiles everything, prints the table, and writes it into a page where that was asked for."""
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=above_zero, default=10, help="of each load")
    parser.add_argument("--size", type=whole(16, step=16), default=1024, help="MiB of an image, a multiple of 16")
    parser.add_argument("--few", type=whole(100), default=1000, help="images")
    parser.add_argument("--page", type=page(BEGIN, END), metavar="FILE", help="puts the table into that page")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="glance-bench-") as name, contextlib.ExitStack() as stack:
        bench = Bench(Plan(seconds=chosen.seconds, size=chosen.size * MIB, few=chosen.few), Path(name), stack)
        profiles = {what: profile(bench.ours, load) for what, load in loads(bench).items()}
    lines = table(profiles, str(datetime.now(UTC).date()), commit(besides=chosen.page or PAGE))
    print("\n".join(lines))
    if chosen.page:
        chosen.page.write_text(placed(chosen.page.read_text(), BEGIN, END, lines))


def _seconds(target: Target) -> float:
    return target.tree.seconds() if target.tree else 0.0


if __name__ == "__main__":
    main()
