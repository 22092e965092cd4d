"""How strictly data are looked at, as the options say."""

from __future__ import annotations

from pathlib import Path

import pytest

from glance import errors
from glance.config import images, programs
from glance.inspector.inspection import InspectorSettings


def read(tmp_path: Path, *lines: str) -> InspectorSettings:
    path = tmp_path / "glance-api.conf"
    path.write_text("\n".join(["[image_format]", *lines]))
    path.chmod(0o640)
    return images.read_inspector(programs.load(programs.API, [str(path)]).conf)


def test_inspector_when_nothing_is_set_then_strict(tmp_path: Path) -> None:
    assert read(tmp_path) == InspectorSettings(require_match=True, gpt_nonfatal=frozenset())


def test_inspector_when_relaxed_then_so(tmp_path: Path) -> None:
    found = read(tmp_path, "require_image_format_match = false", "gpt_safety_checks_nonfatal = mbr")
    assert found == InspectorSettings(require_match=False, gpt_nonfatal=frozenset({"mbr"}))


def test_inspector_when_a_check_is_unknown_then_the_service_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="gpt_safety_checks_nonfatal"):
        read(tmp_path, "gpt_safety_checks_nonfatal = gtp")
