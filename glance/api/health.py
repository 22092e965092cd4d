"""The paths that orchestrators ask, beside every pipeline: /livez and /readyz, in the words of Kubernetes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import webob

from glance.service.health import Finding, Health

WSGIApplication = Any

_ALIVE = (Finding("ping", None),)


def probes(health: Health) -> Mapping[str, WSGIApplication]:
    """The applications, by path. /livez asks nobody: it tells that this process answers."""
    return {"/livez": _answering("livez", lambda: _ALIVE), "/readyz": _answering("readyz", health.findings)}


def side(applications: Mapping[str, WSGIApplication]) -> WSGIApplication:
    """Those applications alone, by path."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return applications.get(environ["PATH_INFO"], webob.Response(status=404))(environ, start_response)

    return application


def _answering(name: str, look: Callable[[], Sequence[Finding]]) -> WSGIApplication:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = webob.Request(environ)
        if request.method not in {"GET", "HEAD"}:
            return webob.Response(status=405, allow="GET, HEAD")(environ, start_response)
        findings = look()
        passed = all(finding.error is None for finding in findings)
        text = "ok" if passed and "verbose" not in request.environ.get("QUERY_STRING", "").split("&") else _lines(name, findings, passed=passed)
        answer = webob.Response(status=200 if passed else 503, text=text, content_type="text/plain", charset="UTF-8", cache_control="no-store")
        return answer(environ, start_response)

    return application


def _lines(name: str, findings: Sequence[Finding], *, passed: bool) -> str:
    lines = [f"[+]{one.part} ok" if one.error is None else f"[-]{one.part} failed: {one.error}" for one in findings]
    return "".join(f"{line}\n" for line in (*lines, f"{name} check {'passed' if passed else 'failed'}"))
