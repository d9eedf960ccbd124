"""
Paths of requests, as etcd 3.5 had them of Go: clean, and without escapes.

(Go 1.16: ``net/http/server.go``, ``cleanPath``; ``net/url``, ``escape``)
"""

from __future__ import annotations

import posixpath
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from etcdpy.http.router import redirect
from etcdpy.transport import HttpRequest, HttpResponse

__all__ = ["moved", "unescaped"]

#: What Go leaves as it is in a path.
_SAFE: Final = "$&+,/:;=@"


def unescaped(raw: str) -> str:
    """Return a path without escapes; bytes that are no UTF-8 are lone surrogates."""
    if "%" not in raw and raw.isascii():
        return raw
    return unquote_to_bytes(raw.encode("latin-1")).decode("utf-8", "surrogateescape")


def moved(request: HttpRequest, path: str, query: str) -> HttpResponse | None:
    """
    Return an answer that sends a client to the clean form of its path; None if it is clean.

    Args:
        request: What was sent.
        path: Its path without escapes. A slash that was escaped is one.
        query: What was behind the question mark.

    """
    if "//" not in path and "/." not in path:
        return None
    clean = posixpath.normpath("/" + path.lstrip("/"))
    if path.endswith("/") and clean != "/":
        clean += "/"
    if clean == path:
        return None
    where = quote_from_bytes(clean.encode("utf-8", "surrogateescape"), _SAFE)
    return redirect(request, where, f"?{query}" if query else "", 301)
