"""Thousands who wait for the same, through each door: all of them are woken by one event."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2 as election
from tests.fairness import wire as w
from tests.fairness.attacks.sockets import open_sockets
from tests.fairness.attacks.table import attack
from tests.fairness.wire import Crowd

#: What all of them wait for.
KEY = b"/same"
OBSERVE = "/v3electionpb.Election/Observe"

_PUT = pb.PutRequest(key=KEY, value=bytes(100))


def watching(connections: int, streams: int = 1) -> Callable[[Crowd], None]:
    """Return what has a key watched by so many streams on each of so many connections."""
    request = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=KEY))

    def watch(crowd: Crowd) -> None:
        for _ in range(0, connections, 500):
            wires = crowd.connect(min(500, connections))
            for wire in wires:
                for _ in range(streams):
                    wire.out += w.data(wire.begin(w.WATCH), w.message(request), end=False)
            # Each is confirmed by some fifteen bytes at least.
            crowd.wait(lambda wires=wires: all(it.received >= 15 * streams for it in wires))  # type: ignore[misc]

    return watch


def _put_over_and_over(crowd: Crowd) -> None:
    (writer,) = crowd.connect()
    while not crowd.is_over and writer.is_open:
        writer.call(w.PUT, _PUT)
        crowd.wait(lambda: not writer.unanswered or crowd.is_over)
        crowd.pump(0.01)


def _put_at_once(crowd: Crowd) -> None:
    (writer,) = crowd.connect()
    while not crowd.is_over and writer.is_open:
        for _ in range(100):
            writer.call(w.PUT, _PUT)
        crowd.wait(lambda: not writer.unanswered or crowd.is_over)
        crowd.pump(0.01)


@attack(watching(5_000))
def watched_on_5000_connections(crowd: Crowd) -> None:
    """Put a key that 5,000 watch, each on a connection of its own."""
    _put_over_and_over(crowd)


@attack(watching(5_000))
def watched_puts_at_once(crowd: Crowd) -> None:
    """Put a key that 5,000 watch a hundred times at once, over and over."""
    _put_at_once(crowd)


@attack(watching(50, 100))
def watched_on_5000_streams(crowd: Crowd) -> None:
    """Put a key that 5,000 streams watch, on 50 connections."""
    _put_over_and_over(crowd)


@attack(watching(5_000))
def watchers_leave_at_once(crowd: Crowd) -> None:
    """Close 5,000 connections that watch a key at once, right behind a Put of it."""
    (writer,) = crowd.connect()
    writer.call(w.PUT, _PUT)
    crowd.wait(lambda: not writer.unanswered)
    for pipe in list(crowd.pipes):
        crowd.leave(pipe)


def _leading(crowd: Crowd) -> None:
    (wire,) = crowd.connect()
    wire.call(w.CAMPAIGN, election.CampaignRequest(name=KEY, value=b"me"))
    crowd.wait(lambda: wire.ended >= 1)
    request = w.message(election.LeaderRequest(name=KEY))
    for _ in range(10):
        wires = crowd.connect(500)
        for one in wires:
            one.out += w.data(one.begin(OBSERVE), request)
        crowd.wait(lambda wires=wires: all(it.received for it in wires))  # type: ignore[misc]


@attack(_leading)
def observed_by_5000(crowd: Crowd) -> None:
    """Proclaim to 5,000 who observe an election, each on a connection of its own."""
    (writer,) = crowd.connect()
    # The key of the leader is that of its lease, which only a range tells.
    request = pb.PutRequest(key=_only_key(crowd), value=b"x", ignore_lease=True)
    while not crowd.is_over and writer.is_open:
        writer.call(w.PUT, request)
        crowd.wait(lambda: not writer.unanswered or crowd.is_over)
        crowd.pump(0.01)


def _only_key(crowd: Crowd) -> bytes:
    """Return the key of whoever leads."""
    wire = _Reader(crowd.address)
    crowd.add(wire)
    wire.call(w.RANGE, pb.RangeRequest(key=KEY + b"/", range_end=KEY + b"0"))
    crowd.wait(lambda: wire.ended >= 1)
    crowd.leave(wire)
    return pb.RangeResponse.FromString(bytes(wire.payload[5:])).kvs[0].key


class _Reader(w.Wire):
    """A connection whose replies are kept."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.payload = bytearray()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        super()._take(kind, flags, stream, payload)
        if kind == w.DATA:
            self.payload += payload


def _sockets(crowd: Crowd) -> None:
    body = b'{"create_request":{"key":"%b"}}' % b64encode(KEY)
    for _ in range(0, 5_000, 500):
        sockets = open_sockets(crowd, 500)
        for one in sockets:
            one.send(body)
        # The head has some 130 bytes, and the confirmation about as many.
        crowd.wait(lambda sockets=sockets: all(it.received > 200 for it in sockets))  # type: ignore[misc]


@attack(_sockets)
def watched_on_5000_websockets(crowd: Crowd) -> None:
    """Put a key that 5,000 watch over WebSocket."""
    _put_over_and_over(crowd)


@attack(_sockets)
def websockets_leave_at_once(crowd: Crowd) -> None:
    """Close 5,000 connections of WebSocket that watch a key at once, right behind a Put of it."""
    (writer,) = crowd.connect()
    writer.call(w.PUT, _PUT)
    crowd.wait(lambda: not writer.unanswered)
    for pipe in list(crowd.pipes):
        crowd.leave(pipe)
