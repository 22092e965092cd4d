"""Options about data that wait to be imported."""

from __future__ import annotations

import os
from pathlib import Path

from oslo_config import cfg

from glance import errors
from glance.config import filesystem
from glance.config.sections import Section
from glance.model.importing import METHODS
from glance.store import location as urls
from glance.store.drivers.file import FileStoreSettings
from glance.store.staging import NAME

STAGING = Section(
    "Staging",
    (
        cfg.ListOpt(
            "enabled_import_methods",
            default=["glance-direct", "web-download", "copy-image"],
            help="Ways to import data: glance-direct, web-download, copy-image, glance-download; brackets around the list are fine, and [] is none. "
            "This release stages data (PUT /v2/images/ID/stage) where glance-direct is among them, and imports nothing yet.",
        ),
        cfg.StrOpt(
            "node_staging_uri",
            help="Directory (file:///path) where staged data wait; made when something is staged for the first time. Unless set, the directory "
            "staging beside filesystem_store_datadir, not the /tmp/staging of other releases, which any user of the machine could make first. With "
            f"enabled_backends, the section [{NAME}] says it instead, which takes the options of the file store.",
        ),
    ),
)

#: Where staged data wait unless the section of their store says it (spec-v2 8.2).
DATADIR = f"/var/lib/glance/{NAME}"


def read_import_methods(conf: cfg.ConfigOpts) -> tuple[str, ...]:
    """The import methods that are switched on. Raises ConfigurationError for one that there is not."""
    named = [text.strip("[] ") for text in conf.enabled_import_methods]
    methods = tuple(dict.fromkeys(name for name in named if name))
    for name in methods:
        if name not in METHODS:
            raise errors.ConfigurationError(reason=f"enabled_import_methods names '{name}'. Accepted: {', '.join(METHODS)}.")
    return methods


def read(conf: cfg.ConfigOpts) -> FileStoreSettings:
    """How the store for staging keeps its files. Raises StoreMisconfigured."""
    if conf.enabled_backends:
        return filesystem.read(conf[NAME])
    kept = filesystem.read(conf.glance_store)
    url = urls.parse(conf.node_staging_uri or f"file://{os.path.abspath(kept.datadir.parent)}/staging")
    if url is None or url.scheme != "file" or url.authority or not url.path:
        raise errors.StoreMisconfigured(reason=f"node_staging_uri must be like file:///path, not {conf.node_staging_uri}")
    return kept.elsewhere(Path(url.path))
