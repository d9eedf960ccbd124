"""``/v2/machines``: where clients find the members. (etcd 3.5: v2http, ``machinesHandler``)"""

from __future__ import annotations

from collections.abc import Mapping

from etcdpy.http.v2.answers import allow
from etcdpy.node.node import Node
from etcdpy.transport import HttpHandler, HttpRequest, HttpResponse

__all__ = ["machines_endpoint"]


def machines_endpoint(node: Node) -> Mapping[str, HttpHandler]:
    """Return ``/v2/machines``: the client URLs, as text."""

    async def machines(request: HttpRequest) -> HttpResponse:
        # (etcd: membership/cluster.go, ClientURLs: sorted)
        urls = ", ".join(sorted(node.identity.client_urls)).encode()
        return HttpResponse(200, ((b"content-type", b"text/plain; charset=utf-8"),), urls)

    return {"/v2/machines": allow(machines, ("GET", "HEAD"))}
