"""
``/v2/stats``: of the server, of who follows it, and of what was done to the store.

(etcd 3.5: ``v2http/client.go``, ``statsHandler``; ``v2stats``)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from etcdpy.gostd.durations import go_duration
from etcdpy.http.v2.answers import allow, json_answer
from etcdpy.node.node import Node
from etcdpy.transport import HttpHandler, HttpRequest, HttpResponse
from etcdpy.v2.gojson import timestamp

__all__ = ["stats_endpoints"]

_GET: Final = ("GET",)


def stats_endpoints(node: Node) -> Mapping[str, HttpHandler]:
    """
    Return ``/v2/stats/self``, ``/v2/stats/leader`` and, if there is a store, ``/v2/stats/store``.

    The server counts as started when this is called, and leads from then on.
    """
    clock = node.parts.clock
    identity = node.identity
    started, since = timestamp(int(clock.wall() * 1e9)), clock.monotonic()
    own_id = f"{identity.member_id:x}"

    async def of_itself(request: HttpRequest) -> HttpResponse:
        uptime = go_duration(clock.monotonic() - since)
        told = {
            "name": identity.name,
            "id": own_id,
            "state": "StateLeader",
            "startTime": started,
            "leaderInfo": {"leader": own_id, "uptime": uptime, "startTime": started},
            # There are no peers to append for.
            "recvAppendRequestCnt": 0,
            "sendAppendRequestCnt": 0,
        }
        return json_answer(200, told)

    async def of_followers(request: HttpRequest) -> HttpResponse:
        return json_answer(200, {"leader": own_id, "followers": {}})

    table = {
        "/v2/stats/self": allow(of_itself, _GET),
        "/v2/stats/leader": allow(of_followers, _GET),
    }
    store = node.parts.v2
    if store is not None:

        async def of_the_store(request: HttpRequest) -> HttpResponse:
            return json_answer(200, {**store.tree.stats.shown(), "watchers": len(store.hub)})

        table["/v2/stats/store"] = allow(of_the_store, _GET)
    return table
