"""What the tables of the API's versions are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from wsgiref.types import WSGIApplication

#: Takes a ``glance.api.request.Request`` and the arguments of its path; the answer is WebOb's, or a ``JsonAnswer``.
Handler = Callable[..., WSGIApplication]
#: path template -> method -> handler; braces name the arguments of the handler.
Table = Mapping[str, Mapping[str, Handler]]

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
