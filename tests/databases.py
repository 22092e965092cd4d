"""The databases that the registry supports, real ones: files of SQLite, and servers of PostgreSQL and MariaDB (Debian's packages) in directories
of their own, on ports of their own.

::

    with PostgresServer() as server, server.migrated() as engine: ...
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
import pymysql
from sqlalchemy import ColumnElement, Engine, bindparam, delete, event

from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.schema import TIME, metadata
from glance.testing.servers import free_ports, wait_until

#: What ``--database`` names, and fixtures of tests/conftest.py.
KINDS = ("sqlite", "postgresql", "mariadb")

_USER = "glance"


def moments(clock: Callable[[], datetime]) -> Callable[[float], ColumnElement[datetime]]:
    """What ``from_now`` of glance.db.clock is, for leases by the clock of a test."""
    return lambda seconds: bindparam(None, callable_=lambda: clock() + timedelta(seconds=seconds), type_=TIME)


class Databases:
    """Where tests get databases from. Making one takes longer than emptying it, and so does warming an engine up: both are used again."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._clean: list[Engine] = []

    def new(self) -> str:
        """The URL of a database without tables."""
        raise NotImplementedError

    @contextlib.contextmanager
    def migrated(self) -> Iterator[Engine]:
        """A database with the newest schema and no rows."""
        engine = self._clean.pop() if self._clean else self._migrate()
        yield engine
        with engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
        self._clean.append(engine)

    def close(self) -> None:
        """Closes what was kept."""
        for engine in self._clean:
            engine.dispose()

    def _migrate(self) -> Engine:
        engine = make_engine(DatabaseSettings(self.new()))
        migrate.sync(engine)
        return engine


class SqliteFiles(Databases):
    """Files of a directory, which do not wait for the disk: nobody pulls the plug."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory

    def new(self) -> str:
        return f"sqlite:///{self._directory}/{next(self._numbers)}.sqlite"

    def _migrate(self) -> Engine:
        engine = super()._migrate()
        event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous = OFF"))
        return engine


class DatabaseServer(Databases):
    """A server of a test session. As a context manager it starts, and ends leaving no process and no file.

    It may be ended and started again from the thread that made it: the server ends with that thread.
    """

    #: Who runs the server where tests are run by root, which it refuses to be run by.
    account: str
    #: What ends it in an orderly way, without waiting for clients.
    ending: signal.Signals

    def __init__(self) -> None:
        super().__init__()
        [self.port] = free_ports(1)
        # The path of a socket must be short.
        self.directory = Path(tempfile.mkdtemp(prefix="glance-db-"))
        self.log = self.directory / "log"
        self._prefix = ["setpriv", "--pdeathsig", self.ending.name.removeprefix("SIG")]
        if os.getuid() == 0:
            owner = pwd.getpwnam(self.account)
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            self._prefix += [f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
        self._remove()

    # Databases

    def new(self) -> str:
        name = f"glance{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, name: str, port: int | None = None) -> str:
        """What an operator writes for a database; ``port``: that of a proxy in front."""
        raise NotImplementedError

    def execute(self, statement: str) -> None:
        """One statement of an administrator, in no database."""
        raise NotImplementedError

    # The process

    def start(self) -> None:
        """Returns when it answers; the data of an earlier run are still there."""
        with self.log.open("ab") as log:
            command = [*self._prefix, *self._command()]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self.directory)
        wait_until(self._answers, f"{self.account} to answer", 60)

    def stop(self) -> None:
        """Ends it in an orderly way; clients lose their connections."""
        self._end(self.ending)

    def kill(self) -> None:
        """Ends all its processes at once."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It goes on taking connections, and answers nobody."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    # Inside

    def _prepare(self) -> None:
        """Makes the data directory."""
        raise NotImplementedError

    def _command(self) -> Sequence[str]:
        """The server in the foreground."""
        raise NotImplementedError

    def _run(self, *command: str) -> None:
        done = subprocess.run([*self._prefix, *command], capture_output=True, text=True, cwd=self.directory, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"{self.account} ended:\n{self.log.read_text(errors='replace')[-4000:]}")
        with contextlib.suppress(psycopg.OperationalError, pymysql.err.OperationalError):
            self.execute("SELECT 1")
            return True
        return False

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            pids = self._pids()
            self._signal(number if number == signal.SIGKILL else signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(60)
            wait_until(lambda: not any(map(_runs, pids)), f"the processes of {self.account} to end")
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _pids(self) -> list[int]:
        """The server and its children, which are no group."""
        if self._process is None:
            return []
        pid = self._process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]

    def _remove(self) -> None:
        self.kill()
        shutil.rmtree(self.directory)


class PostgresServer(DatabaseServer):
    account = "postgres"
    ending = signal.SIGINT
    #: What is committed survives the end of the process; nobody pulls the plug here.
    settings: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB"}

    def url(self, name: str, port: int | None = None) -> str:
        return f"postgresql://{_USER}@127.0.0.1:{port or self.port}/{name}"

    def execute(self, statement: str) -> None:
        address = f"host=127.0.0.1 port={self.port} user={_USER} dbname=postgres connect_timeout=10"
        with contextlib.closing(psycopg.connect(address, autocommit=True)) as connection:
            connection.execute(statement.encode())

    def _prepare(self) -> None:
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-U", _USER]
        self._run(str(self._programs / "initdb"), "-D", str(self.directory / "data"), *options)

    def _command(self) -> Sequence[str]:
        options = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        where = ["-D", str(self.directory / "data"), "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self.directory)]
        return [str(self._programs / "postgres"), *where, *options]

    @property
    def _programs(self) -> Path:
        """Debian keeps each release in a directory of its own, none of them on PATH."""
        return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


class MariadbServer(DatabaseServer):
    account = "mysql"
    ending = signal.SIGTERM

    def url(self, name: str, port: int | None = None) -> str:
        return f"mysql://{_USER}@127.0.0.1:{port or self.port}/{name}"

    def execute(self, statement: str) -> None:
        with contextlib.closing(pymysql.connect(host="127.0.0.1", port=self.port, user="admin", connect_timeout=10)) as connection:
            connection.cursor().execute(statement)

    def _prepare(self) -> None:
        settings = {
            "datadir": self.directory / "data",
            "socket": self.directory / "socket",
            "pid-file": self.directory / "pid",
            "bind-address": "127.0.0.1",
            "port": self.port,
            "skip-name-resolve": "1",
            "innodb_buffer_pool_size": "64M",
            "innodb_log_file_size": "32M",
            # What is committed survives the end of the process; nobody pulls the plug here.
            "innodb_flush_log_at_trx_commit": "2",
            "innodb_flush_method": "nosync",
            "performance_schema": "OFF",
        }
        lines = ["[mariadbd]", *(f"{name} = {value}" for name, value in settings.items())]
        (self.directory / "my.cnf").write_text("\n".join(lines))
        users = self.directory / "users.sql"
        rights = {_USER: "ALL ON `glance%`.*", "admin": "ALL ON *.*"}
        lines = [f"CREATE USER {user}@'127.0.0.1';\nGRANT {right} TO {user}@'127.0.0.1';\n" for user, right in rights.items()]
        users.write_text("\n".join(["FLUSH PRIVILEGES;", *lines]))
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", f"--extra-file={users}"]
        self._run("mariadb-install-db", f"--defaults-file={self.directory}/my.cnf", *options)

    def _command(self) -> Sequence[str]:
        return ["mariadbd", f"--defaults-file={self.directory}/my.cnf"]


def _runs(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
