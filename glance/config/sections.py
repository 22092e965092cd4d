"""How options are declared: a ``Section`` for each subject, registered on the configuration object that is handed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from oslo_config import cfg, types

DEFAULT = "DEFAULT"


class Configuration(cfg.ConfigOpts):
    """An oslo.config object that takes a ``$`` which names no option for an ordinary character, since passwords contain it, and that tells a wrong
    value together with what is accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.unregister_opt(cfg.StrOpt("shell_completion"))  # it needs files that oslo.config does not install

    class Template(cfg.ConfigOpts.Template):  # noqa: D106 - see the class around it
        def safe_substitute(self, *args: object, **kwargs: object) -> str:
            try:
                return super().safe_substitute(*args, **kwargs)
            except cfg.Error:
                return self.template

    def _convert_value(self, value: Any, opt: cfg.Opt) -> Any:
        try:
            return super()._convert_value(value, opt)
        except ValueError as error:
            raise ValueError(f"'{value}'. Accepted: {accepted(opt.type) or error}.") from error

    def _validate_cli_options(self, namespace: Any) -> None:
        """Nothing: oslo.config ends the process here, even one that only reloads; wrong values raise errors when they are read."""


def accepted(kind: Any) -> str:
    """The values that a type of oslo.config takes, in words; "" for a type without limits."""
    if isinstance(kind, types.Boolean):
        return "true or false"
    if getattr(kind, "choices", None):
        return ", ".join(map(str, kind.choices))
    if not isinstance(kind, types.Number):
        return ""
    limits = [f"{word} {limit}" for word, limit in (("at least", kind.min), ("at most", kind.max)) if limit is not None]
    return ", ".join(["a whole number" if isinstance(kind, types.Integer) else "a number", *limits])


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


def is_given(conf: cfg.ConfigOpts, name: str, group: str = DEFAULT) -> bool:
    """Whether an option has its value from somebody, not from its declaration."""
    found = conf.get_location(name, None if group == DEFAULT else group)
    return found is not None and found.location is not cfg.Locations.opt_default


def also_in_default(*names: str) -> list[cfg.DeprecatedOpt]:
    """The spellings in [DEFAULT] of an option that has a group of its own today."""
    return [cfg.DeprecatedOpt(name, group=DEFAULT) for name in names]
