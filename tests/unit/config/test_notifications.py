"""Where notifications go, as the options of this and of older releases say it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from glance import errors
from glance.config import notifications, programs
from glance.config.programs import Loaded
from glance.interfaces import Notifier
from glance.notifier.dispatch import Dispatcher
from glance.notifier.noop import NoopNotifier

PASSWORD = "s3:cret/@"


def load(tmp_path: Path, *lines: str) -> Loaded:
    path = tmp_path / "glance-api.conf"
    path.write_text("\n".join(["[DEFAULT]", *lines]))
    path.chmod(0o640)
    return programs.load(programs.API, [str(path)])


def make(tmp_path: Path, *lines: str) -> Notifier:
    loaded = load(tmp_path, *lines)
    return notifications.make(loaded.conf, loaded.files)


def kinds(notifier: Notifier) -> list[str]:
    return [type(one).__name__ for one in notifier._notifiers] if isinstance(notifier, Dispatcher) else []


SECTION = "[oslo_messaging_notifications]"
URL = "transport_url = fake://"


@pytest.mark.parametrize(
    ("lines", "made"),
    [
        ([], []),
        ([SECTION, "driver ="], []),
        ([SECTION, "driver = noop"], []),
        ([SECTION, "driver = log"], ["LogNotifier"]),
        ([SECTION, "driver = log,messagingv2,log", URL], ["LogNotifier", "MessagingNotifier"]),
        ([SECTION, "driver = log", "driver = messaging", URL], ["LogNotifier", "MessagingNotifier"]),
        ([URL, SECTION, "driver = messagingv2"], ["MessagingNotifier"]),
        (["notification_driver = messagingv2", URL], ["MessagingNotifier"]),
        (["notification_driver = glance.openstack.common.notifier.log_notifier"], ["LogNotifier"]),
        (["notifier_strategy = noop"], []),
        (["notifier_strategy = default"], []),
        (["notifier_strategy = logging"], ["LogNotifier"]),
        (["notifier_strategy = rabbit", f"rabbit_password = {PASSWORD}"], ["MessagingNotifier"]),
    ],
)
def test_make_when_drivers_are_named_then_makes_them_once_each(tmp_path: Path, lines: list[str], made: list[str]) -> None:
    notifier = make(tmp_path, *lines)
    assert kinds(notifier) == made
    assert isinstance(notifier, NoopNotifier if not made else Dispatcher)
    assert list(notifications.warnings(load(tmp_path, *lines).conf)) == []
    notifier.close()


@pytest.mark.parametrize("lines", [["notifier_strategy = qpid"], [SECTION, "driver = qpid"], ["notification_driver = qpid"]])
def test_make_when_a_driver_is_not_there_then_nothing_is_sent_and_the_operator_warned(tmp_path: Path, lines: list[str]) -> None:
    assert isinstance(make(tmp_path, *lines), NoopNotifier)
    assert [text for text in load(tmp_path, *lines).warnings() if "notification driver 'qpid'" in text] != []


@pytest.mark.parametrize("url", ["", f"tin://me:{PASSWORD}@can/", "nonsense", "rabbit://me:pass@host:port/"])
def test_make_when_the_bus_cannot_be_used_then_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="transport_url") as refused:
        make(tmp_path, SECTION, "driver = messagingv2", f"transport_url = {url}")
    assert "pass@" not in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_banner_when_a_bus_has_a_password_then_does_not_show_it(tmp_path: Path) -> None:
    loaded = load(tmp_path, f"rabbit_password = {PASSWORD}", SECTION, "driver = messagingv2", f"transport_url = rabbit://me:{PASSWORD}@host/")
    assert PASSWORD not in "\n".join(loaded.banner())
    loaded.files[0].chmod(0o644)
    assert [text for text in loaded.warnings() if "holds secrets" in text] != []


WITHOUT_LIBRARY = """
import sys
sys.modules["oslo_messaging"] = None  # as if it were not installed
from pathlib import Path
from glance import errors
from glance.config import notifications, programs
loaded = programs.load(programs.API, [sys.argv[1]])
try:
    notifications.make(loaded.conf, loaded.files)
except errors.ConfigurationError as error:
    print(error)
"""


def test_make_when_the_library_is_not_installed_then_says_what_to_install(tmp_path: Path) -> None:
    loaded = load(tmp_path, SECTION, "driver = messagingv2", URL)
    command = [sys.executable, "-c", WITHOUT_LIBRARY, str(loaded.files[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "pip install 'glance[messaging]'" in done.stdout
