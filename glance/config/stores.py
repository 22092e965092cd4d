"""Options about where image data is kept, and about data that is fetched from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from oslo_config import cfg

from glance import errors
from glance.config import s3, swift
from glance.config.sections import Section, also_in_default
from glance.egress import Egress, EgressSettings
from glance.interfaces import Store
from glance.model.importing import METHODS
from glance.store import location as urls
from glance.store.drivers.file import FileStoreSettings
from glance.store.staging import StagingStore
from glance.store.stores import StoreSet, driver_name, load_driver

STORES = Section(
    "Stores",
    (
        cfg.ListOpt(
            "stores",
            default=["file", "http"],
            deprecated_opts=also_in_default("stores", "known_stores"),
            help="Stores to enable: file, http, s3, swift. The class names of older releases (glance.store.filesystem.Store) are understood, and "
            "stores that are not installed are skipped with a warning.",
        ),
        cfg.StrOpt("default_store", default="file", deprecated_opts=also_in_default("default_store"), help="Store for images that name none."),
        cfg.StrOpt(
            "filesystem_store_datadir",
            default="/var/lib/glance/images/",
            deprecated_opts=also_in_default("filesystem_store_datadir"),
            help="Directory of the file store; made at start when it is missing.",
        ),
        cfg.StrOpt(
            "filesystem_store_file_perm",
            default="0",
            deprecated_opts=also_in_default("filesystem_store_file_perm"),
            help="Mode of image files as octal digits, such as 640. 0 stands for 0640.",
        ),
        cfg.BoolOpt(
            "https_insecure",
            default=False,
            deprecated_opts=also_in_default("https_insecure"),
            help="Whether certificates of HTTPS sources are not checked. (The default was True until this release.)",
        ),
        cfg.StrOpt(
            "https_ca_certificates_file",
            deprecated_opts=also_in_default("https_ca_certificates_file"),
            help="Certificates (PEM) that HTTPS sources are checked with. Unless set, those of the system.",
        ),
    ),
    group="glance_store",
)

SOURCES = Section(
    "External sources",
    (
        cfg.ListOpt(
            "source_schemes",
            default=["http", "https"],
            help="Schemes of URLs that clients may register (x-image-meta-location) or copy from (x-glance-api-copy-from).",
        ),
        cfg.ListOpt(
            "allowed_source_networks",
            default=[],
            help="Networks (CIDR) that such URLs may lead to although they are not on the public internet, for example 10.1.0.0/16.",
        ),
        cfg.ListOpt("denied_source_networks", default=[], help="Networks (CIDR) that such URLs must never lead to."),
        cfg.ListOpt("allowed_source_ports", default=["80", "443"], help="TCP ports that such URLs may name, and ranges of them: 80, 8000-8999."),
        cfg.FloatOpt("source_connect_timeout", default=5, min=0.1, help="Seconds to wait for a connection."),
        cfg.FloatOpt("source_read_timeout", default=60, min=0.1, help="Seconds to wait for data."),
        cfg.FloatOpt("source_total_timeout", default=86400, min=1, help="Seconds of waiting after which a transfer is given up."),
        cfg.IntOpt("source_minimum_rate", default=1024, min=0, help="Bytes a second below which a transfer is given up."),
        cfg.IntOpt("source_max_redirects", default=3, min=0, help="Redirects to follow; each is checked like the first address."),
    ),
)


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
            "staging beside filesystem_store_datadir, not the /tmp/staging of other releases, which any user of the machine could make first.",
        ),
    ),
)


def make(conf: cfg.ConfigOpts) -> StoreSet:
    """The enabled stores, not yet checked. Raises StoreMisconfigured."""
    group = conf.glance_store
    drivers = list(dict.fromkeys(name for name in map(driver_name, group.stores) if name))
    if not drivers:
        raise errors.StoreMisconfigured(reason="None of the stores that are enabled is installed.")
    try:
        egress = Egress(_egress_settings(conf))
        enabled = [_make_store(name, conf, egress) for name in drivers]
        return StoreSet(enabled, group.default_store, StagingStore(_staging_settings(conf)), conf.source_schemes)
    except errors.ConfigurationError as error:
        raise errors.StoreMisconfigured(reason=error.message) from error


def check(stores: StoreSet) -> None:
    """Makes every store ready but that for staging, which waits until it is needed. Raises StoreMisconfigured."""
    for name in stores.names:
        try:
            stores.get(name).check()
        except (errors.ConfigurationError, errors.Unavailable) as error:
            raise errors.StoreMisconfigured(reason=error.message) from error


def read_import_methods(conf: cfg.ConfigOpts) -> tuple[str, ...]:
    """The import methods that are switched on. Raises ConfigurationError for one that there is not."""
    named = [text.strip("[] ") for text in conf.enabled_import_methods]
    methods = tuple(dict.fromkeys(name for name in named if name))
    for name in methods:
        if name not in METHODS:
            raise errors.ConfigurationError(reason=f"enabled_import_methods names '{name}'. Accepted: {', '.join(METHODS)}.")
    return methods


def _make_store(name: str, conf: cfg.ConfigOpts, egress: Egress) -> Store:
    driver: Callable[..., Store] = load_driver(name)
    if name == "file":
        return driver(name, _file_settings(conf))
    if name == "s3":
        return driver(name, s3.read(conf.glance_store))
    if name == "swift":
        return driver(name, swift.read(conf.glance_store))
    return driver(name, egress) if name == "http" else driver(name)


def _file_settings(conf: cfg.ConfigOpts) -> FileStoreSettings:
    group = conf.glance_store
    try:
        mode = int(group.filesystem_store_file_perm, 8)
    except ValueError:
        raise errors.StoreMisconfigured(reason=f"filesystem_store_file_perm is not octal: {group.filesystem_store_file_perm}") from None
    return FileStoreSettings(datadir=Path(group.filesystem_store_datadir), file_perm=mode)


def _staging_settings(conf: cfg.ConfigOpts) -> FileStoreSettings:
    kept = _file_settings(conf)
    url = urls.parse(conf.node_staging_uri or f"file://{os.path.abspath(kept.datadir.parent)}/staging")
    if url is None or url.scheme != "file" or url.authority or not url.path:
        raise errors.StoreMisconfigured(reason=f"node_staging_uri must be like file:///path, not {conf.node_staging_uri}")
    if os.path.realpath(url.path) == os.path.realpath(kept.datadir):
        raise errors.StoreMisconfigured(reason="Staged data need a directory other than filesystem_store_datadir: set node_staging_uri.")
    return replace(kept, datadir=Path(url.path))


def _egress_settings(conf: cfg.ConfigOpts) -> EgressSettings:
    certificates = conf.glance_store.https_ca_certificates_file
    return EgressSettings(
        allowed_networks=tuple(conf.allowed_source_networks),
        denied_networks=tuple(conf.denied_source_networks),
        allowed_ports=tuple(_ports(conf.allowed_source_ports)),
        connect_timeout=conf.source_connect_timeout,
        read_timeout=conf.source_read_timeout,
        total_timeout=conf.source_total_timeout,
        minimum_rate=conf.source_minimum_rate,
        maximum_bytes=conf.image_size_cap,
        max_redirects=conf.source_max_redirects,
        https_insecure=conf.glance_store.https_insecure,
        ca_file=Path(certificates) if certificates else None,
    )


def _ports(texts: Sequence[str]) -> Iterator[int]:
    for text in texts:
        first, dash, last = text.partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            low, high = 0, 0
        if not 0 < low <= high < 2**16:
            raise errors.StoreMisconfigured(reason=f"allowed_source_ports has an item that is no port and no range of ports: {text}")
        yield from range(low, high + 1)
