"""Old revisions, keys of many, long keys and large values, and all that goes over everything."""

from __future__ import annotations

import itertools

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import LARGEST_VALUE, Preparation, attack, keys
from tests.fairness.wire import Crowd, Wire


def _revisions(number: int, *, deletes: bool = False) -> Preparation:
    """Return what puts one key so many times, and deletes it after each if that is wanted."""
    put, delete = pb.PutRequest(key=b"/one"), pb.DeleteRangeRequest(key=b"/one")

    def prepare(crowd: Crowd) -> None:
        (wire,) = crowd.connect()
        for i in range(number):
            if deletes and i % 2:
                wire.call(w.DELETE, delete)
            else:
                wire.call(w.PUT, put)
            if i % 1000 == 0:
                crowd.wait(lambda: wire.unanswered < 4000)
        crowd.wait(lambda: not wire.unanswered)
        crowd.leave(wire)

    return prepare


def _drive(crowd: Crowd, request: pb.RangeRequest, at_once: int = 20, number: int = 4) -> None:
    crowd.drive(lambda wire: wire.call(w.RANGE, request), at_once, number)


@attack(_revisions(100_000, deletes=True))
def one_key_that_came_and_went(crowd: Crowd) -> None:
    """Read a key that was made and deleted 50,000 times at each of its revisions."""
    numbers = itertools.count(2)

    def more(wire: Wire) -> None:
        revision = 2 + next(numbers) * 37 % 100_000
        wire.call(w.RANGE, pb.RangeRequest(key=b"/one", revision=revision))

    crowd.drive(more, 200, 4)


@attack(_revisions(100_000, deletes=True))
def compaction_of_one_key(crowd: Crowd) -> None:
    """Compact a key that was made and deleted 50,000 times, at each of its revisions."""
    numbers = itertools.count(2)
    crowd.drive(
        lambda wire: wire.call(w.COMPACT, pb.CompactionRequest(revision=next(numbers))), 1000, 1
    )


@attack(_revisions(100_000))
def watches_of_nothing_in_the_past(crowd: Crowd) -> None:
    """Watch a range in which nothing happened from the beginning, on 1,000 streams."""
    create = pb.WatchCreateRequest(key=b"/x", range_end=b"/y", start_revision=1)
    body = w.message(pb.WatchRequest(create_request=create))
    while not crowd.is_over:
        for wire in crowd.connect(10):
            for _ in range(100):
                wire.out += w.data(wire.begin(w.WATCH), body, end=False)
        crowd.wait(lambda: crowd.is_over or not any(wire.out for wire in crowd.wires))
        crowd.pump(0.5)
        for wire in crowd.wires:
            crowd.leave(wire)


@attack(_revisions(100_000))
def watches_of_one_key_from_the_beginning(crowd: Crowd) -> None:
    """Watch a key of 100,000 revisions from each of them, with what it held before."""
    numbers = itertools.count(2)
    (wire,) = crowd.connect()
    stream = wire.begin(w.WATCH)
    while not crowd.is_over and wire.is_open:
        while len(wire.out) < 1 << 16:
            create = pb.WatchCreateRequest(
                key=b"/one", start_revision=next(numbers), prev_kv=True, fragment=True
            )
            body = w.message(pb.WatchRequest(create_request=create))
            if not wire.stream(stream, body):
                break
        crowd.pump(0.01)


def _deleted(crowd: Crowd) -> None:
    keys(100_000, 16)(crowd)
    request = pb.DeleteRangeRequest(key=b"/keys/", range_end=b"/keys0")
    crowd.each(w.DELETE, [request])


@attack(_deleted)
def deletions_watched_in_fragments(crowd: Crowd) -> None:
    """Watch the deletion of 100,000 keys, with what they held, on 50 streams."""
    create = pb.WatchCreateRequest(
        key=b"/", range_end=b"0", start_revision=900, prev_kv=True, fragment=True
    )
    body = w.message(pb.WatchRequest(create_request=create))
    (wire,) = crowd.connect()
    for _ in range(50):
        wire.out += w.data(wire.begin(w.WATCH), body, end=False)
    crowd.wait(lambda: crowd.is_over)


@attack(keys(300, 1_000_000))
def large_values_by_value(crowd: Crowd) -> None:
    """Have 300 MB sorted by value, for one of them."""
    _drive(crowd, LARGEST_VALUE)


