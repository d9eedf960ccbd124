"""
Keep-alive streams for benchmarks: raw frames, replies counted.

A request and its reply are one message in one DATA frame each, from either server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from bench.http2 import (
    CANCEL,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    RST_STREAM,
    Connection,
    LoadError,
    Request,
    frame,
    methods,
    pack_stream_id,
)
from bench.load import READ_SIZE, ClosedLoop, Load
from bench.servers import Server
from etcdpy.pb import rpc_pb2

GRANT = "/etcdserverpb.Lease/LeaseGrant"
KEEP_ALIVE = "/etcdserverpb.Lease/LeaseKeepAlive"


def grant(lease: int, ttl: int) -> bytes:
    return rpc_pb2.LeaseGrantRequest(ID=lease, TTL=ttl).SerializeToString()


def keep_alive(lease: int) -> bytes:
    return rpc_pb2.LeaseKeepAliveRequest(ID=lease).SerializeToString()


def keep_alive_frame(lease: int) -> bytes:
    """Encode a request on the only stream of a connection."""
    message = keep_alive(lease)
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
        return _count_renewals(connection)


class SingleKeepAlives(ClosedLoop[Request]):
    """
    Keep-alives as etcd's client for Go makes a single one: on a stream that is opened for it, and
    cancelled when it is answered.

    Args:
        server: Who renews.
        connections: How many, each with one keep-alive under way.

    """

    def __init__(self, server: Server, connections: int) -> None:
        super().__init__(1)
        (self.method,) = methods(server.authority, KEEP_ALIVE)
        for _ in range(connections):
            self.add(Connection(server.address)).prime([(self.method, keep_alive(1))])

    def send(self, connection: Connection, requests: Iterator[Request], count: int) -> int:
        sent = 0
        for head, middle, tail in islice(requests, count):
            number = connection.next_stream_id
            connection.next_stream_id += 2
            stream_id = pack_stream_id(number)
            parts = (head, stream_id, middle, stream_id, tail)
            connection.socket.sendall(frame(RST_STREAM, 0, number - 2, CANCEL) + b"".join(parts))
            sent += 1
        return sent

    def count_replies(self, connection: Connection) -> int:
        return _count_renewals(connection)


def _count_renewals(connection: Connection) -> int:
    """
    Read once; return how many renewals that told of.

    Raises:
        LoadError: A lease was not renewed, or a stream or the connection ended.

    """
    renewals = 0
    for kind, flags, _, start, end in connection.frames(READ_SIZE):
        if kind == DATA:
            message = connection.buffer[start + 5 : end]
            if not rpc_pb2.LeaseKeepAliveResponse.FromString(message).TTL:
                raise LoadError("a lease was not renewed: it is not there")
            renewals += 1
        elif flags & END_STREAM:
            raise LoadError("a keep-alive stream ended")
    return renewals


def grant_all(server: Server, leases: Sequence[int], ttl: int) -> None:
    """Grant leases, many at a time, and ten that are no matter."""
    (method,) = methods(server.authority, GRANT)
    with Load(server.address, 10, 20, [(method, grant(0, ttl))]) as load:
        load.drive((method.request(grant(lease, ttl)) for lease in leases), 3600.0)
