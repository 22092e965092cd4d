"""Options about the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_config import cfg

from glance.config.sections import Section

if TYPE_CHECKING:
    from glance.db.engine import DatabaseSettings


def _classic(*names: str) -> list[cfg.DeprecatedOpt]:
    """The spellings of older releases: in [DEFAULT], [sql] and [DATABASE] (oslo.config reads group names in any case)."""
    return [cfg.DeprecatedOpt(name, group=group) for name in names for group in ("DEFAULT", "sql", "DATABASE")]


SECTION = Section(
    "Database",
    (
        cfg.StrOpt(
            "connection",
            default="sqlite:///glance.sqlite",
            secret=True,
            deprecated_opts=_classic("sql_connection"),
            help="SQLAlchemy URL of the database. After sqlite:, three slashes start a path relative to the working directory, four an absolute one.",
        ),
        cfg.IntOpt(
            "idle_timeout",
            default=3600,
            min=-1,
            deprecated_opts=[*_classic("sql_idle_timeout", "sql_idel_timeout"), cfg.DeprecatedOpt("connection_recycle_time", group="database")],
            help="Seconds after which an idle connection is replaced; -1 for never.",
        ),
        cfg.IntOpt(
            "max_retries",
            default=10,
            min=-1,
            deprecated_opts=_classic("sql_max_retries"),
            help="How often to try again to reach the database at start; -1 for ever.",
        ),
        cfg.IntOpt(
            "retry_interval",
            default=10,
            min=0,
            deprecated_opts=_classic("sql_retry_interval"),
            help="Seconds between two tries to reach the database.",
        ),
        cfg.IntOpt("max_pool_size", default=5, min=1, deprecated_opts=_classic("sql_max_pool_size"), help="Connections that a process keeps open."),
        cfg.IntOpt(
            "max_overflow", default=50, min=0, deprecated_opts=_classic("sql_max_overflow"), help="Connections that it may open beyond those."
        ),
    ),
    group="database",
)

REMOVAL = Section(
    "Rows to remove",
    (
        cfg.IntOpt("age-in-days", min=0, max=36500, help="How long ago rows were deleted."),
        cfg.IntOpt("max-rows", min=-1, default=100, help="How many rows to remove; -1 for all."),
        cfg.StrOpt("file", help="The archive."),
    ),
    command_line=True,
)


def read(conf: cfg.ConfigOpts) -> DatabaseSettings:
    """Where the database is, and how patiently it is used."""
    from glance.db.engine import DatabaseSettings

    return DatabaseSettings(**SECTION.values(conf))
