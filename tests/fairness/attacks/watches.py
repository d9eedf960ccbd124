"""Watches by the hundred thousand, and those far behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import attack, keys
from tests.fairness.wire import Crowd, Wire


def create(number: int, first: int = 0) -> bytes:
    """Return requests for so many watches, each a message."""
    return b"".join(
        w.message(
            pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"/watched/%d" % (first + i)))
        )
        for i in range(number)
    )


def watches(number: int) -> Callable[[Crowd], Wire]:
    """Return what opens a stream with so many watches; its number is 1."""

    def open_stream(crowd: Crowd) -> Wire:
        (wire,) = crowd.connect()
        stream = wire.begin(w.WATCH)
        step = 1000
        for first in range(0, number, step):
            part = create(step, first)
            crowd.wait(lambda part=part: wire.stream(stream, part))  # type: ignore[misc]
        # Each is confirmed by some fifteen bytes at least.
        crowd.wait(lambda: wire.received >= number * 15, 120.0)
        crowd.wait(lambda: _is_quiet(crowd, wire))
        return wire

    return open_stream


def _is_quiet(crowd: Crowd, wire: Wire) -> bool:
    before = wire.received
    crowd.pump(0.2)
    return wire.received == before


@attack(watches(100_000))  # type: ignore[arg-type]
def progress_requests(crowd: Crowd) -> None:
    """Ask for progress over and over on a stream with 100,000 watches."""
    (wire,) = crowd.wires
    ask = w.message(pb.WatchRequest(progress_request=pb.WatchProgressRequest()))
    while not crowd.is_over and wire.is_open:
        if len(wire.out) < 1 << 16:
            wire.stream(1, ask * 200)
        crowd.pump(0.01)


@attack(flags=("--watch-progress-notify-interval=100ms",))
def progress_ticks(crowd: Crowd) -> None:
    """Have 100,000 watches of a stream told ten times a second how far they have come."""
    (wire,) = crowd.connect()
    stream = wire.begin(w.WATCH)
    create = pb.WatchCreateRequest(key=b"/watched", progress_notify=True)
    part = w.message(pb.WatchRequest(create_request=create)) * 1000
    for _ in range(100):
        crowd.wait(lambda: wire.stream(stream, part) or crowd.is_over)
    crowd.wait(lambda: crowd.is_over)


@attack()
def watches_without_end(crowd: Crowd) -> None:
    """Create as many watches as can be, on one stream after the other."""
    (wire,) = crowd.connect()
    stream = wire.begin(w.WATCH)
    made = 0
    while not crowd.is_over and wire.is_open:
        while len(wire.out) < 1 << 18 and wire.stream(stream, create(1000, made)):
            made += 1000
        crowd.pump()


@attack()
def watches_by_the_million(crowd: Crowd) -> None:
    """Create 1,000,000 watches of as many keys on ten connections, however long that takes."""
    # By the thousand; the windows of the streams hold back what comes too fast.
    left = {wire: iter(range(i, 1000, 10)) for i, wire in enumerate(_streams(crowd))}
    crowd.wait(lambda: _go_on(left), 300.0)
    # Each is confirmed by some thirty bytes, or refused by more.
    crowd.wait(lambda: sum(wire.received for wire in crowd.wires) >= 30_000_000, 300.0)
    crowd.wait(lambda: all(_is_quiet(crowd, wire) for wire in crowd.wires), 300.0)


def _streams(crowd: Crowd) -> list[Wire]:
    wires = crowd.connect(10)
    for wire in wires:
        wire.begin(w.WATCH)
    return wires


def _go_on(left: dict[Wire, Iterator[int]]) -> bool:
    """Create some more on each connection; return whether that was all."""
    for wire, firsts in list(left.items()):
        if len(wire.out) >= 1 << 18:
            continue
        if wire.granted - wire.sent < 1 << 17:
            continue
        first = next(firsts, None)
        if first is None or not wire.is_open:
            del left[wire]
        else:
            wire.stream(1, create(1000, first * 1000))
    return not left


@attack()
def watch_create_cancel(crowd: Crowd) -> None:
    """Create and cancel watches."""
    (wire,) = crowd.connect()
    stream = wire.begin(w.WATCH)
    made = 0
    while not crowd.is_over and wire.is_open:
        while len(wire.out) < 1 << 18:
            pairs = b"".join(
                create(1)
                + w.message(
                    pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=made + i))
                )
                for i in range(200)
            )
            if not wire.stream(stream, pairs):
                break
            made += 200
        crowd.pump()


def _same(crowd: Crowd) -> None:
    (wire,) = crowd.connect()
    stream = wire.begin(w.WATCH)
    request = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"/same"))
    part = w.message(request) * 1000
    for _ in range(100):
        crowd.wait(lambda: wire.stream(stream, part))
    crowd.wait(lambda: _is_quiet(crowd, wire))


@attack(_same)
def watched_by_100000(crowd: Crowd) -> None:
    """Put a key that 100,000 watch."""
    (wire,) = crowd.wires
    (writer,) = crowd.connect()
    while not crowd.is_over and wire.is_open and writer.is_open:
        writer.call(w.PUT, pb.PutRequest(key=b"/same", value=bytes(100)))
        crowd.wait(lambda: writer.ended >= writer.next_id // 2)
        crowd.pump(0.01)


@attack(keys(50_000, 100))
def far_behind_watchers(crowd: Crowd) -> None:
    """Watch from the beginning, again and again, and do not read; compact meanwhile."""
    revision = 100
    (writer,) = crowd.connect()
    while not crowd.is_over:
        for wire in crowd.connect(4, stream_window=65535, window=65535):
            stream = wire.begin(w.WATCH)
            request = pb.WatchCreateRequest(key=b"/", range_end=b"0", start_revision=revision)
            body = w.message(pb.WatchRequest(create_request=request))
            wire.out += w.data(stream, body * 50, end=False)
        writer.call(w.COMPACT, pb.CompactionRequest(revision=revision))
        revision += 20
        for _ in range(20):
            crowd.pump(0.02)


@attack(keys(5_000, 600))
def watches_unread(crowd: Crowd) -> None:
    """Watch another range from the beginning on each of 6,000 streams, and read nothing."""
    number = 0
    for wire in crowd.connect(60, window=65535, stream_window=0):
        wire.reads = False
        for _ in range(100):
            number += 1
            request = pb.WatchCreateRequest(
                key=b"/k", range_end=b"/l%d" % number, start_revision=2, prev_kv=number % 2 == 0
            )
            body = w.message(pb.WatchRequest(create_request=request))
            wire.out += w.data(wire.begin(w.WATCH), body, end=False)
    crowd.wait(lambda: crowd.is_over)
