"""
Which handler answers a request, and what is asked of it before: etcd's order.

(etcd: embed/serve.go, ``accessController``; Go: net/http, ``ServeMux``)
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from etcdpy.gostd.quoting import go_quote
from etcdpy.transport import HttpHandler, HttpRequest, HttpResponse, plain_text

__all__ = ["Access", "Mux", "redirect"]

_GATEWAY: Final = "/v3/"
_V2: Final = "/v2/"
#: A path of etcd 3.3, which is served as what it became.
_BETA: Final = "/v3beta/"

_MISDIRECTED: Final = """
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist %s

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).

"""

#: What HTML has other signs for. (Go: net/http, ``htmlReplacer``)
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})

_NAME_IGNORED: Final = (
    b"CommonName of client sending a request against gateway will be ignored "
    b"and not used as expected\n"
)

_ALLOWED: Final = (
    (b"access-control-allow-headers", b"accept, content-type, authorization"),
    (b"access-control-allow-methods", b"POST, GET, OPTIONS, PUT, DELETE"),
)
_ALLOWED_ANYWHERE: Final = (*_ALLOWED, (b"access-control-allow-origin", b"*"))


class Mux:
    """
    Finds the handler of a path.

    Args:
        table: Handlers by path, which has to match in full.
        trees: Handlers by what a path that is not in the table begins with; the longest that fits
            answers.
        gateway: Answers what is under ``/v3/``, if anybody does. The paths that it gets are
            without escapes.

    """

    def __init__(
        self,
        table: Mapping[str, HttpHandler],
        gateway: HttpHandler | None = None,
        trees: Mapping[str, HttpHandler] | None = None,
    ) -> None:
        self._table = table
        self._trees = sorted((trees or {}).items(), key=lambda tree: -len(tree[0]))
        self._gateway = gateway

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        raw, mark, query = request.path.partition("?")
        if not _is_odd(raw) and (handler := self._found(raw)) is not None:
            return await handler(request)
        if not raw.startswith("/"):
            # (Go: ``ServeMux.Handler``)
            return HttpResponse(400)
        gateway = self._gateway
        if gateway is not None and raw == _GATEWAY[:-1]:
            return redirect(request, _GATEWAY, mark + query)
        # Before escapes are read: a slash that is written as one parts nothing.
        clean = _clean(raw)
        if clean != raw and request.method != "CONNECT":
            # What etcd 3.5 had is moved as Go did it then.
            is_v2 = clean.startswith(_V2) and self._found(clean) is not None
            return redirect(request, clean, mark + query, 301 if is_v2 else 307)
        path = _unescaped(raw)
        if gateway is not None and path.startswith(_GATEWAY):
            return await gateway(replace(request, path=path + mark + query))
        found = self._found(path) if path.count("/") == raw.count("/") else self._tree(path)
        if found is None:
            return plain_text(404, b"404 page not found\n")
        return await found(request)

    def _found(self, path: str) -> HttpHandler | None:
        if self._gateway is not None and path.startswith(_GATEWAY):
            return self._gateway
        return self._table.get(path) or self._tree(path)

    def _tree(self, path: str) -> HttpHandler | None:
        for root, tree in self._trees:
            if path.startswith(root):
                return tree
        return None


class Access(NamedTuple):
    """
    Who may ask at all, and which scripts may read the answers.

    Attributes:
        inner: Answers those who may.
        hosts: What a request without TLS has to be for; any host if it is empty or has ``*``.
        origins: Where scripts may come from; anywhere if it is empty or has ``*``.
        asks_who: Tells whether callers are asked who they are.

    """

    inner: HttpHandler
    hosts: frozenset[str] = frozenset(("*",))
    origins: frozenset[str] = frozenset(("*",))
    asks_who: Callable[[], bool] = lambda: False

    async def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        if request.path == "*" and request.method == "OPTIONS":
            return HttpResponse(200)  # it is about the server (RFC 9110 9.3.7)
        if request.path.startswith(_BETA):
            request = replace(request, path=_GATEWAY + request.path[len(_BETA) :])
        if refusal := self._refusal(request):
            return refusal
        allowed = self._allowed(request)
        if request.method == "OPTIONS":
            return HttpResponse(200, allowed)
        response = await self.inner(request)
        if not allowed or response.upgrade is not None:
            # What is no HTTP any more, scripts may read anyway.
            return response
        return response.with_headers(allowed)

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if request.is_secure:
            if request.certificate_name and request.path.startswith(_GATEWAY) and self.asks_who():
                return plain_text(400, _NAME_IGNORED)
            return None
        if not self.hosts or "*" in self.hosts:
            return None
        host = _without_port(request.authority)
        if host in self.hosts:
            return None
        return plain_text(421, (_MISDIRECTED % go_quote(host)).encode())

    def _allowed(self, request: HttpRequest) -> tuple[tuple[bytes, bytes], ...]:
        """Return what tells a browser that a script may read the answer."""
        if not self.origins or "*" in self.origins:
            return _ALLOWED_ANYWHERE
        origin = request.header(b"origin")
        if origin is None or origin not in self.origins:
            return ()
        return (*_ALLOWED, (b"access-control-allow-origin", origin.encode("latin-1")))


def _without_port(authority: str) -> str:
    """Return the host alone. (Go: net/http, ``stripHostPort`` as etcd has it)"""
    host, colon, _ = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host = authority
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _is_odd(path: str) -> bool:
    """Return whether a path may be another one once it is clean and without escapes."""
    return "%" in path or "//" in path or "/." in path or not path.startswith("/")


def _unescaped(raw: str) -> str:
    return unquote_to_bytes(raw).decode("utf-8", "surrogateescape")


def _clean(path: str) -> str:
    """Return a path without empty parts and dots. (Go: net/http, ``cleanPath``)"""
    # Two slashes at the front would stay, as POSIX has it.
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean


def redirect(request: HttpRequest, path: str, query: str, status: int = 307) -> HttpResponse:
    """Return an answer that sends a client to another path. (Go: ``http.Redirect``)"""
    where = path + query
    headers = [(b"location", where.encode("latin-1"))]
    body = b""
    if request.method in ("GET", "HEAD"):
        headers.insert(0, (b"content-type", b"text/html; charset=utf-8"))
        phrase = HTTPStatus(status).phrase
        body = f'<a href="{where.translate(_HTML)}">{phrase}</a>.\n\n'.encode("latin-1")
    return HttpResponse(status, tuple(headers), body)
