"""Reading much, often, and without taking the replies."""

from __future__ import annotations

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import ALL_KEYS, LARGEST_VALUE, attack, keys
from tests.fairness.wire import GZIP, Crowd


@attack(keys(60, 1_000_000))
def large_gzip_replies(crowd: Crowd) -> None:
    """Ask for 60 MB over and over, compressed."""
    crowd.drive(lambda wire: wire.call(w.RANGE, ALL_KEYS, GZIP), 2, 2)


@attack(keys(60, 1_000_000))
def large_replies(crowd: Crowd) -> None:
    """Ask for 60 MB over and over."""
    crowd.drive(lambda wire: wire.call(w.RANGE, ALL_KEYS), 2, 2)


@attack(keys(5, 1_000_000))
def unread_replies(crowd: Crowd) -> None:
    """Ask for 5 MB 2,000 times, and read nothing."""
    for wire in crowd.connect(20, window=65535, stream_window=65535):
        wire.reads = False
        for _ in range(100):
            wire.call(w.RANGE, ALL_KEYS)
    crowd.wait(lambda: crowd.is_over)


@attack(keys(5, 1_000_000))
def all_that_can_be_held(crowd: Crowd) -> None:
    """Ask for 5 MB, and 500, and read nothing, and begin puts of a megabyte, all on 160 wires."""
    for wire in crowd.connect(100, window=65535, stream_window=65535):
        wire.reads = False
        for _ in range(20):
            wire.call(w.RANGE, ALL_KEYS)
    for wire in crowd.connect(10):
        whole = pb.RequestOp(request_range=ALL_KEYS)
        for _ in range(3):
            wire.call(w.TXN, pb.TxnRequest(success=[whole] * 100))
    body = w.message(pb.PutRequest(key=b"/a", value=bytes(1_000_000), prev_kv=True))
    for number, wire in enumerate(crowd.connect(50)):
        for _ in range(3):
            wire.out += w.data(wire.begin(w.PUT), body[: -(number % 2) or None], end=False)
    crowd.wait(lambda: crowd.is_over)


@attack(keys(200_000, 16))
def ranges_of_200000(crowd: Crowd) -> None:
    """Ask for 200,000 keys, 5,000 times."""
    for wire in crowd.connect(5):
        for _ in range(1000):
            wire.call(w.RANGE, ALL_KEYS)
    crowd.wait(lambda: crowd.is_over)


@attack(keys(200_000, 16))
def sorted_by_value(crowd: Crowd) -> None:
    """Have 200,000 keys sorted by their values, over and over."""
    crowd.drive(lambda wire: wire.call(w.RANGE, LARGEST_VALUE), 20, 2)


@attack(keys(200_000, 16))
def old_revisions(crowd: Crowd) -> None:
    """Count 200,000 keys at an old revision, over and over."""
    request = pb.RangeRequest(key=b"/keys/", range_end=b"/keys0", revision=1900, count_only=True)
    crowd.drive(lambda wire: wire.call(w.RANGE, request), 20, 2)


@attack()
def ranges_flat_out(crowd: Crowd) -> None:
    """Read a key as fast as can be, on 40 connections."""
    crowd.drive(lambda wire: wire.call(w.RANGE, pb.RangeRequest(key=b"/a")), 1000, 40)


@attack()
def puts_flat_out(crowd: Crowd) -> None:
    """Put a key as fast as can be, on 40 connections."""
    crowd.drive(lambda wire: wire.call(w.PUT, pb.PutRequest(key=b"/a", value=b"b")), 1000, 40)


@attack(keys(100_000, 16))
def watchers_of_hashes(crowd: Crowd) -> None:
    """Have everything hashed, over and over."""
    crowd.drive(lambda wire: wire.call(w.MAINTENANCE + "HashKV", pb.HashKVRequest()), 4, 1)


@attack(keys(20, 1_000_000))
def unread_snapshots(crowd: Crowd) -> None:
    """Ask for 50 snapshots, and read nothing."""
    for wire in crowd.connect(50, window=65535, stream_window=65535):
        wire.reads = False
        wire.call(w.MAINTENANCE + "Snapshot", pb.SnapshotRequest())
    crowd.wait(lambda: crowd.is_over)
