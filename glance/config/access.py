"""Options about who may do what: the identity headers of trusted-auth pipelines, and the operator's policy file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oslo_config import cfg

from glance import errors
from glance.config import files
from glance.config.sections import Section, also_in_default

if TYPE_CHECKING:
    from glance.policies.engine import PolicyEngine

IDENTITY = Section(
    "Callers",
    (
        cfg.StrOpt("admin_role", default="admin", help="Role that makes a caller an administrator, where a pipeline reads identity headers."),
        cfg.BoolOpt("owner_is_tenant", default=True, help="Whether images belong to the project of their creator; else to the user."),
        cfg.BoolOpt(
            "allow_anonymous_access",
            default=False,
            help="Whether a caller without confirmed identity may read public images. Such a caller can change nothing.",
        ),
        cfg.BoolOpt(
            "use_user_token",
            default=True,
            help="The registry is always asked on behalf of the caller. False, which meant asking as an administrator, is refused (OSSN-0060).",
        ),
        cfg.IntOpt("max_request_id_length", default=64, min=1, help="Characters that a request id sent by a client may have."),
    ),
)

POLICY = Section(
    "Policy",
    (
        cfg.StrOpt(
            "policy_file",
            deprecated_opts=also_in_default("policy_file"),
            help="File (JSON or YAML) with rules that differ from the defaults; a relative path is looked for beside the configuration file. "
            "Unless set, policy.yaml or policy.json there, if one exists. It is read again when it changes.",
        ),
        cfg.StrOpt(
            "policy_default_rule",
            default="default",
            deprecated_opts=also_in_default("policy_default_rule"),
            help="Name of the rule that decides where no other one does.",
        ),
        cfg.MultiStrOpt(
            "policy_dirs",
            default=["policy.d"],
            help="Directories whose files (.yaml, .yml, .json) count after policy_file, in the order of their names; a relative path is looked for "
            "beside the configuration file.",
        ),
        cfg.BoolOpt(
            "enforce_new_defaults",
            default=True,
            help="Whether the defaults ask for the roles member and reader. If not, rules that are marked as classic let every role act, as before "
            "2021; whose image it is counts in both cases.",
        ),
        cfg.BoolOpt(
            "enforce_scope",
            default=True,
            help="Whether only callers with a project are let in. They are the only ones also where this is off, which the log then says.",
        ),
    ),
    group="oslo_policy",
)

#: Looked for, in this order, where ``policy_file`` is not set.
POLICY_FILES = ("policy.yaml", "policy.json")


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """``path`` is None where there is no file but those in ``directories``."""

    path: Path | None
    default_rule: str
    directories: tuple[Path, ...]
    classic: bool


def check(conf: cfg.ConfigOpts) -> None:
    """Raises ConfigurationError for settings that would lend callers an administrator's rights."""
    if not conf.use_user_token:
        raise errors.ConfigurationError(reason="use_user_token = False is refused: every caller would reach the registry as an administrator.")


def read_policy(conf: cfg.ConfigOpts, directories: tuple[Path, ...]) -> PolicySettings:
    """``directories`` are those of the configuration files. A file that is named but missing counts as empty, until it appears."""
    group = conf.oslo_policy
    if group.policy_file:
        path: Path | None = files.beside(directories, group.policy_file)
    else:
        path = next((directory / name for directory in directories for name in POLICY_FILES if files.is_there(directory / name)), None)
    more = tuple(files.beside(directories, name) for name in group.policy_dirs)
    return PolicySettings(path, group.policy_default_rule, more, not group.enforce_new_defaults)


def make_policy(conf: cfg.ConfigOpts, directories: tuple[Path, ...]) -> PolicyEngine:
    """The operator's policy. Raises ConfigurationError for files that cannot be used."""
    from glance.policies.engine import PolicyEngine

    settings = read_policy(conf, directories)
    return PolicyEngine(settings.path, settings.default_rule, directories=settings.directories, classic=settings.classic, read=files.text)


def warnings(conf: cfg.ConfigOpts) -> Iterator[str]:
    """What an operator may expect that is not so."""
    if not conf.oslo_policy.enforce_scope:
        yield "enforce_scope is off, but callers without a project are refused all the same: every rule is about a project."
