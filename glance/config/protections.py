"""The operator's file about custom properties that not everybody may see or change (spec-v2 3.9)."""

from __future__ import annotations

import configparser
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from oslo_config import cfg

from glance import errors
from glance.config import files
from glance.config.sections import Section
from glance.model.protections import ACTIONS, EVERYONE, NOBODY, Protection, Protections

SECTION = Section(
    "Property protections",
    (
        cfg.StrOpt(
            "property_protection_file",
            help="File that says who may create, read, update and delete which custom properties; a relative path is looked for beside the "
            "configuration file. Unless set, whoever may change an image may change its properties.",
        ),
        cfg.StrOpt(
            "property_protection_rule_format",
            default="roles",
            choices=[("roles", "lists of roles"), ("policies", "one policy for each action")],
            help="Whom that file names.",
        ),
    ),
)


def read(conf: cfg.ConfigOpts, directories: Sequence[Path], policies: Collection[str]) -> Protections | None:
    """The protections, None where there is no file. ``directories`` are those of the configuration files, ``policies`` are all that a file may name.
    Raises ConfigurationError, which names file and cause."""
    if not conf.property_protection_file:
        return None
    path = files.beside(directories, conf.property_protection_file)
    by_policies = conf.property_protection_rule_format == "policies"
    try:
        files.check(path)
        protections = parse(path.read_text(), by_policies=by_policies)
    except errors.ConfigurationUnsafe:
        raise
    except (OSError, ValueError, errors.ConfigurationError) as error:
        raise errors.ConfigurationError(reason=f"The property protections {path} cannot be used: {error}") from error
    unknown = _named(protections) - {*policies, EVERYONE, NOBODY}
    if by_policies and unknown:
        raise errors.ConfigurationError(reason=f"The property protections {path} name policies that there are not: {', '.join(sorted(unknown))}.")
    return protections


def parse(text: str, *, by_policies: bool = False) -> Protections:
    """Reads one section for each pattern of names. Raises ConfigurationError."""
    # Another name for "DEFAULT", which is a pattern like any other here.
    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(text, "it")
    except configparser.Error as error:
        raise errors.ConfigurationError(reason=str(error)) from None
    if not parser.sections():
        raise errors.ConfigurationError(reason="There is no section in it, so nobody could see any property.")
    return Protections(tuple(_protection(section, parser[section], by_policies=by_policies) for section in parser.sections()), by_policies)


def _protection(name: str, section: configparser.SectionProxy, *, by_policies: bool) -> Protection:
    try:
        pattern = re.compile(name, re.IGNORECASE)  # version 1 sends names in headers, whose case tells nothing
    except re.error as error:
        raise errors.ConfigurationError(reason=f"[{name}] is no regular expression: {error}.") from None
    return Protection(pattern, {action: _permitted(f"[{name}] {action}", section.get(action, ""), by_policies=by_policies) for action in ACTIONS})


def _permitted(where: str, text: str, *, by_policies: bool) -> frozenset[str]:
    names = frozenset(filter(None, map(str.strip, text.split(","))))
    if not names:
        raise errors.ConfigurationError(reason=f"{where} must say who may do that: @ for everybody, ! for nobody.")
    if names >= {EVERYONE, NOBODY}:
        raise errors.ConfigurationError(reason=f"{where} says both @ and !, everybody and nobody.")
    if by_policies and len(names) > 1:
        raise errors.ConfigurationError(reason=f"{where} must name one policy.")
    return names if by_policies else frozenset(map(str.lower, names))


def _named(protections: Protections) -> frozenset[str]:
    return frozenset[str]().union(*(names for section in protections.sections for names in section.permitted.values()))
