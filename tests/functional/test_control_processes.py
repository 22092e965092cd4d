"""glance-control with real processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glance import worker
from tests.functional.control_site import ROOT, Site, wait_for

LIMIT_REFUSED = "Unable to increase file descriptor limit.  Running as non-root?"
LIMIT_REFUSED_TO_ROOT = "Unable to increase file descriptor limit above 100: this system allows no more, even to root."


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours."""
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process
        process.kill()


def reused(pid: int) -> str:
    """The content of a pid file whose pid was used anew since."""
    host_and_boot = worker.current().rsplit("/", 2)[0]
    return f"{pid}\n{host_and_boot}/{pid}/1\n"


USAGE = "usage: glance-control [options] SERVER COMMAND [CONFPATH]"
COMMANDS = "start, stop, shutdown, restart, reload, force-reload, status"
SERVERS = "Please specify all, or one of the servers: api, registry, scrubber"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), USAGE),
        (("api",), USAGE),
        (("api", "start", "a", "b"), USAGE),
        (("foo", "start"), f"Unknown server 'glance-foo' specified. {SERVERS}"),
        (("glance-foo", "start"), f"Unknown server 'glance-foo' specified. {SERVERS}"),
        (("api; touch X", "start"), f"Unknown server 'glance-api; touch X' specified. {SERVERS}"),
        (("`touch X`", "start"), f"Unknown server 'glance-`touch X`' specified. {SERVERS}"),
        (("api", "bogus"), f"Unknown command bogus specified. Please specify a command in this list: {COMMANDS}"),
        (("api", "start", "--await-child=1", "--respawn"), "--await-child and --respawn are mutually exclusive"),
        (("all", "stop", "--pid-file", "x"), "--pid-file names the file of one server; with all, use --pid-dir"),
    ],
)
def test_wrong_words_when_given_then_one_line_and_exit_1(site: Site, arguments: tuple[str, ...], line: str) -> None:
    assert site.run(*arguments) == (1, [], [line])
    assert not (site.directory / "X").exists()


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (("api", "start", "missing.conf"), ["missing.conf"]),
        (("all", "restart", "."), ["glance-api.conf", "glance-registry.conf"]),
        (("scrubber", "reload", "."), ["glance-api.conf"]),
    ],
)
def test_configuration_when_it_is_missing_then_the_line_of_2011_and_its_path(site: Site, arguments: tuple[str, ...], missing: list[str]) -> None:
    complaints = ["Could not find any configuration file to use!", *(f"There is no file {site.directory / name}" for name in missing)]
    assert site.run(*arguments) == (1, [], complaints)


@pytest.mark.parametrize("server", ["registry", "glance-registry"])
def test_start_stop_and_status_when_in_turn_then_the_lines_of_2011(site: Site, server: str) -> None:
    config = site.config("serves 0")
    assert site.run(server, "status") == (3, ["glance-registry is stopped"], [])
    assert site.run(server, "start", "glance.conf") == (0, [f"Starting glance-registry with {config}"], [])
    pid = site.pid("registry")
    assert site.await_event("runs", "registry")[1:] == [str(pid), "runs", str(pid), "/dev/null", "/dev/null", f"--config-file={config}"]
    assert site.run(server, "status") == (0, [f"glance-registry (pid {pid}) is running..."], [])
    running = f"glance-registry appears to already be running: {site.pid_file('registry')}"
    assert site.run(server, "start", "glance.conf") == (0, [running], [])
    assert site.run(server, "stop") == (0, [f"Stopping glance-registry  pid: {pid}  signal: 15"], [])
    assert site.await_event("signal", "registry")[3] == "15"
    assert not site.pid_file("registry").exists()
    assert site.run(server, "stop") == (0, ["No glance-registry running"], [])


def test_all_when_given_a_directory_then_each_server_gets_its_own_file(site: Site) -> None:
    api, registry = site.config("serves 0", "glance-api.conf"), site.config("serves 0", "glance-registry.conf")
    assert site.run("all", "start", ".") == (0, [f"Starting glance-api with {api}", f"Starting glance-registry with {registry}"], [])
    assert site.await_event("runs", "registry")[-1] == f"--config-file={registry}"
    site.await_event("runs")
    old = [site.pid("api"), site.pid("registry")]
    status, lines, complaints = site.run("all", "restart", ".")
    stops = [f"Stopping glance-api  pid: {old[0]}  signal: 15", f"Stopping glance-registry  pid: {old[1]}  signal: 15"]
    assert (status, lines, complaints) == (0, [*stops, f"Starting glance-api with {api}", f"Starting glance-registry with {registry}"], [])
    assert site.run("all", "shutdown")[0] == 0
    assert site.run("all", "status") == (3, ["glance-api is stopped", "glance-registry is stopped"], [])


