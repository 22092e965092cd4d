"""The server's processes: fair shares, reload, drain, death; and TLS."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.functional.server_process import APP, Client, Server, is_running, wait_until


class Load:
    """Clients that ask without a pause, half of them on connections that are kept."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answers: Counter[bytes] = Counter()
        self.failures: list[str] = []
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(ask,)) for ask in (self._anew, self._kept) * 2]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _run(self, ask: Callable[[], None]) -> None:
        while not self._end.is_set():
            try:
                ask()
            except (OSError, EOFError) as error:
                self.failures.append(repr(error))

    def _anew(self) -> None:
        self.answers[self.server.get().split()[0]] += 1

    def _kept(self) -> None:
        with self.server.connect() as client:
            while not self._end.is_set():
                client.get()
                _, headers, body = client.answer()
                self.answers[body.split()[0]] += 1
                if headers.get("connection") == "close":
                    return


def test_connections_when_many_are_kept_then_shared_evenly_by_the_workers(tmp_path: Path) -> None:
    with Server(tmp_path, workers=2) as server:
        clients = []
        shares: Counter[bytes] = Counter()
        for _ in range(16):
            client = server.connect()
            client.get()
            shares[client.answer()[2]] += 1
            clients.append(client)
        for client in clients:
            client.__exit__()
        assert min(shares.values()) >= 7


@pytest.mark.parametrize("workers", [0, 2])
def test_what_was_loaded_when_a_process_serves_then_its_collector_leaves_it_alone(tmp_path: Path, workers: int) -> None:
    with Server(tmp_path, workers=workers) as server:
        assert int(server.get("/kept")) > 1000


@pytest.mark.parametrize("workers", [0, 2])
def test_sigterm_when_a_request_runs_then_it_is_answered_and_the_exit_is_clean(tmp_path: Path, workers: int) -> None:
    with Server(tmp_path, workers=workers) as server, server.connect() as slow, server.connect() as idle:
        idle.get()
        idle.answer()
        slow.get("/slow")
        server.await_log("slow began")
        server.signal(signal.SIGTERM)
        assert idle.ended()
        wait_until(lambda: not server.accepts(), "the end of accepting", 0.8)
        status, headers, _ = slow.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert server.process.wait(10) == 0
        assert server.log.count("stopped in") == max(1, workers)


def test_sigterm_when_a_request_takes_too_long_then_it_is_cut(tmp_path: Path) -> None:
    with Server(tmp_path, workers=1, drain_timeout=0.2) as server, server.connect() as client:
        client.send(b"PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        wait_until(lambda: server.get() != b"", "an answer")
        server.signal(signal.SIGTERM)
        assert server.process.wait(5) == 0
        assert client.ended()


@pytest.mark.parametrize("workers", [0, 2])
def test_sighup_when_under_load_then_new_configuration_and_nothing_dropped(tmp_path: Path, workers: int) -> None:
    with Server(tmp_path, workers=workers) as server:
        old = server.worker_pids()
        with Load(server) as load:
            wait_until(lambda: load.answers[b"hello"] > 50, "load")
            for round_, word in enumerate(("two", "three")):
                server.configure(workers=workers, word=word)
                server.signal(signal.SIGHUP)
                wait_until(lambda word=word: load.answers[word.encode()] > 50, f"the word of round {round_}")
        assert load.failures == []
        wait_until(lambda: not (server.worker_pids() & old), "the end of the old workers")
        wait_until(lambda: len(server.worker_pids()) == workers, "the number of workers")
        assert {server.get().split()[0] for _ in range(10)} == {b"three"}


@pytest.mark.parametrize("workers", [0, 1])
def test_sighup_when_the_configuration_is_broken_then_the_old_one_serves_on(tmp_path: Path, workers: int) -> None:
    with Server(tmp_path, workers=workers) as server:
        pid = server.serving_pid()
        server.configure(workers=workers, broken=True)
        server.signal(signal.SIGHUP)
        server.await_log("not reloaded: broken on purpose")
        assert server.serving_pid() == pid


def test_sighup_when_new_workers_cannot_start_then_the_old_ones_serve_until_they_can(tmp_path: Path) -> None:
    with Server(tmp_path, workers=2) as server:
        old = server.worker_pids()
        server.configure(workers=2, fails_to_start=True)
        server.signal(signal.SIGHUP)
        server.await_log("A worker could not start: cannot start on purpose", 3)
        assert server.serving_pid() in old
        server.configure(workers=1, word="mended")
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.get().startswith(b"mended"), "the mended configuration")
        wait_until(lambda: len(server.worker_pids()) == 1, "one worker")


