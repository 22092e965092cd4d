"""The parts under the processes: threads, fairness, listening."""

import socket
import threading
import time

import pytest

from glance import errors
from glance.server.listening import bind, tls_context
from glance.server.loads import Loads
from glance.server.settings import KEY_AND_CERTIFICATE, ServerSettings
from glance.server.threads import ThreadPool
from glance.testing.servers import wait_until
from tests.certificates import issue, with_pass_phrase


def test_pool_when_tasks_follow_each_other_then_one_thread_does_all() -> None:
    pool = ThreadPool(10)
    names: set[int] = set()
    for _ in range(20):
        done = threading.Event()

        def task(done: threading.Event = done) -> None:
            names.add(threading.get_ident())
            done.set()

        pool.submit(task)
        assert done.wait(5)
        time.sleep(0.002)  # the thread counts itself as free just after its task
    assert len(names) < 10


def test_pool_when_all_threads_are_busy_then_further_tasks_wait_and_all_run() -> None:
    pool = ThreadPool(3)
    gate = threading.Event()
    finished = threading.Semaphore(0)
    running: list[int] = []

    def task() -> None:
        running.append(1)
        gate.wait(5)
        finished.release()

    for _ in range(10):
        pool.submit(task)
    deadline = time.monotonic() + 5
    while len(running) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(running) == 3
    gate.set()
    for _ in range(10):
        assert finished.acquire(timeout=5)


def test_pool_when_half_of_it_is_at_work_then_none_of_its_threads_is_to_wait_for_a_client() -> None:
    pool = ThreadPool(4)
    gate = threading.Event()
    begun = threading.Semaphore(0)

    def task() -> None:
        begun.release()
        gate.wait(5)

    assert pool.is_half_free
    for idle in (True, True, False, False, False):
        pool.submit(task)
        assert pool.is_half_free is idle
    gate.set()
    for _ in range(5):
        assert begun.acquire(timeout=5)
    wait_until(lambda: pool.is_half_free, "the end of all tasks")


def test_pool_when_a_task_fails_then_its_thread_serves_on(caplog: pytest.LogCaptureFixture) -> None:
    pool = ThreadPool(1)
    done = threading.Event()

    def fail() -> None:
        raise ValueError

    pool.submit(fail)
    pool.submit(done.set)
    assert done.wait(5)
    assert "A task failed" in caplog.text


def test_loads_when_a_worker_holds_more_than_another_then_only_that_one_is_patient() -> None:
    loads = Loads(2)
    assert loads.patience(0) == 0
    loads.note(0, 1)
    assert loads.patience(0) == pytest.approx(0.002)
    loads.note(0, 4)
    assert loads.patience(0) == pytest.approx(0.008)
    assert loads.patience(1) == 0
    loads.note(0, 1000)
    assert loads.patience(0) == pytest.approx(0.02)
    loads.note(1, 1000)
    assert loads.patience(0) == 0


def test_loads_when_connections_come_and_go_then_one_more_makes_nobody_patient() -> None:
    now = 0.0
    loads = Loads(2, clock=lambda: now)
    loads.note(0, 2)
    loads.note(0, 1)
    assert loads.patience(0) == 0
    loads.note(0, 2)
    assert loads.patience(0) == pytest.approx(0.004)
    loads.note(1, 1)
    now = 1.0
    assert loads.patience(0) == pytest.approx(0.002)


def test_bind_when_the_address_stays_taken_then_says_at_once_that_it_waits_and_at_last_how_long_it_tried(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.ConfigurationError) as caught:
            bind(ServerSettings(bind_host="127.0.0.1", bind_port=port), patience=1.1)
    assert [record.getMessage() for record in caplog.records] == [f"Another process uses 127.0.0.1:{port}; waiting up to 1.1 seconds for it to end"]
    assert caught.value.message == f"Could not bind to 127.0.0.1:{port} after trying for 1.1 seconds"


def test_bind_when_the_address_becomes_free_then_succeeds() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    timer = threading.Timer(0.3, taken.close)
    timer.start()
    with bind(ServerSettings(bind_host="127.0.0.1", bind_port=port), patience=10) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 600
    timer.join()


def test_bind_when_the_address_is_not_ours_then_fails_at_once() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"Could not bind to 192\.0\.2\.1:0"):
        bind(ServerSettings(bind_host="192.0.2.1", bind_port=0))


def test_settings_when_the_certificate_has_no_key_then_refused_in_the_known_words() -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        ServerSettings(cert_file="/c.pem")
    assert caught.value.message == KEY_AND_CERTIFICATE


@pytest.mark.parametrize("values", [{"header_timeout": 61}, {"header_timeout": 0}, {"client_socket_timeout": 0}, {"threads": 0}, {"workers": -1}])
def test_settings_when_no_server_could_run_with_them_then_refused(values) -> None:
    with pytest.raises(errors.ConfigurationError):
        ServerSettings(**values)


def test_tls_when_the_files_cannot_be_read_then_a_configuration_error() -> None:
    with pytest.raises(errors.ConfigurationError, match="cannot be used"):
        tls_context(ServerSettings(cert_file="/nowhere/c.pem", key_file="/nowhere/k.pem"))


def test_tls_when_the_key_has_a_pass_phrase_then_nobody_is_asked_for_it(tmp_path) -> None:
    made = issue(tmp_path)
    with pytest.raises(errors.ConfigurationError, match="key_file has a pass phrase"):
        tls_context(ServerSettings(cert_file=str(made.public), key_file=str(with_pass_phrase(made.key))))
