"""Options about who may do what: the identity headers of trusted-auth pipelines, and the operator's policy file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg

from glance import errors
from glance.config import files
from glance.config.sections import Section, also_in_default

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
    ),
    group="oslo_policy",
)

#: Looked for, in this order, where ``policy_file`` is not set.
POLICY_FILES = ("policy.yaml", "policy.json")


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """``path`` is None where only the defaults count."""

    path: Path | None
    default_rule: str


def check(conf: cfg.ConfigOpts) -> None:
    """Raises ConfigurationError for settings that would lend callers an administrator's rights."""
    if not conf.use_user_token:
        raise errors.ConfigurationError(reason="use_user_token = False is refused: every caller would reach the registry as an administrator.")


def read_policy(conf: cfg.ConfigOpts, directories: tuple[Path, ...]) -> PolicySettings:
    """``directories`` are those of the configuration files. A file that is named but missing counts as empty, until it appears."""
    group = conf.oslo_policy
    if group.policy_file:
        return PolicySettings(files.beside(directories, group.policy_file), group.policy_default_rule)
    found = [directory / name for directory in directories for name in POLICY_FILES if (directory / name).exists()]
    return PolicySettings(found[0] if found else None, group.policy_default_rule)
