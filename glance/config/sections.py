"""How options are declared: a ``Section`` for each subject, registered on the configuration object that is handed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oslo_config import cfg

DEFAULT = "DEFAULT"


class Configuration(cfg.ConfigOpts):
    """An oslo.config object that takes a ``$`` which names no option for an ordinary character: passwords contain it."""

    class Template(cfg.ConfigOpts.Template):  # noqa: D106 - see the class around it
        def safe_substitute(self, *args: object, **kwargs: object) -> str:
            try:
                return super().safe_substitute(*args, **kwargs)
            except cfg.Error:
                return self.template


@dataclass(frozen=True, slots=True)
class Section:
    """Options that belong together: their ``subject`` in a few words, and the group (section of the file) that they stand in."""

    subject: str
    options: tuple[cfg.Opt, ...]
    group: str = DEFAULT
    command_line: bool = False

    def register(self, conf: cfg.ConfigOpts) -> None:
        """Declares the options on ``conf``."""
        group = None if self.group == DEFAULT else self.group
        if self.command_line:
            conf.register_cli_opts(self.options, group)
        else:
            conf.register_opts(self.options, group)

    def values(self, conf: cfg.ConfigOpts) -> dict[str, Any]:
        """The values that ``conf`` holds, by option name."""
        values = conf if self.group == DEFAULT else conf[self.group]
        return {option.dest: values[option.dest] for option in self.options}

    def in_default(self) -> dict[str, cfg.Opt]:
        """The options by the names that they may have in [DEFAULT]."""
        own = {option.dest: option for option in self.options} if self.group == DEFAULT else {}
        older = {
            name.name or option.dest: option for option in self.options for name in option.deprecated_opts if (name.group or self.group) == DEFAULT
        }
        return {**older, **own}


def also_in_default(*names: str) -> list[cfg.DeprecatedOpt]:
    """The spellings in [DEFAULT] of an option that has a group of its own today."""
    return [cfg.DeprecatedOpt(name, group=DEFAULT) for name in names]
