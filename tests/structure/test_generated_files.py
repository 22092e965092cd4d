"""What is generated from the code agrees with it; ``make docs`` writes it anew."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from glance.config import programs
from glance.config.programs import API, MANAGE, REGISTRY, SCRUBBER

ROOT = Path(__file__).parents[2]
GENERATED = runpy.run_path(str(ROOT / "tools/generate_reference.py"))["render"]()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_generated_file_then_is_up_to_date(path: Path) -> None:
    assert path.read_text() == GENERATED[path], "run: make docs"


@pytest.mark.parametrize("program", [API, REGISTRY])
def test_sample_then_loads_as_it_is_and_names_every_option_once(program: str, tmp_path: Path) -> None:
    sample = ROOT / f"etc/{program}.conf"
    _, *parts = re.split(r"^\[(\w+)\]$", sample.read_text(), flags=re.MULTILINE)
    names = [(group, name) for group, part in zip(parts[::2], parts[1::2], strict=True) for name in re.findall(r"^#(\w+) =", part, re.MULTILINE)]

    loaded = programs.load(program, ["--config-file", str(sample)])

    assert len(names) == len(set(names))
    for section in programs.SECTIONS[program]:
        assert {(section.group, option.dest) for option in section.options} <= set(names)
    assert loaded.warnings() == []


@pytest.mark.parametrize("program", [API, REGISTRY])
def test_sample_when_every_option_is_uncommented_then_it_still_says_the_defaults(program: str, tmp_path: Path) -> None:
    bare, full = tmp_path / "bare.conf", tmp_path / "full.conf"
    text = (ROOT / f"etc/{program}.conf").read_text()
    bare.write_text("")
    full.write_text(re.sub(r"^#(\w+ = .+)$", r"\1", text, flags=re.MULTILINE))
    for path in (bare, full):
        path.chmod(0o640)

    expected, found = (programs.load(program, [str(path)]).conf for path in (bare, full))

    for section in programs.SECTIONS[program]:
        assert section.values(found) == section.values(expected)


@pytest.mark.parametrize("program", [API, REGISTRY, MANAGE, SCRUBBER])
def test_option_then_has_a_help_that_is_a_sentence(program: str) -> None:
    for section in programs.SECTIONS[program]:
        for option in section.options:
            assert option.help, option.name
            assert option.help[0].isupper() or option.help.startswith(tuple("0123456789")), option.name
            assert option.help.endswith((".", ")")), option.name
            assert re.search("password|secret|_key$|connection$", option.dest) is None or option.secret, option.name
