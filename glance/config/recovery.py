"""Options about what becomes of deleted images, and of what dead processes left."""

from __future__ import annotations

from oslo_config import cfg

from glance.config.sections import Section
from glance.service.sweeping import Sweeping

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
            max=1800,  # recovery takes uploads that ended an hour ago for those of an older copy of the database
            help="Seconds between two searches for what dead processes left. One process of all, on any machine, searches.",
        ),
    ),
)

ORPHANS = Section(
    "Data without an image",
    (
        cfg.FloatOpt(
            "orphan_sweep_interval",
            default=3600,
            min=0.1,
            help="Seconds between two searches of all stores for what no image needs. One process of all, on any machine, searches.",
        ),
        cfg.FloatOpt(
            "orphan_grace",
            default=86400,
            min=0.1,
            help="Seconds that such things are left after they last changed. What remains of interrupted uploads goes then; also staged data.",
        ),
        cfg.BoolOpt(
            "remove_orphans",
            default=False,
            help="Whether complete data go, too, that no record of this service names. Only where no other service, with another database, keeps "
            "images in the same directories, containers or buckets: they would lose them. Else they are only told of, in the log and by "
            "glance-manage check.",
        ),
    ),
)

SCRUBBER = Section(
    "Scrubber",
    (
        cfg.BoolOpt("daemon", short="D", default=False, help="Whether to go on, and erase again and again, until a signal comes."),
        cfg.IntOpt("wakeup-time", default=300, min=1, help="Seconds from one time to the next."),
        cfg.StrOpt("restore", metavar="ID", help="Id of a deleted image to make active again, while its data are kept. Nothing is erased."),
    ),
    command_line=True,
)


def read_sweeping(conf: cfg.ConfigOpts) -> Sweeping:
    """What a search of all stores erases."""
    return Sweeping(grace=conf.orphan_grace, data=conf.remove_orphans)
