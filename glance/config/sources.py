"""Options about data that are fetched from addresses which clients name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from oslo_config import cfg

from glance import errors
from glance.config.sections import Section, also_in_default
from glance.egress import Egress, EgressSettings

SOURCES = Section(
    "External sources",
    (
        cfg.ListOpt(
            "source_schemes",
            default=["http", "https"],
            help="Schemes of URLs that clients may register (x-image-meta-location) or copy from (x-glance-api-copy-from). Only those of stores that "
            "cannot be written: by any other, clients could read and erase the data of others.",
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

SECTION = Section(
    "HTTP store",
    (
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


def check(conf: cfg.ConfigOpts) -> None:
    """Raises ConfigurationError where the options do not say which addresses clients may name."""
    Egress(_settings(conf))


def make(conf: cfg.ConfigOpts, group: str) -> Egress:
    """The guard of an HTTP store whose options stand in the section ``group``. Raises ConfigurationError."""
    certificates = conf[group].https_ca_certificates_file
    own = {"https_insecure": conf[group].https_insecure, "ca_file": Path(certificates) if certificates else None}
    return Egress(replace(_settings(conf), **own))


def _settings(conf: cfg.ConfigOpts) -> EgressSettings:
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
