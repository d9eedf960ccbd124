"""What the workloads send: prepared requests over one keyspace, and how it is filled."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence

from bench.http2 import PING, Connection, Method, Request, frame, methods
from bench.load import Load
from bench.servers import Server
from etcdpy.pb import rpc_pb2

VALUE = os.urandom(256)
PREFIX = b"/bench/"
PREFIX_END = b"/bench0"
#: Keys that the small workloads spread over.
KEYS = 10_000
#: Puts in one Txn when a keyspace is filled in bulk: the request fits one DATA frame.
FILL_BATCH = 50

RANGE = "/etcdserverpb.KV/Range"
PUT = "/etcdserverpb.KV/Put"
TXN = "/etcdserverpb.KV/Txn"

#: A method's path, and the message for the key of this number.
Call = tuple[str, Callable[[int], bytes]]


def key(number: int) -> bytes:
    return PREFIX + b"%08d" % number


def put(number: int) -> bytes:
    return _put(number).SerializeToString()


def read(number: int) -> bytes:
    return rpc_pb2.RangeRequest(key=key(number)).SerializeToString()


def read_serializable(number: int) -> bytes:
    return rpc_pb2.RangeRequest(key=key(number), serializable=True).SerializeToString()


def read_thousand(number: int) -> bytes:
    """The thousand keys that the key of this number is among."""
    first = number // 1000 * 1000
    request = rpc_pb2.RangeRequest(key=key(first), range_end=key(first + 1000))
    return request.SerializeToString()


def compare_and_put(number: int) -> bytes:
    """Put if the key exists (it does), else read it."""
    request = rpc_pb2.TxnRequest()
    request.compare.add(
        key=key(number),
        target=rpc_pb2.Compare.VERSION,
        result=rpc_pb2.Compare.GREATER,
        version=0,
    )
    request.success.add(request_put=_put(number))
    request.failure.add(request_range=rpc_pb2.RangeRequest(key=key(number)))
    return request.SerializeToString()


def compare_put_and_read(number: int) -> bytes:
    """Put and read the key if its version is above -1 (it is), else read it."""
    request = rpc_pb2.TxnRequest()
    request.compare.add(
        key=key(number),
        target=rpc_pb2.Compare.VERSION,
        result=rpc_pb2.Compare.GREATER,
        version=-1,
    )
    request.success.add(request_put=_put(number))
    for branch in (request.success, request.failure):
        branch.add(request_range=rpc_pb2.RangeRequest(key=key(number)))
    return request.SerializeToString()


def put_alone(number: int) -> bytes:
    """Put in a transaction that has nothing else, and compares nothing."""
    request = rpc_pb2.TxnRequest()
    request.success.add(request_put=_put(number))
    return request.SerializeToString()


def put_sixteen(number: int) -> bytes:
    """Put sixteen keys in a transaction."""
    request = rpc_pb2.TxnRequest()
    for nearby in range(16):
        request.success.add(request_put=_put((number + nearby) % KEYS))
    return request.SerializeToString()


def page(start: bytes, limit: int, revision: int) -> bytes:
    request = rpc_pb2.RangeRequest(key=start, range_end=PREFIX_END, limit=limit, revision=revision)
    return request.SerializeToString()


class Mix:
    """
    A random mix of calls over the keyspace, the same for every server.

    Args:
        calls: The calls, one of each path.
        weights: How many of each there are in a hundred requests.
        pings: Whether a PING goes before each, as clients of Go send them to measure bandwidth.

    """

    def __init__(
        self, calls: Sequence[Call], weights: Sequence[int], *, pings: bool = False
    ) -> None:
        self._calls = calls
        self._weights = weights
        self._before = frame(PING, 0, 0, bytes(8)) if pings else b""

    def prime(self, authority: str, token: str = "") -> list[tuple[Method, bytes]]:
        """The first call of each method, for ``Load``."""
        encoded = self._methods(authority, token)
        return [(m, message(0)) for m, (_, message) in zip(encoded, self._calls, strict=True)]

    def requests(self, authority: str, token: str = "") -> list[Request]:
        """One request for each key, in an order that is the same every time."""
        chance = random.Random(1)
        encoded = self._methods(authority, token)
        choices = list(zip(encoded, (message for _, message in self._calls), strict=True))
        numbers = list(range(KEYS))
        chance.shuffle(numbers)
        drawn = chance.choices(choices, self._weights, k=KEYS)
        made = [m.request(message(n)) for n, (m, message) in zip(numbers, drawn, strict=True)]
        return [request._replace(head=self._before + request.head) for request in made]

    def _methods(self, authority: str, token: str) -> list[Method]:
        return methods(authority, *(path for path, _ in self._calls), token=token)


def fill(server: Server, count: int) -> None:
    """Put keys 0 to ``count`` in large transactions: the quick way."""
    (method,) = methods(server.authority, TXN)

    def batch(first: int) -> bytes:
        request = rpc_pb2.TxnRequest()
        for number in range(first, min(first + FILL_BATCH, count)):
            request.success.add(request_put=_put(number))
        return request.SerializeToString()

    connection = Connection(server.address)
    connection.prime([(method, batch(0))])
    for first in range(FILL_BATCH, count, FILL_BATCH):
        connection.call(method.request(batch(first)))
    connection.close()


def fill_singly(server: Server, count: int) -> None:
    """Put keys 0 to ``count`` one by one, over many streams, as clients do."""
    (method,) = methods(server.authority, PUT)
    load = Load(server.address, 10, 20, [(method, put(0))])
    try:
        load.drive(_puts(method, count), 3600.0)
    finally:
        load.close()


def _puts(method: Method, count: int) -> Iterator[Request]:
    return (method.request(put(number)) for number in range(count))


def _put(number: int) -> rpc_pb2.PutRequest:
    return rpc_pb2.PutRequest(key=key(number), value=VALUE)
