"""Connections of PyMySQL that use TLS where the server does. For each, the driver reads all certificates of the system, which takes longer than all
the rest; and where nothing is said about TLS, it checks no certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from pymysql.connections import Connection


def connector() -> Callable[..., Any]:
    """What makes connections. Those to which nothing is said about TLS share one context."""
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE

    class Sharing(Connection):  # type: ignore[misc] # the driver has no types
        def _create_ssl_ctx(self, options: Any) -> ssl.SSLContext:
            context: ssl.SSLContext = super()._create_ssl_ctx(options or unchecked)
            return context

    return Sharing
