"""A whole Glance of real processes in a directory of its own, for tests of this project and of its users.

::

    with Glance(directory) as glance:
        glance.request("GET", "/v1/images")

``glance-manage setup`` writes the configuration; options given here are added to it. The programs run in the foreground as children of the
test, or as daemons under ``glance-control``. Linux only.
"""

from __future__ import annotations

import configparser
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from glance.testing.wire import Answer, decoded, parse_all

Service = Literal["registry", "api"]
#: Values by option, by section of a configuration file.
Options = Mapping[str, Mapping[str, object]]

#: Seconds that starting, stopping and single answers may take on a busy machine.
PATIENCE = 60.0

#: Lines of each log that an error shows.
_LOG_LINES = 60


class ServerFailure(Exception):
    """A server did not do what a test needs; the message ends with the logs."""


def program(name: str) -> str:
    """Path of an installed program, for example ``glance-api``."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def read_pid(path: Path) -> int:
    """The process that a pid file names."""
    return int(path.read_text().split()[0])


def wait_until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Asks ``condition`` again and again; raises TimeoutError, naming ``what``, when it stays false."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} seconds for {what}")
        time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    with contextlib.ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


class Glance:
    """glance-registry and glance-api in ``directory``. As a context manager it starts them, and kills what is left at the end.

    ``services`` are the programs to run: ("api",) alone suits ``registry_mode = embedded``. With ``control`` they are daemons that
    ``glance-control`` starts and stops. ``programs`` is the directory of another installation's programs.
    """

    api_host = "127.0.0.1"

    def __init__(
        self,
        directory: Path,
        *,
        flavor: str = "",
        api_options: Options | None = None,
        registry_options: Options | None = None,
        services: Sequence[Service] = ("registry", "api"),
        control: bool = False,
        programs: Path | None = None,
    ) -> None:
        self.directory = directory
        self.programs = programs or Path(program("glance-api")).parent
        self.services = tuple(services)
        self.control = control
        self.api_port, self.registry_port = free_ports(2)
        self._children: dict[Service, subprocess.Popen[bytes]] = {}
        self._set_up()
        chosen: Options = {"paste_deploy": {"flavor": flavor}} if flavor else {}
        self.add_options("api", {**chosen, **(api_options or {})})
        self.add_options("registry", {**chosen, **(registry_options or {})})

    # Places

    @property
    def url(self) -> str:
        return f"http://{self.api_host}:{self.api_port}"

    @property
    def images(self) -> Path:
        """The directory of the file store."""
        return self.directory / "images"

    @property
    def staging(self) -> Path:
        """Where staged data wait; made when something is staged for the first time."""
        return self.directory / "staging"

    @property
    def database(self) -> Path:
        return self.directory / "glance.sqlite"

    @property
    def run_directory(self) -> Path:
        """Where glance-control keeps the pid files."""
        return self.directory / "run"

    def conf(self, service: Service) -> Path:
        return self.directory / f"glance-{service}.conf"

    @property
    def registry_secret(self) -> str:
        """What glance-api proves itself with to glance-registry."""
        return self.option("registry", "DEFAULT", "registry_shared_secret")

    # Configuration

    def option(self, service: Service, section: str, name: str) -> str:
        """A value as it stands in the configuration file."""
        return _read(self.conf(service))[section][name]

    def add_options(self, service: Service, options: Options) -> None:
        """Writes options into the configuration file; they count from the next start."""
        parser = _read(self.conf(service))
        for section, values in options.items():
            if section != "DEFAULT" and not parser.has_section(section):
                parser.add_section(section)
            for name, value in values.items():
                parser.set(section, name, str(value))
        with self.conf(service).open("w") as file:
            parser.write(file)

    def manage(self, *arguments: str) -> str:
        """Runs glance-manage with this configuration; returns what it printed."""
        return self._run(["glance-manage", "--config-file", str(self.conf("registry")), *arguments])

    # Processes

    def command(self, service: Service) -> list[str]:
        """What runs a service in the foreground."""
        return [str(self.programs / f"glance-{service}"), "--config-file", str(self.conf(service))]

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if error is not None:
            print(self.logs())  # noqa: T201 - pytest shows it below the failure
        self.kill()

    def start(self, prefixes: Mapping[Service, Sequence[str]] | None = None) -> None:
        """Starts the services that do not run, and returns when they answer. ``prefixes``: a command to put in front, such as strace."""
        if self.control:
            self._run(["glance-control", "--pid-dir", str(self.run_directory), "all", "start", str(self.directory)])
        else:
            for service in self.services:
                if service not in self._children:
                    self._spawn(service, (prefixes or {}).get(service, ()))
        self.await_answers()

    def await_answers(self) -> None:
        """Returns when all services answer; raises ServerFailure when one ends or stays silent."""
        for service in self.services:
            self._await(service)

    def stop(self) -> None:
        """Ends the services as an operator does: running requests finish, those of the API before their registry goes."""
        if self.control:
            self._run(["glance-control", "--pid-dir", str(self.run_directory), "all", "stop"])
            return
        for service, child in sorted(self._children.items()):
            child.terminate()
            try:
                child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise self.failure(f"glance-{service} did not stop") from None
        self._children.clear()

    def kill(self) -> None:
        """Ends all processes at once, without warning (kill -9)."""
        for group in self._groups():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for child in self._children.values():
            child.wait(PATIENCE)
        self._children.clear()
        for path in self.run_directory.glob("*.pid*"):
            path.unlink()

    def kill_one(self, service: Service) -> None:
        """Ends all processes of one foreground service at once, without warning."""
        child = self._children.pop(service)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(PATIENCE)

    def restart(self) -> None:
        self.stop()
        self.start()

    def pid(self, service: Service) -> int:
        """The first process of a service."""
        if self.control:
            return read_pid(self.run_directory / f"glance-{service}.pid")
        return self._children[service].pid

    def exit_code(self, service: Service) -> int | None:
        """What a foreground service ended with, negative for a signal; None while it runs."""
        return self._children[service].poll()

    def pids(self) -> list[int]:
        """All processes of the services that run, workers too."""
        groups = set(self._groups())
        return [pid for pid, group in _process_groups() if group in groups]

    def memory(self) -> int:
        """Bytes of memory that all processes hold now."""
        return sum(_status_kib(pid, "VmRSS") for pid in self.pids()) * 1024

    def peak_memory(self) -> int:
        """The most bytes that each process has held since ``reset_peak_memory``, added up."""
        return sum(_status_kib(pid, "VmHWM") for pid in self.pids()) * 1024

    def reset_peak_memory(self) -> None:
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def open_files(self) -> list[str]:
        """What the descriptors of all processes lead to: paths, ``socket:[n]`` and the like."""
        found = []
        for pid in self.pids():
            for path in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):
                    found.append(os.readlink(path))
        return found

    def logs(self) -> str:
        """The end of every log and of what the programs printed."""
        parts = []
        for path in sorted((self.directory / "log").glob("*")):
            lines = path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            parts += [f"--- {path.name}", *lines]
        return "\n".join(parts)

    def failure(self, what: str) -> ServerFailure:
        """An error to raise, with the logs."""
        return ServerFailure(f"{what}\n{self.logs()}")

    # Requests

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterator[bytes] | None = None,
        *,
        service: Service = "api",
        timeout: float = PATIENCE,
    ) -> Answer:
        """One request on a connection of its own; an iterator is sent chunked. Header values are sent as UTF-8."""
        connection = self.connection(service, timeout)
        encoded = {name: value.encode() for name, value in (headers or {}).items()}
        with contextlib.closing(connection):
            connection.request(method, path, body, encoded, encode_chunked=body is not None and not isinstance(body, bytes))
            response = connection.getresponse()
            return Answer(response.status, decoded(response.getheaders()), response.read())

    def connection(self, service: Service, timeout: float) -> http.client.HTTPConnection:
        """What requests to a service go through; one that speaks TLS needs another."""
        return http.client.HTTPConnection(self.api_host, self.api_port if service == "api" else self.registry_port, timeout=timeout)

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        """A connection to glance-api."""
        return socket.create_connection((self.api_host, self.api_port), timeout)

    def raw(self, data: bytes, *, half_close: bool = False, timeout: float = PATIENCE) -> bytes:
        """Sends bytes as they are and returns all that comes until the server closes. Raises TimeoutError when it keeps the connection open.

        ``half_close`` ends our side after the data, as a client does that goes away.
        """
        received = b""
        with self.connect(timeout) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            try:
                while part := connection.recv(65536):
                    received += part
            except ConnectionError:
                pass
            except TimeoutError:
                raise TimeoutError(f"the connection stayed open after {received[:2000]!r}") from None
        return received

    def raw_answers(self, data: bytes, *, half_close: bool = False, timeout: float = PATIENCE) -> list[Answer]:
        """The answers that ``raw`` brings."""
        return parse_all(self.raw(data, half_close=half_close, timeout=timeout))

    # Inside

    def _set_up(self) -> None:
        self._run(["glance-manage", "setup", "--dir", str(self.directory)])
        self.add_options("api", {"DEFAULT": {"bind_host": self.api_host, "bind_port": self.api_port, "registry_port": self.registry_port}})
        self.add_options("registry", {"DEFAULT": {"bind_port": self.registry_port}})

    def _run(self, command: Sequence[str]) -> str:
        name, *arguments = command
        done = subprocess.run([str(self.programs / name), *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            raise self.failure(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def _spawn(self, service: Service, prefix: Sequence[str]) -> None:
        with (self.directory / "log" / f"{service}.out").open("ab") as output:
            child = subprocess.Popen(
                [*prefix, *self.command(service)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._children[service] = child

    def _await(self, service: Service) -> None:
        def answers() -> bool:
            if service in self._children and self._children[service].poll() is not None:
                raise self.failure(f"glance-{service} ended with {self._children[service].returncode}")
            try:
                self.request("GET", "/versions", service=service)
            except (OSError, http.client.HTTPException):
                return False
            return True

        try:
            wait_until(answers, f"glance-{service} to answer")
        except TimeoutError as error:
            raise self.failure(str(error)) from None

    def _groups(self) -> list[int]:
        if self.control:
            return [read_pid(path) for path in self.run_directory.glob("*.pid*")]
        return [child.pid for child in self._children.values()]


def _read(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.read(path)
    return parser


def _process_groups() -> Iterator[tuple[int, int]]:
    """(pid, process group) of every process."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[2])


def _status_kib(pid: int, field: str) -> int:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0
