"""Carries out one request on a native thread: WSGI environment, application, access log (PEP 3333)."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterable
from enum import Enum
from time import monotonic
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from glance import errors
from glance.server.answer import DISCARD, METHODS, Answer, FileWrapper, plain_answer
from glance.server.body import Body, ChunkedBody, LengthBody
from glance.server.connection import Connection, PeerGone
from glance.server.http import WHOLE_SERVER, Head, HeadRules, Refused, find_head_end, parse_head
from glance.server.settings import ServerSettings

LOG = logging.getLogger(__name__)
ACCESS = logging.getLogger("glance.access")

#: Seconds that a client has for sending what the application did not read, or for taking a refusal.
_PATIENCE = 5
#: Seconds that a thread stays with its connection for the next request, so that it need not change hands while a client asks again and again: that
#: takes longer than most answers.
_STAY = 0.05
_LOGGED_PATH = 2048


class Outcome(Enum):
    """What becomes of a connection."""

    KEEP = "the next request may come"
    CLOSE = "the answer is complete; closed so that the client can read it"
    CUT = "the answer is not complete, and the client must notice"


class Site:
    """An application at an address: what is equal for all of its requests. ``observed``: that of ``Service``."""

    def __init__(
        self,
        app: WSGIApplication,
        settings: ServerSettings,
        address: tuple[str, int],
        observed: Callable[[WSGIEnvironment, int, float], None] | None = None,
    ) -> None:
        self._app = app
        self._observed = observed
        self._settings = settings
        self.rules = HeadRules(
            settings.max_header_line,
            settings.max_headers_size,
            settings.max_header_count,
            settings.allow_conflicting_framing,
            tuple(prefix.lower() for prefix in settings.single_header_prefixes),
            settings.single_fields,
        )
        self._environ: WSGIEnvironment = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": address[0],
            "SERVER_PORT": str(address[1]),
            "wsgi.version": (1, 0),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": settings.workers > 1,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }

    def serve(self, conn: Connection, head_end: int, may_keep: Callable[[], bool], may_stay: Callable[[], bool]) -> Outcome:
        """Answers the request whose head is the first ``head_end`` bytes received, and those that follow at once.

        ``may_keep`` tells whether the connection may serve another request, ``may_stay`` whether this thread may wait for it.
        """
        outcome = self._answer(conn, head_end, may_keep)
        while outcome is Outcome.KEEP and may_stay():
            next_end = self._next_head(conn)
            if next_end is None or not may_stay():
                break
            outcome = self._answer(conn, next_end, may_keep)
        return outcome

    def _next_head(self, conn: Connection) -> int | None:
        """The end of the next request's head, if it comes at once; whatever else comes stays in the buffer."""
        try:
            return find_head_end(conn.buffer, 0, self.rules) if conn.await_request(_STAY) else None
        except (OSError, Refused):
            return None

    def _answer(self, conn: Connection, head_end: int, may_keep: Callable[[], bool]) -> Outcome:
        started = monotonic()
        conn.block(self._settings.client_socket_timeout)
        raw = conn.receive(head_end)
        try:
            head = parse_head(raw, self.rules)
        except Refused as refused:
            return self.refuse(conn, refused, raw)
        body: Body

        def proceed() -> None:
            if not (conn.buffer or answer.head_sent):
                try:
                    conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                except PeerGone as error:
                    raise errors.ClientDisconnected from error

        before_first = proceed if head.expects_continue else None
        body = ChunkedBody(conn, before_first) if head.chunked else LengthBody(conn, head.length, before_first)
        answer = Answer(conn, head, body, lambda: self._settings.http_keepalive and may_keep())
        environ = self._make_environ(conn, head, body)
        try:
            complete = self._run(answer, head, environ)
        except PeerGone:
            complete = False
        seconds = monotonic() - started
        _log_access(conn, head.method, head.target, answer, seconds)
        if self._observed is not None:
            self._observed(environ, answer.code, seconds)
        if not complete:
            return Outcome.CUT
        if not answer.keep_alive:
            return Outcome.CLOSE
        if not body.finished:
            conn.block(_PATIENCE)
        return Outcome.KEEP if body.discard(DISCARD) else Outcome.CLOSE

    def refuse(self, conn: Connection, refused: Refused, raw: bytes | bytearray) -> Outcome:
        """Answers a request whose head breaks the rules; ``raw`` is what came of it."""
        conn.block(_PATIENCE)
        data = f"{refused.text}\n".encode()
        ACCESS.info('%s "refused: %s" %d %d', conn.peer[0], refused.cause, refused.status, len(data))
        try:
            conn.send(plain_answer(refused.status, data, with_body=not raw.startswith(b"HEAD ")))
        except PeerGone:
            return Outcome.CUT
        return Outcome.CLOSE

    def _make_environ(self, conn: Connection, head: Head, body: Body) -> WSGIEnvironment:
        environ = {
            **self._environ,
            **head.fields,
            "REQUEST_METHOD": head.method,
            "PATH_INFO": head.path,
            "QUERY_STRING": head.query,
            "SERVER_PROTOCOL": f"HTTP/{head.version}",
            "REMOTE_ADDR": conn.peer[0],
            "REMOTE_PORT": str(conn.peer[1]),
            "wsgi.url_scheme": "https" if conn.is_encrypted else "http",
            "wsgi.input": body,
        }
        if not conn.is_encrypted:
            environ["wsgi.file_wrapper"] = FileWrapper  # what the kernel sends by itself goes past TLS
        return environ

    def _run(self, answer: Answer, head: Head, environ: WSGIEnvironment) -> bool:
        """Whether a complete answer was sent. Raises PeerGone."""
        try:
            self._call(answer, environ)
        except PeerGone:
            raise
        except errors.ClientDisconnected as error:
            LOG.info("%s %s: %s", head.method, head.path[:_LOGGED_PATH], error.message)
            return _replace(answer, 400, f"{error.message}\n")
        except BaseException as error:  # noqa: BLE001 - the last resort: a thread of the pool must survive whatever an application raises
            # The error's own text is left out: it may quote what the client sent.
            trace = " > ".join(f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__))
            LOG.error("%s %r failed: %s at %s", head.method, head.path[:_LOGGED_PATH], type(error).__qualname__, trace)
            return _replace(answer, 500, "The server could not carry out the request.\n")
        return True

    def _call(self, answer: Answer, environ: WSGIEnvironment) -> None:
        app = _whole_server if environ["PATH_INFO"] == WHOLE_SERVER else self._app
        result = app(environ, answer.start)
        try:
            answer.send(result)
            answer.finish()
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()


def _whole_server(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:  # noqa: ARG001
    """What the server can do for any resource at all (RFC 9110 9.3.7)."""
    start_response("200 OK", [("Allow", METHODS), ("Content-Length", "0")])
    return []


def _replace(answer: Answer, code: int, text: str) -> bool:
    if answer.head_sent:
        return False
    answer.replace(code, text)
    return True


def _log_access(conn: Connection, method: str, target: str, answer: Answer, seconds: float) -> None:
    # The parser let only printable ASCII into method and target.
    ACCESS.info('%s "%s %s" %d %d %.6f %s', conn.peer[0], method, target[:_LOGGED_PATH], answer.code, answer.sent, seconds, answer.request_id)
