"""Options about the registry: where glance-api finds it, and how glance-registry knows its callers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from oslo_config import cfg

from glance.config.listening import is_loopback
from glance.config.sections import Section

if TYPE_CHECKING:
    from glance.registry.connections import RegistryClientSettings

SECRET = cfg.StrOpt(
    "registry_shared_secret",
    secret=True,
    help="Text that glance-api proves itself with to glance-registry; the same in both files. Unless set, glance-registry answers everybody who "
    "reaches its port; with ca_file, whoever shows a certificate that it accepts.",
)

MODE = cfg.StrOpt(
    "registry_mode",
    default="http",
    choices=[("http", "glance-registry, another process, is asked over HTTP"), ("embedded", "glance-api works on the database itself")],
    help="How glance-api reaches the metadata of images.",
)

LEASE = Section(
    "Uploads",
    (cfg.FloatOpt("upload_lease_seconds", default=60, min=1, help="Seconds without a sign of life after which an upload counts as dead."),),
)

SERVER = Section("Registry", (SECRET,))

CLIENT = Section(
    "Registry",
    (
        MODE,
        SECRET,
        cfg.StrOpt("registry_host", default="127.0.0.1", help="Address of glance-registry."),
        cfg.PortOpt("registry_port", default=9191, deprecated_name="resigtry_port", help="TCP port of glance-registry."),
        cfg.StrOpt("registry_client_protocol", default="http", choices=["http", "https"], help="How to speak to glance-registry."),
        cfg.StrOpt("registry_client_key_file", help="Private key (PEM, without pass phrase) of registry_client_cert_file, unless that holds it too."),
        cfg.StrOpt("registry_client_cert_file", help="Certificate (PEM) to show to glance-registry."),
        cfg.StrOpt("registry_client_ca_file", help="Certificates (PEM) to check glance-registry with. Unless set, those of the system."),
        cfg.BoolOpt("registry_client_insecure", default=False, help="Whether glance-registry's certificate is not checked."),
        cfg.FloatOpt("registry_client_timeout", default=600, min=1, help="Seconds to wait for an answer of glance-registry."),
        cfg.IntOpt("registry_client_connections", default=32, min=1, help="Connections to glance-registry that a worker keeps open."),
    ),
)


def trusts_everybody(conf: cfg.ConfigOpts) -> bool:
    """Whether glance-registry believes others than this machine who neither know a secret nor show a certificate."""
    return not (conf.registry_shared_secret or conf.ca_file or is_loopback(conf.bind_host))


def warnings(conf: cfg.ConfigOpts) -> Iterator[str]:
    """What an operator of glance-api may expect that is not so."""
    files = (conf.registry_client_cert_file, conf.registry_client_key_file, conf.registry_client_ca_file)
    if conf.registry_client_protocol == "http" and any(files):
        yield "registry_client_protocol is http: no certificate is shown to glance-registry or checked, and nothing is encrypted."
    if conf.registry_client_protocol == "https" and conf.registry_client_insecure:
        yield "registry_client_insecure is on: whoever stands between glance-api and glance-registry reads and changes what they say."


def read_client(conf: cfg.ConfigOpts) -> RegistryClientSettings:
    """Where the registry is, and how to speak to it."""
    from glance.registry.connections import RegistryClientSettings

    return RegistryClientSettings(
        host=conf.registry_host,
        port=conf.registry_port,
        protocol=conf.registry_client_protocol,
        timeout=conf.registry_client_timeout,
        connections=conf.registry_client_connections,
        ca_file=conf.registry_client_ca_file,
        cert_file=conf.registry_client_cert_file,
        key_file=conf.registry_client_key_file,
        insecure=conf.registry_client_insecure,
        secret=conf.registry_shared_secret,
    )
