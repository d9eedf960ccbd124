"""
An event does not stand behind large replies that its connection has yet to send.

Counted in bytes, as times are the machine's: what the client reads between the moment at which an
event has happened, and the event. Its system takes little unread, so what is ahead is the server's.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.blackbox import h2client as h2
from tests.support.client import Client
from tests.support.servers import Server, etcdpy_server, reference_etcd

KEYS, VALUE_BYTES, READS = 100, 50_000, 10
REPLY_BYTES = KEYS * VALUE_BYTES
WINDOW = (1 << 31) - 1
#: What may be ahead of an event: what the server and both systems hold of one connection. etcd's
#: system takes from it whatever it can get.
MOST_AHEAD = {"etcdpy": 1 << 20, "etcd": READS * REPLY_BYTES}


@pytest.fixture(params=MOST_AHEAD)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Server, int]]:
    """Return a server, and the most bytes that may be ahead of an event."""
    start = etcdpy_server if request.param == "etcdpy" else reference_etcd
    with start() as server:
        yield server, MOST_AHEAD[request.param]


def test_an_event_goes_before_what_is_left_of_large_replies(served: tuple[Server, int]) -> None:
    server, most = served
    with closing(Client(server.address)) as writer:
        for number in range(KEYS):
            writer.kv.Put(pb.PutRequest(key=b"r%d" % number, value=bytes(VALUE_BYTES)))
        port = int(server.address.rpartition(":")[2])
        with h2.Client(port, (h2.INITIAL_WINDOW_SIZE, WINDOW)) as reader:
            reader.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
            reader.send(h2.window_update(0, WINDOW - 65_535))
            events = reader.stream(_watch(reader, b"w"))
            reader.wait(lambda: len(events.messages) == 1)
            whole = pb.RangeRequest(key=b"r", range_end=b"s").SerializeToString()
            reads = [reader.start("/etcdserverpb.KV/Range", whole) for _ in range(READS)]
            replies = [reader.stream(stream) for stream in reads]
            # None is begun before it is complete, so now all of them wait to be sent.
            reader.wait(lambda: all(len(reply.body) for reply in replies), timeout=60)
            before = sum(len(reply.body) for reply in replies)
            writer.kv.Put(pb.PutRequest(key=b"w", value=b"event"))
            reader.wait(lambda: len(events.messages) == 2, timeout=60)
            ahead = sum(len(reply.body) for reply in replies) - before
        assert b"event" in events.messages[1]
        assert ahead < most


def _watch(client: h2.Client, key: bytes) -> int:
    """Begin to watch a key; return the stream."""
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=key))
    stream = client.open("/etcdserverpb.Watch/Watch")
    client.send(h2.data(stream, h2.message(create.SerializeToString())))
    return stream
