"""A real RabbitMQ of a test's own (Debian package rabbitmq-server): no system service, nothing outside its directory."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import kombu

from glance.testing.servers import free_ports, wait_until

#: Not the program on PATH, which insists on a system user of its own.
SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"

CONF = """\
listeners.tcp.local = 127.0.0.1:{port}
default_user = guest
default_pass = guest
vm_memory_high_watermark.absolute = 256MB
disk_free_limit.absolute = 50MB
"""


class RabbitMQ:
    """A broker that can be killed, frozen and brought back; what it holds outlives it. As a context manager it starts and ends."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port, self._names_port, self._cluster_port = free_ports(3)
        self.url = f"rabbit://guest:guest@127.0.0.1:{self.port}/"
        self._names: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        (directory / "home").mkdir(parents=True)
        (directory / "rabbitmq.conf").write_text(CONF.format(port=self.port))
        (directory / "plugins").write_text("[].")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._end()

    def start(self) -> None:
        """Returns when the broker takes connections."""
        if self._names is None:  # Erlang's name server would stay for ever if the broker had to start it
            self._names = self._spawn("epmd", "-address", "127.0.0.1", "-port", str(self._names_port))
        self._server = self._spawn(SERVER)
        wait_until(self._answers, "RabbitMQ to answer", 60)

    def kill(self) -> None:
        """Ends the broker at once; clients see their connections break."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None

    def freeze(self) -> None:
        """Stops the broker without ending it; clients see nothing at all."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def notifications(self, queue: str) -> Iterator[dict[str, Any]]:
        """Takes the messages that are in a queue now, of either format; nothing while there is no such queue."""
        with kombu.Connection(f"amqp://guest:guest@127.0.0.1:{self.port}//") as connection, contextlib.suppress(*connection.channel_errors):
            channel = connection.channel()
            while (message := channel.basic_get(queue, no_ack=True)) is not None:
                content = json.loads(message.body)
                yield json.loads(content["oslo.message"]) if "oslo.message" in content else content

    def _signal(self, number: signal.Signals) -> None:
        if self._server is not None:
            os.killpg(self._server.pid, number)

    def _end(self) -> None:
        self.kill()
        if self._names is not None:
            self._names.kill()
            self._names.wait()
            self._names = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
                connection.sendall(b"AMQP\0\0\x09\x01")
                return bool(connection.recv(1))
        except OSError:
            return False

    def _spawn(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.directory / "out.log").open("ab") as output:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._environment(), start_new_session=True)

    def _environment(self) -> dict[str, str]:
        at = self.directory
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(at / "home"),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_CONFIG_FILE": str(at / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_GENERATED_CONFIG_DIR": str(at / "generated"),
            "RABBITMQ_MNESIA_BASE": str(at / "data"),
            "RABBITMQ_LOG_BASE": str(at / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(at / "plugins"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(at / "features"),
            "RABBITMQ_PID_FILE": str(at / "pid"),
            "RABBITMQ_DIST_PORT": str(self._cluster_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +A 16 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names_port),
        }
