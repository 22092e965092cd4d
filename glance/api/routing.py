"""From a table of paths to handlers; the answers to wrong methods and paths follow from the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import webob
import webob.exc

from glance.api.request import Request
from glance.model.metrics import ROUTE

Handler = Callable[..., webob.Response]
#: path template -> method -> handler; braces name the arguments of the handler.
Table = Mapping[str, Mapping[str, Handler]]

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class _Row(NamedTuple):
    """A template, its handlers by method, and its segments by their places: those that are fixed, and those that name arguments."""

    template: str
    handlers: Mapping[str, Handler]
    fixed: tuple[tuple[int, str], ...]
    named: tuple[tuple[int, str], ...]


class Router:
    """Finds the handler of a request; ``prefix`` is what the table's paths are mounted below. Every path begins with a segment that is fixed.

    ``dispatch`` answers 404 for a path and 405 for a method that is not in the table, 501 for no HTTP method.
    """

    def __init__(self, table: Table, prefix: str = "") -> None:
        self._rows: dict[tuple[int, str], list[_Row]] = {}
        for template, handlers in table.items():
            segments = list(enumerate(template.split("/")))
            fixed = tuple((place, text) for place, text in segments if not text.startswith("{"))
            named = tuple((place, text[1:-1]) for place, text in segments if text.startswith("{"))
            self._rows.setdefault((len(segments), segments[1][1]), []).append(_Row(prefix + template, handlers, fixed, named))

    def dispatch(self, request: Request) -> webob.Response:
        """The answer of the handler whose row fits."""
        path, method = request.raw_path, request.environ["REQUEST_METHOD"]
        if not path.isascii():
            try:
                path = path.encode("latin-1").decode()
            except UnicodeError:
                raise webob.exc.HTTPBadRequest(detail="The path is not valid UTF-8.") from None
        segments = path.split("/")
        for template, handlers, fixed, named in self._rows.get((len(segments), "".join(segments[1:2])), ()):
            arguments = {name: segments[place] for place, name in named}
            if all(arguments.values()) and all(segments[place] == text for place, text in fixed):
                request.environ[ROUTE] = template
                if method not in handlers:
                    raise webob.exc.HTTPMethodNotAllowed(headers={"Allow": ", ".join(handlers)})
                return handlers[method](request, **arguments)
        raise webob.exc.HTTPNotFound if method in KNOWN_METHODS else webob.exc.HTTPNotImplemented
