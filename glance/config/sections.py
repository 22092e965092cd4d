"""How options are declared: a ``Section`` for each subject, registered on the configuration object that is handed in."""

from __future__ import annotations

import copy
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

    def register(self, conf: cfg.ConfigOpts, program: str) -> None:
        """Declares the options on ``conf``. What may stand in [DEFAULT] may also stand in [app:PROGRAM], as in the files of early 2011."""
        options = [self._with_app_section(option, program) for option in self.options]
        group = None if self.group == DEFAULT else self.group
        if self.command_line:
            conf.register_cli_opts(options, group)
        else:
            conf.register_opts(options, group)

    def values(self, conf: cfg.ConfigOpts) -> dict[str, Any]:
        """The values that ``conf`` holds, by option name."""
        values = conf if self.group == DEFAULT else conf[self.group]
        return {option.dest: values[option.dest] for option in self.options}

    def _with_app_section(self, option: cfg.Opt, program: str) -> cfg.Opt:
        own = cfg.DeprecatedOpt(option.dest, group=self.group)
        classic = [
            cfg.DeprecatedOpt(name.name or option.dest, group=f"app:{program}")
            for name in (own, *option.deprecated_opts)
            if (name.group or self.group) == DEFAULT
        ]
        option = copy.copy(option)
        option.deprecated_opts = [*option.deprecated_opts, *classic]
        return option


def also_in_default(*names: str) -> list[cfg.DeprecatedOpt]:
    """The spellings in [DEFAULT] of an option that has a group of its own today."""
    return [cfg.DeprecatedOpt(name, group=DEFAULT) for name in names]
