"""
What is answered under ``/mod/dashboard``.

::

    /mod/dashboard            302 to /mod/dashboard/
    /mod/dashboard/static/X   a file, 304 if the browser has it, 404 `X: File not found`
    /mod/dashboard...         the page, which finds out by itself what to show

(etcd 0.4: ``mod/dashboard/dashboard.go``)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from etcdpy.http.dashboard.assets import Asset, Assets
from etcdpy.http.paths import DASHBOARD
from etcdpy.transport import HttpRequest, HttpResponse, plain_text

__all__ = ["ROOT", "Dashboard"]

#: What the paths begin with.
ROOT: Final = DASHBOARD

_STATIC: Final = f"{ROOT}/static/"
_PAGE: Final = "index.html"

#: What the page may do, which is nothing but to run its own scripts and ask the server that it
#: came from. Even a script of its own cannot turn text into markup: there are no trusted types.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
).encode()

_HEADERS: Final = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),  # for those who do not know frame-ancestors
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"vary", b"accept-encoding"),
    # It may be kept, and is asked for each time: a new version of the server is seen at once.
    (b"cache-control", b"no-cache"),
)


class Dashboard:
    """
    Answers requests for the page and what belongs to it.

    Args:
        doors: What else is served that the page may use, ``gateway`` and ``v2``: it need not ask
            for what is not there.
        assets: The files.

    """

    def __init__(self, doors: frozenset[str], assets: Assets | None = None) -> None:
        self._doors = doors
        self._assets = assets or Assets()
        self._page: Asset | None = None

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request for a path that begins with ``ROOT``."""
        if request.method not in ("GET", "HEAD"):
            refused = plain_text(405, b"Method Not Allowed\n")
            return HttpResponse(405, ((b"allow", b"GET, HEAD"), *refused.headers), refused.body)
        path = unquote(request.path.partition("?")[0])
        if path == ROOT:
            return HttpResponse(302, ((b"location", f"{ROOT}/".encode()),))
        if not path.startswith(_STATIC):
            return _answer(self._marked_page(), request)
        name = path.removeprefix(_STATIC)
        asset = self._assets.find(name)
        if asset is None:
            return plain_text(404, f"{name}: File not found".encode())
        return _answer(asset, request)

    def _marked_page(self) -> Asset:
        """Return the page, on which the doors that there are are marked."""
        if self._page is None:
            page = self._assets.find(_PAGE)
            assert page is not None  # it is in the package
            data = page.data
            for door in self._doors:
                data = data.replace(
                    b'data-%s="off"' % door.encode(), b'data-%s="on"' % door.encode()
                )
            self._page = replace(page, data=data)
        return self._page


def _answer(asset: Asset, request: HttpRequest) -> HttpResponse:
    headers = [*_HEADERS, (b"etag", asset.etag)]
    if _is_known(asset, request.header(b"if-none-match") or ""):
        return HttpResponse(304, headers)
    data = asset.data
    if "gzip" in (request.header(b"accept-encoding") or ""):
        headers.append((b"content-encoding", b"gzip"))
        data = asset.compressed
    headers.append((b"content-type", asset.content_type))
    headers.append((b"content-length", b"%d" % len(data)))
    return HttpResponse(200, headers, data)


def _is_known(asset: Asset, known: str) -> bool:
    """Tell whether a client has a file already. (RFC 9110 13.1.2: weak comparison)"""
    tags = [tag.strip().removeprefix("W/") for tag in known.split(",")]
    return "*" in tags or asset.etag.decode().removeprefix("W/") in tags
