"""The operator's file about custom properties of images, schema-image.json (spec-v2 2.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, SchemaError

from glance import errors
from glance.api.settings import CustomProperties
from glance.api.v2 import schemas
from glance.config import files

NAME = "schema-image.json"


def read(directories: Sequence[Path]) -> CustomProperties:
    """What the first such file in ``directories`` says; nothing where there is none. Raises ConfigurationError, which names file and cause."""
    found = files.find([NAME], directories)
    if not found:
        return CustomProperties()
    [path] = found
    try:
        files.check(path)
        return parse(json.loads(path.read_text()))
    except errors.ConfigurationUnsafe:
        raise
    except (errors.ConfigurationError, ValueError, RecursionError) as error:
        raise errors.ConfigurationError(reason=f"Unable to use the schema of custom properties {path}: {error}") from None


def parse(document: Any) -> CustomProperties:
    """Reads JSON schemas by the names of properties; or these as ``properties``, beside the names of all that are ``required``.

    Raises ConfigurationError.
    """
    if not isinstance(document, dict):
        raise errors.ConfigurationError(reason="It must be an object: a JSON schema by the name of each property.")
    named, required = (document["properties"], document.get("required", [])) if "properties" in document else (document, [])
    if not isinstance(named, dict):
        raise errors.ConfigurationError(reason="'properties' must be an object: a JSON schema by the name of each property.")
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise errors.ConfigurationError(reason="'required' must be a list of names.")
    for name, schema in named.items():
        _check_name(name)
        _check_schema(name, schema)
    for name in required:
        if schemas.is_reserved(name):
            raise errors.ConfigurationError(reason=f"'{name}' cannot be required: no client sets it.")
    return CustomProperties(named, tuple(required))


def _check_name(name: str) -> None:
    if name in schemas.CORE or schemas.is_reserved(name):
        raise errors.ConfigurationError(reason=f"'{name}' is no custom property but the service's own.")


def _check_schema(name: str, schema: Any) -> None:
    """Refuses what is no JSON schema, and what asks for values that no custom property can have: they are texts or null."""
    if not isinstance(schema, Mapping):
        raise errors.ConfigurationError(reason=f"'{name}' must have an object, its JSON schema.")
    try:
        Draft4Validator.check_schema(schema)
    except SchemaError as error:
        raise errors.ConfigurationError(reason=f"'{name}' has no valid JSON schema: {error.message}") from None
    kinds = schema.get("type")
    if kinds is None or not {"string", "null"}.issuperset([kinds] if isinstance(kinds, str) else kinds):
        raise errors.ConfigurationError(reason=f"'{name}' must have the type string, or null and string: custom properties are texts.")
    if "$ref" in schema:
        raise errors.ConfigurationError(reason=f"'{name}' must say itself what it accepts, without $ref.")
