"""
Keep-alive streams for benchmarks: one a connection, raw frames, replies counted.

A request and its reply are one message in one DATA frame each, from either server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from bench.http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    Connection,
    LoadError,
    frame,
    methods,
)
from bench.load import READ_SIZE, ClosedLoop, Load
from bench.servers import Server
from etcdpy.pb import rpc_pb2

GRANT = "/etcdserverpb.Lease/LeaseGrant"
KEEP_ALIVE = "/etcdserverpb.Lease/LeaseKeepAlive"


def grant(lease: int, ttl: int) -> bytes:
    return rpc_pb2.LeaseGrantRequest(ID=lease, TTL=ttl).SerializeToString()


def keep_alive_frame(lease: int) -> bytes:
    """Encode a request on the only stream of a connection."""
    message = rpc_pb2.LeaseKeepAliveRequest(ID=lease).SerializeToString()
    return frame(DATA, 0, 1, b"\0" + len(message).to_bytes(4, "big") + message)


class KeepAlives(ClosedLoop[bytes]):
    """
    Keep-alive streams, each on a connection of its own and with one request under way.

    Args:
        server: Who renews.
        streams: How many.

    """

    def __init__(self, server: Server, streams: int) -> None:
        super().__init__(1)
        (method,) = methods(server.authority, KEEP_ALIVE)
        for _ in range(streams):
            connection = self.add(Connection(server.address))
            connection.socket.sendall(frame(HEADERS, END_HEADERS, 1, method.first))

    def send(self, connection: Connection, requests: Iterator[bytes], count: int) -> int:
        frames = list(islice(requests, count))
        connection.socket.sendall(b"".join(frames))
        return len(frames)

    def count_replies(self, connection: Connection) -> int:
        replies = 0
        for kind, flags, _, start, end in connection.frames(READ_SIZE):
            if kind == DATA:
                message = connection.buffer[start + 5 : end]
                if not rpc_pb2.LeaseKeepAliveResponse.FromString(message).TTL:
                    raise LoadError("a lease was not renewed: it is not there")
                replies += 1
            elif flags & END_STREAM:
                raise LoadError("a keep-alive stream ended")
        return replies


def grant_all(server: Server, leases: Sequence[int], ttl: int) -> None:
    """Grant leases, many at a time, and ten that are no matter."""
    (method,) = methods(server.authority, GRANT)
    with Load(server.address, 10, 20, [(method, grant(0, ttl))]) as load:
        load.drive((method.request(grant(lease, ttl)) for lease in leases), 3600.0)
