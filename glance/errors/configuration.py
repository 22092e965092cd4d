"""The operator's configuration cannot be used."""

from __future__ import annotations

import os
from typing import ClassVar

from glance.errors.tree import GlanceError


class ConfigurationError(GlanceError):
    """The operator's configuration cannot be used; raised at start, never for a request. ``exit_status`` is what the program ends with."""

    template = "{reason}"
    exit_status: ClassVar[int] = 1


class ConfigurationMissing(ConfigurationError):
    """There is no file to read."""


class ConfigurationUnsafe(ConfigurationError):
    """Somebody else may have written the configuration."""

    exit_status = os.EX_CONFIG


class StoreMisconfigured(ConfigurationError):
    """A store cannot be made ready (spec-v1 5.2)."""

    exit_status = 3
