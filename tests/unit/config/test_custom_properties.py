"""The operator's schema of custom properties."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glance import errors
from glance.api.settings import CustomProperties
from glance.config import custom_properties

TEXT = {"type": "string"}


def write(directory: Path, text: str) -> Path:
    path = directory / "schema-image.json"
    path.write_text(text)
    path.chmod(0o640)
    return path


def test_read_when_there_is_no_file_then_nothing_is_known(tmp_path: Path) -> None:
    assert custom_properties.read([tmp_path]) == CustomProperties()


def test_read_when_two_directories_have_one_then_the_first_counts(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, json.dumps({name: TEXT}))
    assert custom_properties.read([tmp_path / "none", tmp_path / "one", tmp_path / "two"]).schemas == {"one": TEXT}


def test_read_when_flat_or_with_required_then_both_are_understood(tmp_path: Path) -> None:
    flat = custom_properties.parse({"colour": TEXT})
    full = custom_properties.parse({"properties": {"colour": TEXT}, "required": ["colour", "name", "other"]})

    assert (flat.schemas, flat.required) == ({"colour": TEXT}, ())
    assert (full.schemas, full.required) == ({"colour": TEXT}, ("colour", "name", "other"))


MALFORMED = {
    "no JSON": ("{", "Expecting property name"),
    "too deep": ("[" * 100_000, "recursion"),
    "a list": ("[]", "must be an object"),
    "properties that are a list": ('{"properties": []}', "'properties' must be an object"),
    "required that is a text": ('{"properties": {}, "required": "a"}', "'required' must be a list of names"),
    "no schema": ('{"a": 5}', "'a' must have an object"),
    "unknown type": ('{"a": {"type": "text"}}', "'a' has no valid JSON schema: 'text'"),
    "broken pattern": ('{"a": {"type": "string", "pattern": "("}}', "'a' has no valid JSON schema: '(' is not a 'regex'"),
    "number": ('{"a": {"type": ["string", "integer"]}}', "'a' must have the type string, or null and string"),
    "any type": ('{"a": {}}', "'a' must have the type string"),
    "reference": ('{"a": {"type": "string", "$ref": "http://example.org/"}}', "'a' must say itself what it accepts"),
    "core attribute": ('{"min_ram": {"type": "string"}}', "'min_ram' is no custom property"),
    "reserved name": ('{"os_glance_x": {"type": "string"}}', "'os_glance_x' is no custom property"),
    "required but read-only": ('{"properties": {}, "required": ["size"]}', "'size' cannot be required"),
}


@pytest.mark.parametrize(("text", "cause"), MALFORMED.values(), ids=MALFORMED)
def test_read_when_the_file_is_malformed_then_refuses_and_names_file_and_cause(tmp_path: Path, text: str, cause: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(errors.ConfigurationError) as refused:
        custom_properties.read([tmp_path])
    assert str(path) in refused.value.message
    assert cause in refused.value.message


def test_read_when_everybody_may_write_the_file_then_refuses(tmp_path: Path) -> None:
    write(tmp_path, "{}").chmod(0o666)
    with pytest.raises(errors.ConfigurationUnsafe):
        custom_properties.read([tmp_path])


def test_shipped_file_then_describes_nine_properties() -> None:
    shipped = custom_properties.read([Path(__file__).parents[3] / "etc"])
    assert len(shipped.schemas) == 9
    assert all(str(schema["description"]).endswith(".") for schema in shipped.schemas.values())
    assert [name for name in shipped.schemas if shipped.may_be_null(name)] == ["kernel_id", "ramdisk_id"]