def test_options_when_given_then_passed_on_as_they_are(site: Site) -> None:
    options = ("--debug", "-v", "--log_file", "$(touch X) x.log", "--log-format=%(message)s", "--use-syslog")
    assert site.run(*options, "api", "start") == (0, ["Starting glance-api"], [])
    words = " ".join(site.await_event("runs")[6:])
    assert words == "--debug --verbose --log-file=$(touch X) x.log --log-format=%(message)s --use-syslog"
    assert not (site.directory / "X").exists()


@pytest.mark.parametrize("command", ["reload", "force-reload"])
def test_reload_when_running_then_the_same_process_gets_sighup(site: Site, command: str) -> None:
    config = site.config("serves 0")
    site.run("api", "start", config)
    pid = site.pid()
    site.await_event("runs")
    lines = [f"Stopping glance-api  pid: {pid}  signal: 1", f"Starting glance-api with {config}"]
    assert site.run("api", command, config) == (0, lines, [])
    assert site.await_event("signal")[1:] == [str(pid), "signal", "1"]
    assert site.run("api", "status") == (0, [f"glance-api (pid {pid}) is running..."], [])


def test_reload_when_the_server_still_reads_its_files_then_it_lives_and_is_told_afterwards(site: Site) -> None:
    config = site.config("waits 0")
    with site.begin("api", "start", config) as starting:
        wait_for(site.pid_file().exists)
        pid = site.pid()
        assert site.run("api", "reload", config)[:2] == (0, [f"Stopping glance-api  pid: {pid}  signal: 1", f"Starting glance-api with {config}"])
        (site.bin / "go").touch()
        assert site.await_event("signal")[1:] == [str(pid), "signal", "1"]
        assert starting.wait(60) == 0
    assert site.run("api", "status") == (0, [f"glance-api (pid {pid}) is running..."], [])


def test_reload_when_stopped_then_starts_nothing(site: Site) -> None:
    assert site.run("api", "reload") == (1, ["No glance-api running"], [])
    assert site.events("runs") == []


def test_restart_when_the_server_stops_slowly_then_starts_after_its_end(site: Site) -> None:
    config = site.config("slow 2")
    site.run("api", "start", config)
    old = site.pid()
    site.await_event("runs")
    lines = [f"Stopping glance-api  pid: {old}  signal: 15", f"Starting glance-api with {config}"]
    assert site.run("api", "restart", config) == (0, lines, [])
    assert float(site.await_event("runs", count=2)[0]) > float(site.events("ends")[0][0])
    assert site.pid() != old


def test_start_when_twice_at_once_then_one_server_runs(site: Site) -> None:
    both = [site.begin("api", "start") for _ in range(2)]
    lines = sorted(process.communicate(timeout=60)[0] for process in both)
    assert lines == ["Starting glance-api\n", f"glance-api appears to already be running: {site.pid_file()}\n"]
    assert [process.returncode for process in both] == [0, 0]
    site.await_event("runs")
    assert [event[1] for event in site.events("runs")] == [str(site.pid())]


@pytest.mark.parametrize("content", [reused, "{}\n".format, "{}".format], ids=["reused", "classic", "bare"])
def test_pid_file_when_it_names_a_foreign_process_then_that_lives_on(
    site: Site, stranger: subprocess.Popen[bytes], content: Callable[[int], str]
) -> None:
    site.pids.mkdir()
    site.pid_file().write_text(content(stranger.pid))
    assert site.run("api", "status") == (3, ["glance-api is stopped"], [])
    assert site.run("api", "stop") == (0, [f"Process {stranger.pid} not running"], [])
    assert not site.pid_file().exists()
    site.pid_file().write_text(content(stranger.pid))
    assert site.run("api", "start") == (0, [f"Removing stale pid file {site.pid_file()}", "Starting glance-api"], [])
    assert site.pid() != stranger.pid
    assert stranger.poll() is None


def test_stop_when_the_pid_file_is_classic_then_the_server_is_recognised(site: Site) -> None:
    site.run("api", "start")
    pid = site.pid()
    site.await_event("runs")
    site.pid_file().write_text(f"{pid}\n")
    assert site.run("api", "stop") == (0, [f"Stopping glance-api  pid: {pid}  signal: 15"], [])
    site.await_event("ends")


@pytest.mark.parametrize("content", ["root:x:0:0", "-1", "1\n", "99999999"])
def test_pid_file_when_it_is_something_else_then_refused_and_kept(site: Site, content: str) -> None:
    site.pids.mkdir()
    site.pid_file().write_text(content)
    refusal = f"Refusing pid file {site.pid_file()}: it names no process"
    assert site.run("api", "start") == (1, [], [f"unable to launch glance-api. Got error: {refusal}"])
    assert site.run("api", "stop") == (1, [], [refusal])
    assert site.pid_file().read_text() == content


def test_pid_file_when_it_is_a_symbolic_link_then_refused_and_the_target_is_unchanged(site: Site, stranger: subprocess.Popen[bytes]) -> None:
    site.pids.mkdir()
    target = site.directory / "target"
    target.write_text(f"{stranger.pid}\n")
    site.pid_file().symlink_to(target)
    refusal = f"Refusing pid file {site.pid_file()}: it is a symbolic link"
    assert site.run("api", "start") == (1, [], [f"unable to launch glance-api. Got error: {refusal}"])
    assert site.run("api", "stop") == (1, [], [refusal])
    assert target.read_text() == f"{stranger.pid}\n"
    assert site.pid_file().is_symlink()


