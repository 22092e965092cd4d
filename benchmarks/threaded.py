"""Our programs under gunicorn's threads, a server of the usual kind: nothing of glance/server listens, reads or sends.

Usage: python -m benchmarks.threaded api|registry --config-file FILE
"""

from __future__ import annotations

import sys
from typing import Any

from gunicorn.app.base import BaseApplication

from glance.bootstrap.api import api_service
from glance.bootstrap.registry import registry_service
from glance.server.settings import Service

#: Requests that a worker carries out at a time.
_THREADS = 256


class Threaded(BaseApplication):  # type: ignore[misc]
    """A service as gunicorn runs it: made in the parent, started in each worker."""

    def __init__(self, service: Service) -> None:
        self._service = service
        super().__init__()

    def load_config(self) -> None:
        settings = self._service.settings
        for name, value in {
            "bind": f"{settings.bind_host}:{settings.bind_port}",
            "backlog": settings.backlog,
            "workers": settings.workers,
            "worker_class": "gthread",
            "threads": _THREADS,
            "keepalive": int(settings.keepalive_timeout),
            "timeout": 0,
            "control_socket_disable": True,
            "post_worker_init": lambda _worker: self._service.started(),
            "worker_exit": lambda _server, _worker: self._service.stopped(),
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._service.app


def main() -> None:
    """Serves until a signal comes."""
    program, *arguments = sys.argv[1:]
    service = {"api": api_service, "registry": registry_service}[program](arguments)
    service.accepted()
    Threaded(service).run()


if __name__ == "__main__":
    main()
