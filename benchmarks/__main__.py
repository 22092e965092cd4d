"""Everything that docs/performance.md claims, measured anew: ours and whoever stands beside it, in turn, in one run.

Usage: make bench BENCH_ARGS='--rows show list --peer upstream=http://127.0.0.1:9393 --page docs/performance.md'
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import table
from benchmarks.bench import Bench, Peer, Plan
from benchmarks.command_line import above_zero, named, named_pid, new_file, page, whole
from benchmarks.rows import ROWS
from benchmarks.table import Report, Run
from benchmarks.wire import MIB
from tests.results import commit

_PAGE = Path("docs/performance.md")
#: A look at everything in a few minutes, which proves nothing but that it works.
_QUICK = {"rounds": 1, "seconds": 2.0, "size": 64 * MIB, "few": 200, "many": 2000, "calls": 5, "slow": 50}


def main(words: Sequence[str] | None = None) -> None:
    """Runs the rows that were chosen, prints their lines, and writes what was asked for."""
    chosen = _parser().parse_args(words)
    plan = _plan(chosen)
    report = Report(Run(plan.host, str(datetime.now(UTC).date()), commit(besides=chosen.page or _PAGE)))
    with tempfile.TemporaryDirectory(prefix="glance-bench-") as name, contextlib.ExitStack() as stack:
        root = Path(name)
        root.chmod(0o755)  # nginx may not work as root
        bench = Bench(plan, root, stack)
        for row in chosen.rows:
            report.lines[row] = []
            for line in ROWS[row](bench):
                report.lines[row].append(line)
                print(table.printed(line), flush=True)
    if chosen.json:
        chosen.json.write_text(table.document(report, plan, bench.samples))
    if chosen.page:
        chosen.page.write_text(table.updated(chosen.page.read_text(), report))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=f"some of {', '.join(ROWS)}")
    parser.add_argument(
        "--peer", type=named, action="append", default=[], metavar="NAME=URL|PATH", help="a base URL, or a checkout of ours with its .venv"
    )
    parser.add_argument(
        "--peer-many", type=named, action="append", default=[], metavar="NAME=URL", help="the same peer with as many images as --many"
    )
    parser.add_argument(
        "--peer-pid", type=named_pid, action="append", default=[], metavar="NAME=PID", help="its first process, for processor time and memory"
    )
    parser.add_argument("--server", dest="host", choices=["own", "threads"], default="own", help="what carries our applications")
    parser.add_argument("--rounds", type=whole())
    parser.add_argument("--seconds", type=above_zero, help="of each count of requests")
    parser.add_argument("--size", type=whole(16, step=16), help="MiB of an image, a multiple of 16")
    parser.add_argument("--few", type=whole(100), help="images, at least 100")
    parser.add_argument("--many", type=whole(), help="images")
    parser.add_argument("--calls", type=whole(), help="of each list")
    parser.add_argument("--slow", type=whole(), help="uploads that are slow")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="writes all samples there")
    parser.add_argument("--page", type=page(table.BEGIN, table.END), metavar="FILE", help="puts the lines into the table of that page")
    return parser


def _plan(chosen: argparse.Namespace) -> Plan:
    named = {field.name: getattr(chosen, field.name) for field in fields(Plan) if getattr(chosen, field.name, None) is not None}
    if "size" in named:
        named["size"] *= MIB
    return Plan(**{**(_QUICK if chosen.quick else {}), **named, "peers": _peers(chosen)})


def _peers(chosen: argparse.Namespace) -> tuple[Peer, ...]:
    many, pids = dict(chosen.peer_many), dict(chosen.peer_pid)
    return tuple(Peer(name, place, many.get(name), pids.get(name)) for name, place in dict(chosen.peer).items())


if __name__ == "__main__":
    main()
