"""
A walk over a large prefix in pages, as clients walk: the next page starts at the
last key of this one and a zero byte.
"""

from __future__ import annotations

from bench import requests as rq
from bench.http2 import Connection, LoadError, methods
from bench.measure import Measurement, Metric, Workload, watched
from bench.servers import Server
from etcdpy.pb import rpc_pb2

LIMIT = 500


class Walk(Workload):
    """
    Args:
        count: Keys under the prefix.
        pinned: Read later pages at the revision of the first.

    """

    def __init__(self, count: int, pinned: bool) -> None:
        self._count = count
        self._pinned = pinned
        how = "at the first page's revision" if pinned else "at the current revision"
        self.name = "walk/pinned" if pinned else "walk/current"
        self.metrics = (Metric(f"Walk over {count:,} keys, pages of {LIMIT}, {how}", "keys/s"),)

    def prepare(self, server: Server) -> None:
        """Fill the prefix, and see that a walk finds just what is in it."""
        rq.fill(server, self._count)
        found: list[bytes] = []
        for message in self._walk(server):
            found += (kv.key for kv in rpc_pb2.RangeResponse.FromString(message).kvs)
        if found != [rq.key(number) for number in range(self._count)]:
            raise LoadError(f"a walk over {self._count} keys found {len(found)}")

    def round(self, server: Server) -> Measurement:
        with watched(server) as effort:
            self._walk(server)
        return Measurement(
            [self._count / effort.seconds],
            effort.generator_cpu,
            effort.server_cpu,
            cpu_per_operation=effort.per(self._count),
        )

    def _walk(self, server: Server) -> list[bytes]:
        """
        Read all pages and return them.

        The keys are known, so where a page must end is known too: finding that key in
        the reply costs the client far less than decoding five hundred messages, and
        leaves the time to the server.
        """
        (method,) = methods(server.authority, rq.RANGE)
        connection = Connection(server.address)
        first = connection.call(method.first_request(rq.page(rq.PREFIX, LIMIT, 0)))
        pages = [first]
        revision = rpc_pb2.RangeResponse.FromString(first).header.revision if self._pinned else 0
        for start in range(LIMIT, self._count, LIMIT):
            request = rq.page(rq.key(start - 1) + b"\0", LIMIT, revision)
            reply = connection.call(method.request(request))
            if rq.key(min(start + LIMIT, self._count) - 1) not in reply:
                raise LoadError(f"the page after key {start - 1} does not end where it must")
            pages.append(reply)
        connection.close()
        return pages
