"""Query strings of requests, for glance-api and glance-registry."""

from __future__ import annotations

from urllib.parse import parse_qsl

from glance import errors


def parse(latin1: str) -> list[tuple[str, str]]:
    """All parameters in their order, of the bytes that WSGI hands over as latin-1. Raises InvalidParameter unless they are UTF-8, escaped or not."""
    try:
        text = latin1 if latin1.isascii() else latin1.encode("latin-1").decode()
        return parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeError:
        raise errors.InvalidParameter(reason="The query string is not valid UTF-8.") from None