def test_start_when_no_pid_file_can_be_written_then_falls_back_to_a_temporary_one(site: Site) -> None:
    status, lines, complaints = site.run("--pid-dir", "/proc/glance", "api", "start")
    assert (status, lines[:3], complaints) == (
        0,
        [
            "Starting glance-api",
            "Unable to create pid file /proc/glance/glance-api.pid.  Running as non-root?",
            "Falling back to a temp file, you can stop glance-api service using:",
        ],
        [],
    )
    matched = re.fullmatch(re.escape(f"  {site.control} api stop --pid-file ") + r"(\S+)", lines[3])
    assert matched
    pid = site.await_event("runs")[1]
    assert site.run("api", "stop", "--pid-file", matched[1]) == (0, [f"Stopping glance-api  pid: {pid}  signal: 15"], [])
    Path(matched[1]).parent.rmdir()


@pytest.mark.parametrize(
    ("arguments", "behaviour", "end", "expected"),
    [
        ((), "fails 4", "exit status 4", 1),
        ((), "fails-late 2", "exit status 4", 1),
        (("--await-child", "5"), "fails 4", "exit status 4", 4),
    ],
)
def test_start_when_the_server_dies_before_it_serves_then_says_how(
    site: Site, arguments: tuple[str, ...], behaviour: str, end: str, expected: int
) -> None:
    config = site.config(behaviour)
    complaint = f"unable to launch glance-api. Got error: {end}. To see why, run: {site.bin}/glance-api --config-file={config}"
    assert site.run("api", "start", config, *arguments) == (expected, [f"Starting glance-api with {config}"], [complaint])
    assert not site.pid_file().exists()


def test_start_when_the_program_cannot_be_executed_then_says_why(site: Site) -> None:
    site.program("glance-api", "#!/nonexistent/interpreter\n")
    complaint = f"unable to launch glance-api. Got error: [Errno 2] No such file or directory: '{site.bin}/glance-api'"
    assert site.run("api", "start") == (1, ["Starting glance-api"], [complaint])
    assert not site.pid_file().exists()


@pytest.mark.parametrize("user", [65534, 0], ids=["nobody", "root"])
def test_start_when_the_limit_of_files_cannot_be_raised_then_says_why(user: int) -> None:
    """As one who must not raise it. Root must not either in many containers; where the tests do not run as root, both are who runs them.

    The user changes after the imports, because the tests may run where others cannot read.
    """
    script = f"""if True:
        import os, resource
        from glance.server import control, launching
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
        if os.geteuid() == 0:
            os.setuid({user})
        control.run("start", [], launching.Manner())
    """
    contained = ["setpriv", "--bounding-set=-sys_resource"] if os.geteuid() == 0 else []
    done = subprocess.run([*contained, sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    complaint = LIMIT_REFUSED_TO_ROOT if user == os.geteuid() else LIMIT_REFUSED
    assert (done.stdout, done.stderr) == ("", f"{complaint}\n")


def test_capture_output_when_given_then_goes_to_logger_with_name_and_pid(site: Site) -> None:
    assert site.run("api", "start", "--capture-output") == (0, ["Starting glance-api"], [])
    logged = site.bin / "logger.input"
    expected = f"-t glance-api[{site.pid()}]\nsomething to log\n"
    wait_for(lambda: logged.exists() and logged.read_text() == expected)


def test_respawn_when_the_server_dies_again_and_again_then_waits_longer_until_it_is_stopped(site: Site) -> None:
    config = site.config("mortal 1.5")
    with site.begin("api", "start", "--respawn", config) as supervisor:
        fourth = site.await_event("runs", count=4)
        waits = [float(run[0]) - float(death[0]) for run, death in zip(site.events("runs")[1:], site.events("dies"), strict=False)]
        assert waits[0] < 2 <= waits[2]
        assert site.run("api", "stop")[1] == [f"Stopping glance-api  pid: {fourth[1]}  signal: 15"]
        out, err = supervisor.communicate(timeout=20)
    respawning = [f"Respawning glance-api with {config}"] * 3
    assert out.splitlines() == [f"Starting glance-api with {config}", *respawning, "Suppressed respawn as glance-api was deliberately stopped."]
    assert (supervisor.returncode, [line for line in err.splitlines() if "file descriptor limit" not in line]) == (0, [])


def test_respawn_when_the_server_dies_at_once_then_gives_it_up(site: Site) -> None:
    config = site.config("fails 1")
    lines = [f"Starting glance-api with {config}", "Suppressed respawn as glance-api was bouncing."]
    assert site.run("api", "start", "--respawn", config) == (1, lines, [])
    assert not site.pid_file().exists()
