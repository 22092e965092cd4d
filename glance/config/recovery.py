"""Options about what becomes of deleted images, and of what dead processes left."""

from __future__ import annotations

from oslo_config import cfg

from glance.config.sections import Section

DELETING = Section(
    "Deleting",
    (
        cfg.BoolOpt(
            "delayed_delete",
            default=False,
            help="Whether the data of a deleted image are kept for a while, in which an operator can restore it; else they are erased at once.",
        ),
        cfg.IntOpt(
            "scrub_time",
            min=0,
            help="Seconds that they are kept; then the service erases them. Unless set, only glance-scrubber does, whenever it runs.",
        ),
        cfg.IntOpt("scrub_pool_size", default=1, min=1, help="Images whose data are erased at the same time, by the service and by glance-scrubber."),
        cfg.FloatOpt(
            "recovery_interval",
            default=20,
            min=0.1,
            help="Seconds between two searches for what dead processes left. One process of all, on any machine, searches.",
        ),
    ),
)

SCRUBBER = Section(
    "Scrubber",
    (
        cfg.BoolOpt("daemon", short="D", default=False, help="Whether to go on, and erase again and again, until a signal comes."),
        cfg.IntOpt("wakeup_time", default=300, min=1, help="Seconds from one time to the next."),
        cfg.StrOpt("restore", metavar="ID", help="Id of a deleted image to make active again, while its data are kept. Nothing is erased."),
    ),
    command_line=True,
)
