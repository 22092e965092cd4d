"""Options about callers that this service knows by itself, and the filters that ask who they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg

from glance.config import files
from glance.config.sections import Section
from glance.identity.tokens import TokenFile

TOKENS = Section(
    "Tokens",
    (
        cfg.StrOpt(
            "file",
            default="tokens.json",
            help="File of the flavor tokens, which glance-manage token writes: digests of tokens, and whom each stands for. A relative path is "
            "looked for beside the configuration file. It is read again when it changes.",
        ),
    ),
    group="tokens",
)

HTTP_BASIC = Section(
    "Users with passwords",
    (
        cfg.StrOpt(
            "htpasswd_file",
            default="htpasswd",
            help="File of the flavor http_basic with lines USER:HASH, as htpasswd -B writes them; no hash but bcrypt is accepted. A relative path is "
            "looked for beside the configuration file. It is read again when it changes.",
        ),
        cfg.StrOpt(
            "users_file",
            default="users",
            help="File with lines USER:PROJECT:ROLE,ROLE for the users of htpasswd_file; whoever has no line may not call.",
        ),
        cfg.IntOpt(
            "remember_seconds",
            default=60,
            min=0,
            help="Seconds for which a password that was right is not computed again, since that takes about a tenth of a second. A changed "
            "password, user or role counts at once.",
        ),
    ),
    group="http_basic",
)


def tokens_path(conf: cfg.ConfigOpts) -> Path:
    """The file of tokens."""
    return _path(conf, conf.tokens.file)


def tokens(global_conf: Mapping[str, str], oslo_config_config: cfg.ConfigOpts, **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: ``TokensFilter``. Raises ConfigurationError where the file is there and cannot be used."""
    from glance.api.middleware.tokens import TokensFilter

    known = TokenFile(tokens_path(oslo_config_config))
    return lambda application: TokensFilter(application, known)


def http_basic(global_conf: Mapping[str, str], oslo_config_config: cfg.ConfigOpts, **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: ``HttpBasicFilter``. Raises ConfigurationError where one of the files is there and cannot be used."""
    from glance.api.middleware.http_basic import HttpBasicFilter
    from glance.identity.users import UserFiles, Users

    group = oslo_config_config.http_basic
    htpasswd, users = (_path(oslo_config_config, name) for name in (group.htpasswd_file, group.users_file))
    known = Users(UserFiles(htpasswd, users, group.remember_seconds))
    return lambda application: HttpBasicFilter(application, known)


def _path(conf: cfg.ConfigOpts, name: str) -> Path:
    return files.beside([Path(one).absolute().parent for one in reversed(conf.config_file or ())], name)
