"""
``/v2/stats``: of the server, and of who follows it.

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
    Return ``/v2/stats/self`` and ``/v2/stats/leader``.

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

    return {
        "/v2/stats/self": allow(of_itself, _GET),
        "/v2/stats/leader": allow(of_followers, _GET),
    }
