"""Options about what the images of one project may take together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from oslo_config import cfg

from glance.config import limits
from glance.config.sections import Section, is_given
from glance.interfaces import QuotaSource
from glance.model.quotas import EqualQuotas, Quotas

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
            "where a KB has 1024 bytes. 0 for any number. Quotas of projects are set where the database is: in glance-registry.conf, or in "
            "glance-api.conf with registry_mode = embedded.",
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
        cfg.BoolOpt(
            "use_keystone_limits",
            default=False,
            help="Whether keystone says instead what each project may take: its limits image_size_total and image_stage_total (MiB), "
            "image_count_total and image_count_uploading, or else those registered. One that is not registered allows nothing. See [oslo_limit].",
        ),
    ),
)


def make(conf: cfg.ConfigOpts) -> QuotaSource | None:
    """Whoever says what the images of each owner may take; None where nothing is limited. Raises ConfigurationError."""
    if conf.use_keystone_limits:
        return limits.make(conf)
    quotas = _read(conf)
    return None if quotas == Quotas() else EqualQuotas(quotas)


def warnings(conf: cfg.ConfigOpts) -> Iterator[str]:
    """A sentence about options that do not count."""
    names = [option.dest for option in SECTION.options if is_given(conf, option.dest)]
    if names and "registry_mode" in conf and conf.registry_mode == "http":
        yield f"glance-registry keeps the quotas of projects: these options count in its configuration only: {', '.join(names)}."
    elif conf.use_keystone_limits and len(names) > 1:
        names.remove("use_keystone_limits")
        yield f"use_keystone_limits is on: keystone says what projects may take, and these options are ignored: {', '.join(names)}."


def _read(conf: cfg.ConfigOpts) -> Quotas:
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
