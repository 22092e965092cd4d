"""From a table of paths to handlers; the answers to wrong methods and paths follow from the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import routes
import webob
import webob.exc

from glance.api.request import Request
from glance.model.metrics import ROUTE

Handler = Callable[..., webob.Response]
#: path template -> method -> handler; braces name the arguments of the handler.
Table = Mapping[str, Mapping[str, Handler]]

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})


class Router:
    """Finds the handler of a request; ``prefix`` is what the table's paths are mounted below.

    ``dispatch`` answers 404 for a path and 405 for a method that is not in the table, 501 for no HTTP method.
    """

    def __init__(self, table: Table, prefix: str = "") -> None:
        self._mapper = routes.Mapper(controller_scan=None, register=False, explicit=True)
        self._table = table
        self._prefix = prefix
        for path in table:
            self._mapper.connect(path, path=path)
        self._mapper.create_regs([])

    def dispatch(self, request: Request) -> webob.Response:
        """The answer of the handler whose row fits."""
        try:
            path = request.raw_path.encode("latin-1").decode()
        except UnicodeError:
            raise webob.exc.HTTPBadRequest(detail="The path is not valid UTF-8.") from None
        match = self._mapper.match(path)
        if match is None:
            if request.method not in KNOWN_METHODS:
                raise webob.exc.HTTPNotImplemented
            raise webob.exc.HTTPNotFound
        template = match.pop("path")
        request.environ[ROUTE] = self._prefix + template
        handlers = self._table[template]
        if request.method not in handlers:
            raise webob.exc.HTTPMethodNotAllowed(headers={"Allow": ", ".join(handlers)})
        return handlers[request.method](request, **match)
