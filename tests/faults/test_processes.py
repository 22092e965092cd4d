"""What becomes of requests while processes end, are replaced, are told to read their configuration anew, or die (R37 to R39)."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import Self

import pytest

from glance import worker
from glance.config import programs
from glance.config.pipelines import SHIPPED
from glance.testing.servers import Glance, read_pid, wait_until
from tests.faults.clients import attempts, download, new_image, stored, upload
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.init_system import Asking, Download, Kept, Upload

MIB = 1 << 20
#: Uploads that run while a process ends, and as many downloads.
AT_ONCE = 50
SMALL = os.urandom(65536)
#: More than all buffers between a server and a client who does not read.
LARGE = os.urandom(8 * MIB)
#: The first line in the log of a worker process that serves.
SERVES = "wsgi starting up on"


def refuses(glance: Glance) -> bool:
    try:
        glance.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def answers(glance: Glance) -> bool:
    try:
        return glance.request("GET", "/livez").status == 200
    except OSError:
        return False


def logged(glance: Glance, text: str) -> int:
    """How often a text is in the logs, those that were rotated too."""
    return sum(path.read_text().count(text) for path in (glance.directory / "log").glob("api.log*"))


def names(glance: Glance) -> set[str]:
    """All processes, in the words of ``glance.worker``."""
    return {worker.name_of(pid) for pid in glance.pids()}


def workers(glance: Glance) -> set[int]:
    return set(glance.pids()) - {glance.pid("api")}


def await_workers(glance: Glance, count: int) -> None:
    """Returns when so many workers have begun to serve since the log began."""
    wait_until(lambda: logged(glance, SERVES) == count, f"the worker number {count}")


@pytest.fixture
def service(tmp_path: Path) -> Glance:
    """A service with two worker processes that is not started."""
    return Glance(tmp_path / "service", services=("api",), api_options={"DEFAULT": {**EMBEDDED, "workers": 2}})


@pytest.mark.parametrize("holding", [True, False], ids=["socket handed over", "socket of its own"])
def test_r37_process_when_replaced_under_load_then_no_request_is_cut(service: Glance, rounds: Rounds, report: Report, *, holding: bool) -> None:
    times = rounds(1, 20)
    with Kept(service, holding=holding) as kept, Asking(service) as asking:
        process = kept.start()
        wait_until(lambda: answers(service), "an answer")
        large = stored(service, LARGE)
        statuses, whole, ends = [], [], []
        for _ in range(times):
            uploads = [Upload(service, new_image(service), SMALL) for _ in range(AT_ONCE)]
            downloads = [Download(service, large) for _ in range(AT_ONCE)]
            wait_until(lambda: attempts(service) == AT_ONCE, "uploads that run")
            process.terminate()
            if not holding:
                wait_until(lambda: refuses(service), "the end of accepting while requests run")
            finished = [one.finish() for one in uploads]
            statuses += [answer.status if answer else None for answer in finished]
            whole += [one.finish() == LARGE for one in downloads]
            ends.append(process.wait(60))
            process = kept.start()
            wait_until(lambda: answers(service), "an answer of the next process")
            whole += [download(service, one.image_id).body == SMALL for one in uploads]
    cut = len(asking.cut) + sum(status != 204 for status in statuses) + whole.count(False)
    place = "socket handed over" if holding else "no hand-over"
    report(
        f"R37 restart, {place}: {times} times, {len(statuses)} uploads and as many downloads running, "
        f"{asking.answered} other requests: connections refused = {asking.refused}, requests cut = {cut}"
    )
    assert (cut, asking.cut, set(ends)) == (0, [], {0})
    assert holding is (asking.refused == 0)


def test_handed_over_socket_when_at_another_address_then_the_service_does_not_start(service: Glance) -> None:
    with Kept(service, holding=True) as kept:
        service.add_options("api", {"DEFAULT": {"bind_host": "127.0.0.2"}})
        assert kept.start().wait(60) == 1
    handed_over = f"handed over: 1, SOCK_STREAM at 127.0.0.1:{service.api_port}"
    assert f"What is handed over must be one listening socket, at 127.0.0.2:{service.api_port}; {handed_over}" in service.logs()


def test_shipped_socket_unit_then_is_at_the_address_of_the_shipped_configuration(tmp_path: Path) -> None:
    unit = (SHIPPED / "systemd/glance-api.socket").read_text()
    [(host, port)] = re.findall(r"^ListenStream=(.+):(\d+)$", unit, re.MULTILINE)
    glance = Glance(tmp_path / "glance", services=("api",))
    glance.api_host = host
    glance.conf("api").write_text((SHIPPED / "glance-api.conf").read_text())
    assert int(port) == programs.load(programs.API, [str(glance.conf("api"))]).conf.bind_port
    # That port is the machine's, and so are the places of data.
    data = {"glance_store": {"filesystem_store_datadir": glance.images}, "database": {"connection": f"sqlite:///{glance.database}"}}
    glance.add_options("api", {"DEFAULT": {**EMBEDDED, "bind_port": glance.api_port}, **data})

    with Kept(glance, holding=True) as kept:
        process = kept.start()
        wait_until(lambda: process.poll() is not None or SERVES in glance.logs(), "the start")
        assert process.poll() is None, glance.logs()
        assert answers(glance)


@pytest.mark.parametrize("count", [0, 2])
def test_sigterm_when_a_delay_is_set_then_all_is_served_and_the_service_is_not_ready(service: Glance, count: int) -> None:
    service.add_options("api", {"DEFAULT": {"workers": count, "drain_delay": 1000}})
    with service:
        os.kill(service.pid("api"), signal.SIGTERM)
        wait_until(lambda: service.request("GET", "/readyz").status == 503, "the end of being ready")
        wait_until(lambda: service.request("GET", "/readyz?verbose").text == "[-]shutdown failed: stopping\nreadyz check failed\n", "the reason")
        answer = service.request("GET", "/v2/images")
        assert (answer.status, answer.header("Connection")) == (200, "close")
        assert service.exit_code("api") is None
        os.killpg(service.pid("api"), signal.SIGINT)
        wait_until(lambda: service.exit_code("api") == 0, "the end")


class Load:
    """Clients that store, read and delete images, each request on a new connection; ``failures`` says which of them failed, and how."""

    def __init__(self, glance: Glance) -> None:
        self.requests = 0
        self.failures: list[str] = []
        self._glance = glance
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(4)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._live_of_an_image()
            except (OSError, ValueError, AssertionError) as error:
                self.failures.append(repr(error))

    def _live_of_an_image(self) -> None:
        image_id = new_image(self._glance)
        assert upload(self._glance, image_id, [SMALL], len(SMALL)).status == 204
        assert download(self._glance, image_id).body == SMALL
        assert self._glance.request("GET", "/v2/images").status == 200
        assert self._glance.request("DELETE", f"/v2/images/{image_id}").status == 204
        with self._lock:
            self.requests += 5


def test_r38_reload_when_under_load_then_nothing_is_dropped_and_no_process_is_left(service: Glance, rounds: Rounds, report: Report) -> None:
    times = rounds(5, 100)
    counts = cycle([4, 1, 2])
    count, refused, seen = 2, 0, set()
    log = service.directory / "log" / "api.log"
    with service:
        seen |= names(service)
        with Load(service) as load:
            for number in range(times):
                log.rename(f"{log}.{number}")
                old, good = workers(service), number % 5 != 2
                if good:
                    count = next(counts)
                    service.add_options("api", {"DEFAULT": {"workers": count}})
                else:
                    service.add_options("api", {"DEFAULT": {"bind_port": service.api_port + 1}})
                os.kill(service.pid("api"), signal.SIGHUP)
                if good:
                    wait_until(lambda old=old, count=count: len(workers(service) - old) == count and not workers(service) & old, "the new workers")
                else:
                    refused += 1
                    reason = "not reloaded: Another address, bind_host or bind_port, needs a restart."
                    wait_until(lambda refused=refused, reason=reason: logged(service, reason) == refused, "the reason why nothing changed")
                    assert workers(service) == old
                    service.add_options("api", {"DEFAULT": {"bind_port": service.api_port}})
                seen |= names(service)
                wait_until(log.exists, "the log's new file")
        service.stop()
    assert [name for name in seen if not worker.is_dead(name)] == []
    lines = logged(service, '"POST /v2/images"')
    report(
        f"R38 reload: {times} times ({refused} with a bad configuration, refused) between 1, 2 and 4 workers, the log renamed before each: "
        f"{load.requests} requests, dropped = {len(load.failures)}, processes left = 0, lines of the log lost = {load.requests // 5 - lines}"
    )
    assert (load.failures, lines) == ([], load.requests // 5)


def test_r39_worker_when_it_dies_again_and_again_then_replaced_after_longer_and_longer(service: Glance, rounds: Rounds, report: Report) -> None:
    gaps = []
    with service:
        await_workers(service, 2)
        keeps, victim = sorted(workers(service))
        for _ in range(rounds(4, 8)):
            since = monotonic()
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda victim=victim: len(workers(service) - {keeps, victim}) == 1, "another worker", 120)
            gaps.append(monotonic() - since)
            [victim] = workers(service) - {keeps, victim}
            assert service.request("GET", "/v2/images").status == 200
        wait_until(lambda: logged(service, f"({victim}) {SERVES}") == 1, "the last worker")
    report(
        f"R39 worker killed again and again: {len(gaps)} times, replaced after {', '.join(f'{gap:.2f}' for gap in gaps)} s, the other one served on"
    )
    # Whether the pause of the first time counts depends on how long the test took to get there.
    assert [gap >= 0.25 * 2**number for number, gap in enumerate(gaps[1:])] == [True] * (len(gaps) - 1)


def test_r39_parent_when_killed_then_requests_finish_and_a_new_one_starts_at_once(service: Glance, rounds: Rounds, report: Report) -> None:
    seconds = []
    for number in range(rounds(1, 10)):
        service.start()
        await_workers(service, 4 * number + 2)
        image_id = new_image(service)
        running = Upload(service, image_id, SMALL)
        wait_until(lambda: attempts(service) == 1, "the upload")
        left = {worker.name_of(pid) for pid in workers(service)}
        since = monotonic()
        os.kill(service.pid("api"), signal.SIGKILL)
        wait_until(lambda: refuses(service), "the end of accepting")
        answer = running.finish()
        assert answer is not None
        assert answer.status == 204
        wait_until(lambda left=left: all(map(worker.is_dead, left)), "the end of the workers")
        with socket.create_server((service.api_host, service.api_port)):
            """The port is free."""
        service.kill()
        service.start()
        await_workers(service, 4 * (number + 1))
        seconds.append(monotonic() - since)
        assert download(service, image_id).body == SMALL
        service.kill()
    report(f"R39 parent killed, an upload running: {len(seconds)} times, uploads cut = 0, back at full strength after {max(seconds):.1f} s at most")


def test_r39_everything_when_killed_then_the_stale_pid_file_is_in_nobodys_way(tmp_path: Path, rounds: Rounds, report: Report) -> None:
    service = Glance(tmp_path / "service", control=True, api_options={"DEFAULT": {"workers": 2}})
    seconds = []
    with service:
        for number in range(rounds(1, 10)):
            await_workers(service, 2 * (number + 1))
            killed = {path: read_pid(path) for path in service.run_directory.glob("*.pid")}
            since = monotonic()
            for pid in killed.values():
                os.killpg(pid, signal.SIGKILL)
            wait_until(lambda: not service.pids(), "the end of all processes")
            service.start()
            await_workers(service, 2 * (number + 2))
            seconds.append(monotonic() - since)
            assert [path for path, pid in killed.items() if read_pid(path) == pid] == []
    report(f"R39 everything killed, pid file stale: {len(seconds)} times, back at full strength after {max(seconds):.1f} s at most")
