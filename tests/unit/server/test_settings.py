"""Which settings a running server can take over."""

from __future__ import annotations

import pytest

from glance import errors
from glance.server.settings import ServerSettings, check_reload

OLD = ServerSettings(bind_host="0.0.0.0", bind_port=9292)


def test_reload_when_the_address_stays_then_accepted() -> None:
    check_reload(OLD, ServerSettings(bind_host="0.0.0.0", bind_port=9292, workers=3, threads=7))


@pytest.mark.parametrize("new", [ServerSettings(bind_host="127.0.0.1"), ServerSettings(bind_port=1)])
def test_reload_when_the_address_changes_then_refused(new: ServerSettings) -> None:
    with pytest.raises(errors.ConfigurationError, match="needs a restart"):
        check_reload(OLD, new)
