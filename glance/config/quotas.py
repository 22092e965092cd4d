"""Options about what the images of one project may take together."""

from __future__ import annotations

import re

from oslo_config import cfg

from glance.config.sections import Section
from glance.model.quotas import Quotas

_SIZE = r"(?i)^\s*([0-9]{1,15})\s*(B|KB|MB|GB|TB)?\s*$"
_UNITS = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}

SECTION = Section(
    "Quotas of projects",
    (
        cfg.StrOpt(
            "user_storage_quota",
            default="0",
            regex=_SIZE,
            help="What the data of one project's images may take, each copy for itself: a number of bytes, or of KB, MB, GB or TB, such as 2TB, "
            "where a KB has 1024 bytes. 0 for any number. Set all quotas of projects alike in glance-api.conf and glance-registry.conf.",
        ),
        cfg.StrOpt(
            "project_staging_quota",
            default="0",
            regex=_SIZE,
            help="What data that wait to be imported may take, for one project; in the same words. They do not count in user_storage_quota.",
        ),
        cfg.IntOpt("project_image_quota", default=-1, min=-1, help="Images that one project may have; -1 for any number."),
        cfg.IntOpt(
            "project_upload_quota",
            default=-1,
            min=-1,
            help="Images of one project that may get data at the same time, those staged included; -1 for any number.",
        ),
    ),
)


def read(conf: cfg.ConfigOpts) -> Quotas:
    """What the images of one owner may take."""
    return Quotas(
        images=conf.project_image_quota,
        uploading=conf.project_upload_quota,
        stored=_bytes(conf.user_storage_quota),
        staged=_bytes(conf.project_staging_quota),
    )


def _bytes(text: str) -> int:
    found = re.match(_SIZE, text)
    number = int(found[1]) * _UNITS[(found[2] or "B").upper()] if found else 0
    return number or -1
