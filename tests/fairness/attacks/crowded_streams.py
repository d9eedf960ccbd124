"""Streams by the hundred thousand: left alone, out of time together, or reset at once."""

from __future__ import annotations

import struct
from contextlib import suppress

from google.protobuf.message import Message

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2, v3lock_pb2
from tests.fairness import wire as w
from tests.fairness.attacks.table import ALL_KEYS, attack, keys
from tests.fairness.wire import Crowd, Wire

_OBSERVE = "/v3electionpb.Election/Observe"
_PROCLAIM = "/v3electionpb.Election/Proclaim"


def _timeout(text: bytes) -> bytes:
    return w.literal(b"grpc-timeout", text)


def _flush(crowd: Crowd) -> None:
    crowd.wait(lambda: not any(wire.out for wire in crowd.wires), 20.0)


def _begin_many(wire: Wire, number: int, path: str, *extra: bytes) -> None:
    """Send the heads of so many requests."""
    block = w.block(path, *extra)
    first, wire.next_id = wire.next_id, wire.next_id + 2 * number
    wire.out += b"".join(
        [w.frame(w.HEADERS, w.END_HEADERS, first + 2 * i, block) for i in range(number)]
    )


def _stay(crowd: Crowd) -> None:
    """Send all there is, and stay until it is over, but for a second at least."""
    _flush(crowd)
    crowd.pump(0.5)
    crowd.wait(lambda: crowd.is_over)


@attack()
def requests_without_end(crowd: Crowd) -> None:
    """Begin 10,000 requests on each of 60 connections, and send nothing of them."""
    for wire in crowd.connect(60):
        _begin_many(wire, 10_000, w.RANGE)
    _stay(crowd)


@attack()
def idle_watch_streams(crowd: Crowd) -> None:
    """Open 5,000 streams of watches on each of 40 connections, and ask for nothing."""
    for wire in crowd.connect(40):
        _begin_many(wire, 5_000, w.WATCH)
    _stay(crowd)


@attack()
def large_heads_without_end(crowd: Crowd) -> None:
    """Begin 1,000 requests with 15 KB of fields on each of 40 connections, and no more of them."""
    field = w.literal(b"x-long", b"v" * 15_000)
    for wire in crowd.connect(40):
        _begin_many(wire, 1000, w.RANGE, field)
    _stay(crowd)


@attack()
def heads_in_two_frames_without_end(crowd: Crowd) -> None:
    """Begin 200 requests with 60 KB of fields on each of 40 connections, and no more of them."""
    block = w.block(w.RANGE, *[w.literal(b"x-%d" % i, b"v" * 15_000) for i in range(4)])
    pieces = [block[i : i + w.MAX_FRAME] for i in range(0, len(block), w.MAX_FRAME)]
    for wire in crowd.connect(40):
        for _ in range(200):
            stream, wire.next_id = wire.next_id, wire.next_id + 2
            for number, piece in enumerate(pieces):
                kind = w.CONTINUATION if number else w.HEADERS
                flag = w.END_HEADERS if number == len(pieces) - 1 else 0
                wire.out += w.frame(kind, flag, stream, piece)
    _stay(crowd)


def _run_out(crowd: Crowd, path: str, request: Message) -> None:
    while not crowd.is_over:
        for wire in crowd.connect(4):
            for _ in range(5000):
                wire.call(path, request, _timeout(b"1S"))
        _flush(crowd)
        crowd.wait(lambda: crowd.is_over or all(not wire.unanswered for wire in crowd.wires), 10.0)
        for wire in crowd.wires:
            crowd.leave(wire)


@attack()
def locks_out_of_time(crowd: Crowd) -> None:
    """Have 20,000 wait for a lock until all are out of time in the same second."""
    _run_out(crowd, w.LOCK, v3lock_pb2.LockRequest(name=b"late"))


@attack()
def observers_out_of_time(crowd: Crowd) -> None:
    """Observe an election 20,000 times until all are out of time in the same second."""
    _run_out(crowd, _OBSERVE, v3election_pb2.LeaderRequest(name=b"late"))