def _small_then_large(crowd: Crowd) -> None:
    keys(2_000, 16)(crowd)
    keys(250, 1_000_000, b"/keys/x")(crowd)


@attack(_small_then_large)
def large_rows_behind_small_ones(crowd: Crowd) -> None:
    """Ask for 2,000 small values and 250 of a megabyte behind them."""
    _drive(crowd, pb.RangeRequest(key=b"/keys/", range_end=b"/keys0"), 2)


@attack(_small_then_large)
def large_rows_behind_small_ones_hashed(crowd: Crowd) -> None:
    """Have 2,000 small values and 250 of a megabyte behind them hashed, and watched."""
    create = pb.WatchCreateRequest(key=b"/", range_end=b"0", start_revision=2)
    body = w.message(pb.WatchRequest(create_request=create))
    (watching,) = crowd.connect()

    def more(wire: Wire) -> None:
        wire.call(w.MAINTENANCE + "HashKV", pb.HashKVRequest())
        if watching.is_open:
            watching.out += w.data(watching.begin(w.WATCH), body, end=False)

    crowd.drive(more, 4, 4)


@attack(keys(300, 1_000_000))
def keys_alone_of_large_values(crowd: Crowd) -> None:
    """Ask for the keys of 300 MB without values."""
    _drive(crowd, pb.RangeRequest(key=b"/keys/", range_end=b"/keys0", keys_only=True))


@attack(keys(300, 1_000_000))
def deletions_of_large_values(crowd: Crowd) -> None:
    """Delete 300 MB and ask for what was there."""
    (wire,) = crowd.connect()
    request = pb.DeleteRangeRequest(key=b"/keys/", range_end=b"/keys0", prev_kv=True)
    wire.call(w.DELETE, request)
    crowd.wait(lambda: crowd.is_over)


def _long_keys(crowd: Crowd) -> None:
    (wire,) = crowd.connect()
    for i in range(300):
        wire.call(w.PUT, pb.PutRequest(key=b"/long/%04d" % i + bytes(1_000_000)))
        crowd.wait(lambda: wire.unanswered < 4)
    crowd.wait(lambda: not wire.unanswered)
    crowd.leave(wire)


@attack(_long_keys)
def keys_of_a_megabyte(crowd: Crowd) -> None:
    """Ask for 300 keys of a megabyte each, without values."""
    _drive(crowd, pb.RangeRequest(key=b"/long/", range_end=b"/long0", keys_only=True))


@attack(keys(100_000, 16))
def hashes_at_old_revisions(crowd: Crowd) -> None:
    """Have everything hashed at each revision, on 40 connections."""
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        revision = 2 + next(numbers) % 900
        wire.call(w.MAINTENANCE + "HashKV", pb.HashKVRequest(revision=revision))

    crowd.drive(more, 4, 40)


@attack(keys(20, 1_000_000))
def snapshots_by_the_thousand(crowd: Crowd) -> None:
    """Ask for 1,000 snapshots on 10 connections, and read nothing; put meanwhile."""
    for wire in crowd.connect(10, window=65535, stream_window=65535):
        wire.reads = False
        for _ in range(100):
            wire.call(w.MAINTENANCE + "Snapshot", pb.SnapshotRequest())
    crowd.wait(lambda: crowd.is_over)


@attack(keys(20, 1_000_000))
def defragmentation_behind_a_snapshot(crowd: Crowd) -> None:
    """Defragment while snapshots are on their way that nobody reads."""
    for wire in crowd.connect(5, window=65535, stream_window=65535):
        wire.reads = False
        wire.call(w.MAINTENANCE + "Snapshot", pb.SnapshotRequest())
    crowd.pump(0.3)
    (other,) = crowd.connect()
    for _ in range(10):
        other.call(w.MAINTENANCE + "Defragment", pb.DefragmentRequest())
    crowd.wait(lambda: crowd.is_over)


@attack(keys(20_000, 1_000))
def defragmentations_and_puts(crowd: Crowd) -> None:
    """Defragment, 10 at once, and put flat out."""
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        if next(numbers) % 1000:
            wire.call(w.PUT, pb.PutRequest(key=b"/a", value=bytes(1000)))
        else:
            wire.call(w.MAINTENANCE + "Defragment", pb.DefragmentRequest())

    crowd.drive(more, 1000, 10)
