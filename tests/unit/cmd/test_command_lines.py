"""Whatever option a program's help prints is understood, as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glance.cmd import control
from glance.cmd.manage import USAGE
from glance.config import programs
from tests.unit.cmd.conftest import Manage

#: A line of a help that begins with options; more than one blank is before what they mean.
LINE = re.compile(r"^  (-.+?)(?:  .*)?$", re.MULTILINE)
#: An option and what stands for its value.
OPTION = re.compile(r"(--[\w-]+)(?: (\w+))?")

#: Command lines of glance-manage, which have every option between them.
MANAGE_LINES = (
    "-v --config-file site/glance-registry.conf db_purge --age-in-days 30 --max-rows 100",
    "--verbose --sql-connection sqlite:///site/glance.sqlite db_archive --file archive --age-in-days 30 --max-rows 100",
    "setup --dir other --flavor tokens --bind-host 127.0.0.2 --api-port 1 --registry-port 2 --registry-mode embedded",
    "--config-file site/glance-api.conf token create --user alice --project web --role member --days 3 --description first",
    "--config-file site/glance-api.conf policy check get_image --user alice --project web --roles reader --service-roles service --target owner=web",
    "--config-file site/glance-api.conf check --store file --since 2026-11-21 --read-data --rate 5 --repair --grace 48 --json",
    "--version",
    "--help",
)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "some.conf"
    path.write_text("")
    path.chmod(0o640)
    return path


def printed(text: str) -> dict[str, str]:
    """The options of a help, each with what stands for its value, or with ""."""
    return dict(OPTION.findall("\n".join(LINE.findall(text))))


def underscored(option: str) -> str:
    return "--" + option.removeprefix("--").replace("-", "_")


@pytest.mark.parametrize("program", [programs.API, programs.REGISTRY, programs.SCRUBBER])
def test_options_of_a_server_when_typed_as_its_help_prints_them_or_with_underscores_then_are_understood(
    program: str, conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        programs.load(program, ["--help"])
    options = printed(capsys.readouterr().out)
    values = {"--config-file": str(conf), "--config-dir": str(conf.parent)}

    assert "--log-file" in options
    for option in options.keys() - {"--help", "--version"}:
        for spelling in (option, underscored(option)):
            words = [spelling, values.get(option, "5")] if options[option] else [spelling]
            programs.load(program, [*words, "--config-file", str(conf)])  # ends the process where it does not understand


def test_wakeup_time_when_typed_in_any_spelling_then_counts(conf: Path) -> None:
    for words in (["--wakeup-time", "5"], ["--wakeup_time", "5"], ["--wakeup-time=5"], ["--wakeup_time=5"]):
        assert programs.load(programs.SCRUBBER, [str(conf), *words]).conf.wakeup_time == 5


def test_options_of_control_when_typed_as_its_help_prints_them_then_are_understood(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        control.main(["--help"])
    options = printed(capsys.readouterr().out)

    assert "--pid-file" in options
    for option in options.keys() - {"--help", "--version"}:
        words = [option, "5"] if options[option] else [option]
        assert control.main([*words, "api", "bogus"]) == 1  # ends with 2 where the options are not understood
        assert capsys.readouterr().err.startswith("Unknown command bogus")


def test_options_of_manage_when_typed_as_its_help_prints_them_then_are_understood(run: Manage) -> None:
    helps = [run(*words.split())[1] for words in ("token create --help", "policy check --help", "check --help")]
    assert run("setup", "--dir", "site", "--registry-mode", "embedded")[0] == 0

    for line in MANAGE_LINES:
        status, _output, told = run(*line.split())
        assert (status, "ERROR" in told) == (0, False), (line, told)

    typed = set(re.findall(r"--[\w-]+", " ".join(MANAGE_LINES)))
    assert set(re.findall(r"--[\w-]+", USAGE)) | set().union(*map(printed, helps)) == typed