def test_worker_when_killed_then_replaced(tmp_path: Path) -> None:
    with Server(tmp_path, workers=2) as server:
        victim = server.worker_pids().pop()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(server.worker_pids() - {victim}) == 2, "a new worker")
        server.await_log("starting up", 3)
        assert server.get().startswith(b"hello")


def test_worker_when_killed_and_no_process_can_be_made_then_replaced_as_soon_as_one_can(tmp_path: Path) -> None:
    with Server(tmp_path, workers=2) as server:
        inject = "inject=clone,clone3,fork,vfork:error=EAGAIN:when=1..2"
        command = ["strace", "-o", "/dev/null", "-e", "trace=clone,clone3,fork,vfork", "-e", inject, "-p", str(server.process.pid)]
        victim = server.worker_pids().pop()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            try:
                assert "attached" in tracer.stderr.readline()
                os.kill(victim, signal.SIGKILL)
                server.await_log("starting up", 3)
            finally:
                tracer.terminate()
        assert len(server.worker_pids() - {victim}) == 2
        assert server.log.count("No worker can be started at the moment") == 2


def test_parent_when_killed_then_its_workers_end_and_the_port_is_free(tmp_path: Path) -> None:
    with Server(tmp_path, workers=2) as server:
        workers = server.worker_pids()
        server.process.kill()
        wait_until(lambda: not any(map(is_running, workers)), "the end of the workers")
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", server.port))


def test_descriptors_when_few_then_connections_wait_and_the_server_recovers(tmp_path: Path) -> None:
    with Server(tmp_path, workers=0) as server:
        subprocess.run(["prlimit", f"--pid={server.process.pid}", "--nofile=32:32"], check=True)
        clients = [server.connect() for _ in range(100)]
        for client in clients:
            client.get("/hello", "Connection: close\r\n")
        for client in clients:
            with client:
                assert client.answer()[0] == 200
        assert server.get().startswith(b"hello")


def test_start_when_the_configuration_is_broken_then_said_before_anything_listens(tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text('{"cert_file": "c.pem"}')
    done = subprocess.run(
        [sys.executable, str(APP), str(settings)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        cwd=APP.parents[2],
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("ERROR: When running server in SSL mode, you must specify both")


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, str]:
    paths = {"cert_file": str(tmp_path / "c.pem"), "key_file": str(tmp_path / "k.pem")}
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-out", paths["cert_file"], "-keyout", paths["key_file"]], check=True, capture_output=True)
    return paths


def secure(server: Server, context: ssl.SSLContext) -> Client:
    return Client(context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 20), server_hostname="localhost"))


def test_tls_when_configured_then_requests_bodies_and_files_pass(tmp_path: Path, certificate: dict[str, str]) -> None:
    data = tmp_path / "data"
    data.write_bytes(os.urandom(3_000_000))
    context = ssl.create_default_context(cafile=certificate["cert_file"])
    with Server(tmp_path, workers=1, file=str(data), **certificate) as server:
        with secure(server, context) as client:
            body = os.urandom(1_000_000)
            client.send(b"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + body)
            assert client.answer()[2] == body
            # Two requests in one record: the second one waits inside the TLS layer.
            client.send(b"GET /environ HTTP/1.1\r\nHost: a\r\n\r\nGET /download?5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert b'"wsgi.url_scheme": "https"' in client.answer()[2]
            assert client.answer()[2] == data.read_bytes()[5:]
            assert client.ended()
        with server.connect() as plain, server.connect() as silent:
            plain.get()
            with suppress(ConnectionError):
                assert b"HTTP" not in plain.file.read()
            with secure(server, context) as client:
                client.get()
                assert client.answer()[0] == 200
            silent.sock.close()


def test_tls_when_a_ca_is_configured_then_clients_need_a_certificate(tmp_path: Path, certificate: dict[str, str]) -> None:
    context = ssl.create_default_context(cafile=certificate["cert_file"])
    with Server(tmp_path, workers=0, ca_file=certificate["cert_file"], **certificate) as server:
        # TLS 1.3 tells it only with the first answer.
        with suppress(ConnectionError, ssl.SSLError), secure(server, context) as client:
            client.get()
            assert client.ended()
        context.load_cert_chain(certificate["cert_file"], certificate["key_file"])
        with secure(server, context) as client:
            client.get()
            assert client.answer()[0] == 200