@attack()
def watches_out_of_time(crowd: Crowd) -> None:
    """Watch on 20,000 streams until all are out of time in the same second."""
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"/late"))
    _run_out(crowd, w.WATCH, create)


@attack()
def watch_streams_reset_at_once(crowd: Crowd) -> None:
    """Watch on 10,000 streams, then reset all of them in one go, over and over."""
    create = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"/reset"))
    _reset_at_once(crowd, w.WATCH, create)


@attack()
def locks_reset_at_once(crowd: Crowd) -> None:
    """Have 10,000 wait for a lock, then reset all of them in one go, over and over."""
    _reset_at_once(crowd, w.LOCK, v3lock_pb2.LockRequest(name=b"reset"))


def _reset_at_once(crowd: Crowd, path: str, request: Message) -> None:
    while not crowd.is_over:
        wires = crowd.connect(2)
        streams = {wire: [_open(wire, path, request) for _ in range(5000)] for wire in wires}
        _flush(crowd)
        crowd.pump(0.5)
        for wire in wires:
            code = struct.pack(">I", 8)
            wire.out += b"".join(w.frame(w.RST_STREAM, 0, it, code) for it in streams[wire])
        _flush(crowd)
        crowd.pump(0.2)
        for wire in crowd.wires:
            crowd.leave(wire)


def _open(wire: Wire, path: str, request: Message) -> int:
    stream = wire.begin(path)
    wire.out += w.data(stream, w.message(request), end=False)
    return stream


@attack()
def observed_proclamations(crowd: Crowd) -> None:
    """Proclaim over and over what 5,000 observe."""
    (wire,) = crowd.connect()
    wire.call(w.LEASE + "LeaseGrant", pb.LeaseGrantRequest(ID=9, TTL=600))
    request = v3election_pb2.CampaignRequest(name=b"seen", lease=9, value=b"0")
    wire.call(w.CAMPAIGN, request)
    crowd.wait(lambda: wire.ended >= 2)
    (observer,) = crowd.connect()
    for _ in range(5000):
        observer.call(_OBSERVE, v3election_pb2.LeaderRequest(name=b"seen"))
    _flush(crowd)
    crowd.pump(0.2)
    leader = v3election_pb2.LeaderKey(name=b"seen", key=b"seen/9", rev=2, lease=9)
    while not crowd.is_over and wire.is_open:
        wire.call(_PROCLAIM, v3election_pb2.ProclaimRequest(leader=leader, value=b"1"))
        crowd.wait(lambda: crowd.is_over or not wire.unanswered)


@attack(keys(5, 1_000_000))
def one_byte_windows(crowd: Crowd) -> None:
    """Ask for 5 MB on 1,000 streams, and let each send a byte at a time."""
    (wire,) = crowd.connect(1, stream_window=1)
    streams = [wire.call(w.RANGE, ALL_KEYS) for _ in range(1000)]
    while not crowd.is_over and wire.is_open:
        if len(wire.out) < 1 << 14:
            wire.out += b"".join(w.credit(1, stream) for stream in streams)
        crowd.pump(0.01)


@attack()
def unknown_frames(crowd: Crowd) -> None:
    """Send frames of a kind that there is not, of 16 KB and of none, on 40 connections."""
    mix = w.frame(200, 0, 0, bytes(16384)) + w.frame(201, 255, 7) * 100
    while not crowd.is_over:
        if len(crowd.wires) < 40:
            with suppress(OSError):
                crowd.connect(40 - len(crowd.wires))
        for wire in crowd.wires:
            if len(wire.out) < 1 << 16:
                wire.out += mix
        crowd.pump()


@attack()
def idle_connections(crowd: Crowd) -> None:
    """Open 15,000 connections, ask once on each, and keep them."""
    while not crowd.is_over:
        with suppress(OSError):
            while len(crowd.pipes) < 15_000 and not crowd.is_over:
                for wire in crowd.connect(100):
                    wire.call(w.RANGE, pb.RangeRequest(key=b"/a"))
                crowd.pump(0.0)
        crowd.pump()
