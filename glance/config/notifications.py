"""Options about who is told what happens to images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from oslo_config import cfg

from glance import errors
from glance.config.sections import Section, also_in_default
from glance.interfaces import Notifier
from glance.notifier.dispatch import Dispatcher
from glance.notifier.log import LogNotifier
from glance.notifier.noop import NoopNotifier
from glance.notifier.settings import MessagingSettings

EVENTS = Section(
    "Notifications",
    (
        cfg.StrOpt("default_publisher_id", default="image.localhost", help="Name of this service in its notifications."),
        cfg.ListOpt(
            "disabled_notifications",
            default=[],
            help="Notifications that are not sent: types such as image.send, and groups such as image.member. docs/reference/notifications.md lists "
            "all types.",
        ),
        cfg.StrOpt("control_exchange", default="glance", help="Exchange on the message bus that notifications are sent to."),
    ),
)

DRIVERS = Section(
    "Notifications: where they go",
    (
        cfg.MultiStrOpt(
            "driver",
            default=[],
            deprecated_opts=also_in_default("notification_driver"),
            help="Where notifications go, any number of: log (lines of the log), messagingv2 (a message bus; needs the extra glance[messaging]), "
            "messaging (the same without envelope, for old consumers), noop. Comma-separated, or repeated. Nowhere unless set.",
        ),
        cfg.ListOpt(
            "topics",
            default=["notifications"],
            deprecated_opts=also_in_default("notification_topics"),
            help="Topics on the message bus. Messages of each arrive in the queue TOPIC.info or TOPIC.error.",
        ),
        cfg.StrOpt(
            "transport_url",
            secret=True,
            deprecated_opts=also_in_default("notification_transport_url", "transport_url"),
            help="Message bus, such as rabbit://user:password@host:5672/.",
        ),
    ),
    group="oslo_messaging_notifications",
)

CLASSIC = Section(
    "Notifications, as files of 2011 to 2013 name them",
    (
        cfg.StrOpt(
            "notifier_strategy",
            help="One of: noop; logging, today the driver log; rabbit, today the driver messaging, at the broker that is named here.",
        ),
        cfg.StrOpt("rabbit_host", default="localhost", help="Broker of the strategy rabbit."),
        cfg.PortOpt("rabbit_port", default=5672, help="Its port."),
        cfg.BoolOpt("rabbit_use_ssl", default=False, help="Whether to connect with TLS."),
        cfg.StrOpt("rabbit_userid", default="guest", help="User there."),
        cfg.StrOpt("rabbit_password", secret=True, help="That user's password. Unless set, guest."),
        cfg.StrOpt("rabbit_virtual_host", default="/", help="Virtual host there."),
        cfg.StrOpt("rabbit_notification_exchange", default="glance", help="Exchange there."),
        cfg.StrOpt("rabbit_notification_topic", default="glance_notifications", help="Topic there."),
    ),
)

_KNOWN = frozenset({"noop", "log", "messaging", "messagingv2"})
#: What drivers and strategies of older releases are called today.
_OLDER_NAMES = {
    "logging": "log",
    "default": "noop",  # the strategy of 2013 that leaves the choice to notification_driver
    "glance.openstack.common.notifier.no_op_notifier": "noop",
    "glance.openstack.common.notifier.log_notifier": "log",
    "glance.openstack.common.notifier.rpc_notifier": "messaging",
    "glance.openstack.common.notifier.rpc_notifier2": "messagingv2",
}


def make(conf: cfg.ConfigOpts, files: Sequence[Path]) -> Notifier:
    """The notifier that the options describe. ``files`` are those of the configuration, which may hold options of the message bus's library.

    Raises ConfigurationError for a bus that cannot be used; nothing connects to it yet.
    """
    notifiers = [_notifier(conf, name, files) for name in _chosen(conf)]
    return Dispatcher(notifiers, conf.disabled_notifications) if notifiers else NoopNotifier()


def warnings(conf: cfg.ConfigOpts) -> Iterator[str]:
    """A sentence for each driver that this release does not have."""
    for name in _named(conf):
        if name not in _KNOWN | {"rabbit"}:
            yield f"There is no notification driver '{name}': it gets nothing. Drivers are: {', '.join(sorted(_KNOWN))}."


def _named(conf: cfg.ConfigOpts) -> list[str]:
    """Every driver that the options name, by the name that it has today; each once."""
    drivers = [name.strip() for text in conf.oslo_messaging_notifications.driver for name in text.split(",")]
    named = [*drivers, (conf.notifier_strategy or "").strip()]
    return list(dict.fromkeys(_OLDER_NAMES.get(name, name) for name in named if name))


def _chosen(conf: cfg.ConfigOpts) -> list[str]:
    return [name for name in _named(conf) if name in _KNOWN | {"rabbit"} and name != "noop"]


def _notifier(conf: cfg.ConfigOpts, name: str, files: Sequence[Path]) -> Notifier:
    if name == "log":
        return LogNotifier()
    try:
        from glance.notifier.messaging import MessagingNotifier
    except ImportError as error:
        raise errors.ConfigurationError(
            reason=f"The notification driver {name} needs oslo.messaging, which is not installed: pip install 'glance[messaging]'"
        ) from error
    return MessagingNotifier(_rabbit(conf) if name == "rabbit" else _bus(conf, name), _library(files))


def _bus(conf: cfg.ConfigOpts, driver: str) -> MessagingSettings:
    group = conf.oslo_messaging_notifications
    if not group.transport_url:
        raise errors.ConfigurationError(reason=f"The notification driver {driver} needs the option transport_url.")
    return MessagingSettings(group.transport_url, driver, tuple(group.topics), conf.control_exchange, conf.default_publisher_id)


def _rabbit(conf: cfg.ConfigOpts) -> MessagingSettings:
    login = f"{quote(conf.rabbit_userid, safe='')}:{quote(conf.rabbit_password or 'guest', safe='')}"
    place = f"{conf.rabbit_host}:{conf.rabbit_port}/{quote(conf.rabbit_virtual_host, safe='')}"
    url = f"rabbit://{login}@{place}?ssl={conf.rabbit_use_ssl}"
    return MessagingSettings(url, "messaging", (conf.rabbit_notification_topic,), conf.rabbit_notification_exchange, conf.default_publisher_id)


def _library(files: Sequence[Path]) -> cfg.ConfigOpts:
    """The same files for the library, which declares options of its own, some by the names of ours."""
    conf = cfg.ConfigOpts()
    conf([], project="glance", default_config_files=[str(path) for path in files], default_config_dirs=[])
    return conf
