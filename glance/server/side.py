"""A second address of a service, for those who watch it: it answers also while all threads for requests are busy."""

from __future__ import annotations

import logging
import socket
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication

LOG = logging.getLogger(__name__)

#: Seconds that a client may be silent.
_PATIENCE = 10


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE

    def log_message(self, *_arguments: object) -> None:
        """Nothing: those who watch ask all the time."""


class SideServer(ThreadingMixIn, WSGIServer):
    """Serves ``app`` on a listening socket that several processes may share, each request on a thread."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, app: WSGIApplication) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__((host, port), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = host, port
        self.setup_environ()
        self.set_app(app)

    def start(self) -> None:
        """Answers on a thread from now on."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Takes no more connections, and closes the socket; waits for that up to half a second."""
        self.shutdown()
        self.server_close()

    def handle_error(self, _request: object, client_address: object) -> None:
        LOG.info("%s was not answered", client_address)
