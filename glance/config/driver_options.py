"""How the options of store drivers are declared: each may also stand in [DEFAULT], where older releases have it."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from glance.config.sections import also_in_default


def string(name: str, text: str, **more: Any) -> cfg.StrOpt:
    """An option that holds text; ``more`` as cfg.StrOpt takes it."""
    return cfg.StrOpt(name, deprecated_opts=also_in_default(name), help=text, **more)


def number(name: str, default: int, text: str, minimum: int = 0, maximum: int | None = None) -> cfg.IntOpt:
    """An option that holds a whole number."""
    return cfg.IntOpt(name, default=default, min=minimum, max=maximum, deprecated_opts=also_in_default(name), help=text)


def switch(name: str, text: str) -> cfg.BoolOpt:
    """An option that is off unless it is set."""
    return cfg.BoolOpt(name, default=False, deprecated_opts=also_in_default(name), help=text)
