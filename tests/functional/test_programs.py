"""glance-api, glance-registry and glance-manage as their operators meet them: files, lines, exit statuses, logs."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAMS = Path(sysconfig.get_path("scripts"))
PATIENCE = 30

CACTUS = """\
[DEFAULT]
debug = True
verbose = True
log_format = %(asctime)s %(levelname)8s [%(name)s] %(message)s

[app:glance-api]
paste.app_factory = glance.server:app_factory
default_store = file
filesystem_store_datadir = {directory}/images/
bind_host = 127.0.0.1
bind_port = {api}
registry_host = 0.0.0.0
registry_port = {registry}
log_file = {directory}/api.log

[app:glance-registry]
paste.app_factory = glance.registry.server:app_factory
bind_host = 127.0.0.1
bind_port = {registry}
log_file = {directory}/registry.log
sql_connection = sqlite:///{directory}/glance.sqlite
sql_idle_timeout = 3600
"""


def run(name: str, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(cwd / "home")}
    command = [PROGRAMS / name, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def status(port: int, path: str) -> int:
    """The status of a GET, 0 while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def eventually(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts programs in the foreground; all are ended after the test."""
    children: list[subprocess.Popen[str]] = []

    def start(name: str, *arguments: str | Path) -> subprocess.Popen[str]:
        with (tmp_path / f"{name}.out").open("w") as output:
            child = subprocess.Popen([PROGRAMS / name, *arguments], cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT, text=True)
        children.append(child)
        return child

    yield start
    for child in children:
        child.terminate()
        child.wait(PATIENCE)


@pytest.fixture
def conf(tmp_path: Path) -> Callable[..., Path]:
    """Writes a configuration for glance-registry on a database of its own."""

    def conf(*lines: str, mode: int = 0o640) -> Path:
        path = tmp_path / "glance-registry.conf"
        path.write_text("\n".join(["[DEFAULT]", "workers = 0", f"sql_connection = sqlite:///{tmp_path}/glance.sqlite", *lines]))
        path.chmod(mode)
        return path

    return conf


@pytest.mark.parametrize("name", ["glance-api", "glance-registry"])
def test_server_when_there_is_no_configuration_then_one_line_and_exit_1(name: str, tmp_path: Path) -> None:
    done = run(name, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ERROR: Unable to locate any configuration file. Cannot load application {name}\n"


@pytest.mark.parametrize(
    ("lines", "exit_code", "reason"),
    [
        (["bind_port = seventy"], 1, "'seventy'. Accepted: a whole number, at least 0, at most 65535."),
        (["[database]", "connection = nonsense"], 1, "no database URL"),
        (["[database]", "connection = sqlite:////no/such/directory/x.sqlite"], 1, "/x.sqlite cannot be used: its directory does not exist"),
        (["cert_file = /x"], 1, "When running server in SSL mode, you must specify both"),
        (["[paste_deploy]", "config_file = absent.ini"], 1, "Unable to locate paste config file for glance-registry."),
        (["[paste_deploy]", "flavor = vanilla"], 1, "Its flavors are: http_basic, keystone, tokens, trusted-auth."),
        (["log_file = /dev/null/registry.log"], 1, "Logging cannot be set up"),
    ],
    ids=["value", "database", "directory", "tls", "paste", "flavor", "log"],
)
def test_registry_when_the_configuration_is_wrong_then_says_what_and_ends(
    conf: Callable[..., Path], tmp_path: Path, lines: list[str], exit_code: int, reason: str
) -> None:
    done = run("glance-registry", conf(*lines), cwd=tmp_path)

    assert done.returncode == exit_code
    assert done.stderr.startswith("ERROR: ")
    assert reason in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_server_when_everybody_may_write_its_file_then_ends_with_78(conf: Callable[..., Path], tmp_path: Path) -> None:
    path = conf(mode=0o666)

    done = run("glance-registry", "--config-file", path, cwd=tmp_path)

    assert done.returncode == 78
    assert done.stderr == f"ERROR: {path} may be written by everybody; run: chmod o-w {path}\n"


def test_api_when_its_store_cannot_be_made_then_ends_with_3(tmp_path: Path) -> None:
    path = tmp_path / "glance-api.conf"
    path.write_text("[DEFAULT]\nbind_host = 127.0.0.1\nbind_port = 0\n[glance_store]\nfilesystem_store_datadir = /proc/images\n")
    path.chmod(0o640)

    done = run("glance-api", path, cwd=tmp_path)

    assert done.returncode == 3
    assert "ERROR: " in done.stderr


def test_version_then_prints_the_number(tmp_path: Path) -> None:
    for name in ("glance-api", "glance-registry"):
        done = run(name, "--version", cwd=tmp_path)
        assert (done.returncode, done.stdout.count(".")) == (0, 2)


def test_server_when_debugging_then_tells_its_options_but_no_secret(
    conf: Callable[..., Path], start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    port = free_port()
    path = conf(f"bind_port = {port}", "registry_shared_secret = SENT")

    start("glance-registry", path, "--debug", "-v")
    eventually(lambda: status(port, "/images"), "the registry to answer")

    output = (tmp_path / "glance-registry.out").read_text()
    assert "Configuration options gathered from config file:" in output
    assert f"wsgi starting up on http://127.0.0.1:{port}/" in output
    assert "****" in output
    assert "SENT" not in output
    assert status(port, "/images") == 401  # the secret is asked for


def test_log_when_it_is_renamed_then_a_new_file_is_written(
    conf: Callable[..., Path], start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    port = free_port()
    log = tmp_path / "registry.log"
    start("glance-registry", conf(f"bind_port = {port}"), f"--log_file={log}")
    eventually(lambda: status(port, "/images"), "the registry to answer")
    assert log.stat().st_mode & 0o007 == 0

    log.rename(tmp_path / "registry.log.1")
    status(port, "/renamed")

    eventually(log.exists, "the new log file")
    eventually(lambda: "/renamed" in log.read_text(), "the line in the new log file")


def test_server_when_told_to_reload_then_reads_its_file_anew(conf: Callable[..., Path], start: Callable[..., subprocess.Popen[str]]) -> None:
    port = free_port()
    child = start("glance-registry", conf(f"bind_port = {port}"))
    eventually(lambda: status(port, "/images") == 200, "the registry to answer")

    conf(f"bind_port = {port}", "registry_shared_secret = new")
    child.send_signal(signal.SIGHUP)

    eventually(lambda: status(port, "/images") == 401, "the new secret to count")
    assert child.poll() is None


@pytest.mark.parametrize("workers", [0, 1])
def test_server_when_told_to_reload_before_it_serves_then_does_so_once_it_does(
    conf: Callable[..., Path], start: Callable[..., subprocess.Popen[str]], tmp_path: Path, workers: int
) -> None:
    log = tmp_path / "registry.log"
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        lines = (f"workers = {workers}", f"bind_port = {port}", f"log_file = {log}")
        child = start("glance-registry", conf(*lines))
        eventually(log.exists, "the log of a server that waits for its address")
        conf(*lines, "registry_shared_secret = new")
        child.send_signal(signal.SIGHUP)

    eventually(lambda: status(port, "/images") == 401, "the new secret to count")
    assert "onfiguration reloaded" in log.read_text()
    assert child.poll() is None


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("wrong", ["debug = perhaps", "backlog = 0", "log_file = /dev/null/x.log", "bind_port = 1", "cert_file = /x\nkey_file = /x"])
def test_server_when_it_cannot_reload_then_goes_on_as_before(
    conf: Callable[..., Path], start: Callable[..., subprocess.Popen[str]], tmp_path: Path, wrong: str, workers: int
) -> None:
    port, log = free_port(), tmp_path / "registry.log"
    lines = (f"workers = {workers}", f"bind_port = {port}")
    child = start("glance-registry", conf(*lines, f"log_file = {log}"))
    eventually(lambda: status(port, "/images") == 200, "the registry to answer")

    moved = tmp_path / "moved.log"
    conf(*lines, f"log_file = {moved}", wrong)
    child.send_signal(signal.SIGHUP)

    eventually(lambda: "The configuration was not reloaded" in log.read_text(), "the refusal to be logged")
    assert status(port, "/images") == 200
    assert child.poll() is None
    assert not moved.exists()


def test_servers_when_started_with_the_single_file_of_early_2011_then_serve(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    api, registry = free_port(), free_port()
    path = tmp_path / "glance.conf"
    path.write_text(CACTUS.format(directory=tmp_path, api=api, registry=registry))
    path.chmod(0o640)

    for name in ("glance-registry", "glance-api"):
        start(name, path)

    eventually(lambda: status(registry, "/images") == 200, "the registry to answer")
    eventually(lambda: status(api, "/images") == 200, "the API to answer")
    assert (tmp_path / "images").is_dir()
    eventually(lambda: "[glance.access]" in (tmp_path / "api.log").read_text(), "the request to be logged")


def test_manage_when_the_database_is_made_then_says_its_version(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/db.sqlite"
    told: list[str] = []

    def manage(*words: str) -> tuple[int, str]:
        done = run("glance-manage", "--sql-connection", url, *words, cwd=tmp_path)
        assert (done.stderr != "") == ("-v" in words)
        told.append(done.stderr)
        return done.returncode, done.stdout

    assert manage("db_version") == (0, "There is no schema yet.\n")
    assert manage("db_check")[0] == 3
    for words in (["-v", "db", "sync"], ["-v", "db_sync"], ["db_sync"]):  # the first finds something to do
        code, text = manage(*words)
        assert code == 0
        assert text.splitlines()[-1].startswith("Database is synced successfully. It is at version ")
    assert [text.endswith("The database lacks nothing\n") and text.count("\n") for text in told[-3:]] == [False, 1, False]
    number = text.split()[-1].rstrip(".")
    assert manage("db", "version") == (0, f"{number}\n")
    assert manage("db", "check") == (0, "Database is up to date. No upgrades needed.\n")
    assert (tmp_path / "db.sqlite").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    ("words", "exit_code", "text"),
    [
        ([], 2, "Usage: glance-manage"),
        (["bogus"], 1, "ERROR: unrecognized command 'bogus'"),
        (["db", "bogus"], 1, "ERROR: unrecognized command 'db bogus'"),
        (["db_check", "0001"], 1, "ERROR: unrecognized command 'db_check 0001'"),
        (["db_sync", "0001", "0002"], 1, "ERROR: unrecognized command 'db_sync 0001 0002'"),
        (["db_purge", "--age-in-days", "-1"], 1, "ERROR: "),
        (["db_purge", "--max_rows", "many"], 1, "ERROR: "),
        (["--sql-connection", "sqlite:////nowhere.sqlite", "db_archive"], 1, "ERROR: Name a file"),
        (["db_sync"], 1, "ERROR: Unable to locate any configuration file"),
        (["setup"], 2, "--dir"),
    ],
)
def test_manage_when_the_words_are_wrong_then_says_which_are_right(tmp_path: Path, words: list[str], exit_code: int, text: str) -> None:
    done = run("glance-manage", *words, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (exit_code, "")
    assert text in done.stderr


def test_manage_when_an_older_database_is_brought_up_to_date_then_says_each_step(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite"

    def manage(*words: str) -> tuple[int, str]:
        done = run("glance-manage", "--sql-connection", f"sqlite:///{path}", *words, cwd=tmp_path)
        assert (done.stderr == "") == (done.returncode != 1)
        return done.returncode, done.stdout + done.stderr

    hint = f'The only way back to version 0008 is a copy of the database that was made before: sqlite3 {path} ".backup COPY"\n'
    assert manage("db_sync", "0008")[0] == 0
    todo = (
        "The database lacks 0009, 0010, 0011, 0012. Next is: glance-manage db expand. "
        "With all services stopped, glance-manage db sync does everything.\n"
    )
    assert manage("db_check") == (3, todo + hint)
    assert manage("db", "migrate") == (1, "ERROR: The database needs another step first: run glance-manage db expand.\n")
    assert manage("db", "purge") == (1, "ERROR: Programs of an older release may still use the database: run glance-manage db_sync first.\n")
    assert manage("db_expand") == (0, f"{hint}Revision 0009 (expand) is done.\n")
    assert manage("db_check")[0] == 4
    assert manage("db_migrate") == (0, "Revision 0010 (migrate) is done.\n")
    assert manage("db_check")[0] == 5
    assert manage("db_contract") == (0, "Revision 0011 (contract) is done.\nRevision 0012 (contract) is done.\n")
    for phase, noun in (("expand", "expansion"), ("migrate", "migration"), ("contract", "contraction")):
        assert manage("db", phase) == (0, f"No {noun} needed.\n")


def test_manage_when_the_tables_are_somebody_else_s_then_leaves_them(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "db.sqlite") as database:
        database.execute("CREATE TABLE images (id INTEGER)")
    database.close()

    done = run("glance-manage", "--sql-connection", f"sqlite:///{tmp_path}/db.sqlite", "db_sync", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.startswith("Failed to sync database: ERROR: The database holds tables that this program did not make")


def test_manage_when_the_database_is_garbage_then_says_so(tmp_path: Path) -> None:
    path = tmp_path / "db.sqlite"
    path.write_bytes(b"garbage" * 1000)

    done = run("glance-manage", "--sql-connection", f"sqlite:///{path}", "db_sync", cwd=tmp_path)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"Failed to sync database: ERROR: The database sqlite:///{path} cannot be used: file is not a database"


@pytest.mark.parametrize(
    ("command", "value", "accepted"),
    [
        ("glance-manage db purge --age-in-days", "x", "a whole number, at least 0, at most 36500"),
        ("glance-manage db purge --age-in-days", "-1", "a whole number, at least 0, at most 36500"),
        ("glance-manage db archive --file archive --max-rows", "x", "a whole number, at least -1"),
        ("glance-scrubber --daemon --wakeup-time", "0", "a whole number, at least 1"),
    ],
)
def test_program_when_an_option_has_no_such_value_then_says_in_one_line_what_is_accepted(
    tmp_path: Path, command: str, value: str, accepted: str
) -> None:
    assert run("glance-manage", "setup", "--dir", tmp_path / "site", "--registry-mode", "embedded", cwd=tmp_path).returncode == 0
    name, *words = command.split()

    done = run(name, "--config-file", tmp_path / "site/glance-api.conf", *words, value, cwd=tmp_path)

    option = words[-1].removeprefix("--")
    reason = f"Value for option {option} on the command line is not valid: '{value}'. Accepted: {accepted}."
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"ERROR: Unable to load {name}.\nGot: {reason}\n")


@pytest.mark.parametrize("mode", ["http", "embedded"])
def test_setup_then_the_printed_command_starts_a_service_that_works(tmp_path: Path, mode: str) -> None:
    api, registry = free_port(), free_port()
    arguments = ["--dir", tmp_path / "site", "--api-port", str(api), "--registry-port", str(registry), "--registry-mode", mode]

    done = run("glance-manage", "setup", *arguments, cwd=tmp_path)
    again = run("glance-manage", "setup", *arguments, cwd=tmp_path)

    assert (done.returncode, again.returncode, done.stderr) == (0, 0, "")
    assert "Wrote" not in again.stdout
    program, *words = done.stdout.splitlines()[-1].split()
    assert run(program, *words, cwd=tmp_path).returncode == 0
    try:
        eventually(lambda: status(api, "/v1/images") == 200, "the API to answer")
        assert status(registry, "/images") == (401 if mode == "http" else 0)
    finally:
        words[words.index("start") :] = ["shutdown"]
        assert run(program, *words, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--flavor", "tokens"], "glance-api.conf is there already, with flavor =  in [paste_deploy], not tokens"),
        (["--bind-host", "0.0.0.0"], "glance-api.conf is there already, with bind_host = 127.0.0.1 in [DEFAULT], not 0.0.0.0"),
        (["--api-port", "9393"], "glance-api.conf is there already, with bind_port = 9292 in [DEFAULT], not 9393"),
        (["--registry-port", "9393"], "glance-api.conf is there already, with registry_port = 9191 in [DEFAULT], not 9393"),
        (["--registry-mode", "embedded"], "glance-api.conf is there already, with registry_mode = http in [DEFAULT], not embedded"),
    ],
    ids=["flavor", "address", "port", "port of the registry", "mode"],
)
def test_setup_when_a_kept_file_says_otherwise_then_refuses_and_changes_nothing(tmp_path: Path, words: list[str], kept: str) -> None:
    site = tmp_path / "site"
    assert run("glance-manage", "setup", "--dir", site, cwd=tmp_path).returncode == 0
    (site / "policy.yaml.sample").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in site.iterdir()}

    done = run("glance-manage", "setup", "--dir", site, *words, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"ERROR: {site}/{kept}. Nothing was changed: set it there, or choose another directory.\n"
    assert {path.name: path.stat().st_mtime_ns for path in site.iterdir()} == before


def test_setup_when_only_the_registry_s_file_is_kept_then_it_is_compared_too(tmp_path: Path) -> None:
    site = tmp_path / "site"
    assert run("glance-manage", "setup", "--dir", site, "--flavor", "tokens", cwd=tmp_path).returncode == 0
    (site / "glance-api.conf").unlink()

    done = run("glance-manage", "setup", "--dir", site, "--flavor", "http_basic", cwd=tmp_path)

    assert (done.returncode, (site / "glance-api.conf").exists()) == (1, False)
    assert f"{site}/glance-registry.conf is there already, with flavor = tokens" in done.stderr
    assert run("glance-manage", "setup", "--dir", site, "--flavor", "tokens", cwd=tmp_path).returncode == 0


def test_setup_when_a_file_cannot_be_written_whole_then_it_is_not_there_and_the_next_setup_makes_it(tmp_path: Path) -> None:
    site = tmp_path / "site"
    words = ["setup", "--dir", site, "--flavor", "tokens"]

    with_little_room = ["prlimit", "--fsize=200", PROGRAMS / "glance-manage", *words]
    done = subprocess.run(with_little_room, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert (done.returncode, done.stderr) == (1, f"ERROR: {site}/glance-api.conf cannot be written: File too large\n")
    assert {path.name for path in site.iterdir()} == {"images", "log", "run"}
    assert run("glance-manage", *words, cwd=tmp_path).returncode == 0
    assert "flavor = tokens" in (site / "glance-api.conf").read_text()
