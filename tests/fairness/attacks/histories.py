"""Old revisions, keys of many revisions, and values that are looked at for nothing."""

from __future__ import annotations

import itertools
from typing import cast

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import Preparation, attack, keys
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


@attack(_revisions(100_000))
def one_key_at_old_revisions(crowd: Crowd) -> None:
    """Read a key of 100,000 revisions at each of them."""
    numbers = itertools.count(2)

    def more(wire: Wire) -> None:
        revision = 2 + next(numbers) * 37 % 100_000
        wire.call(w.RANGE, pb.RangeRequest(key=b"/one", revision=revision))

    crowd.drive(more, 200, 4)


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


@attack(keys(100_000, 16))
def compactions_at_once(crowd: Crowd) -> None:
    """Compact to each of 1,000 revisions, and wait for all of them at once."""
    (wire,) = crowd.connect()
    for revision in range(3, 1000):
        wire.call(w.COMPACT, pb.CompactionRequest(revision=revision, physical=True))
    crowd.wait(lambda: crowd.is_over)


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
    request = pb.RangeRequest(
        key=b"/keys/",
        range_end=b"/keys0",
        sort_target=pb.RangeRequest.VALUE,
        sort_order=pb.RangeRequest.DESCEND,
        limit=1,
    )
    _drive(crowd, request)


@attack(keys(300, 1_000_000))
def keys_alone_of_large_values(crowd: Crowd) -> None:
    """Ask for the keys of 300 MB without values."""
    _drive(crowd, pb.RangeRequest(key=b"/keys/", range_end=b"/keys0", keys_only=True))


@attack(keys(300, 1_000_000))
def large_values_of_no_revision(crowd: Crowd) -> None:
    """Ask for those of 300 MB that were made at a revision to come."""
    request = pb.RangeRequest(key=b"/keys/", range_end=b"/keys0", min_create_revision=1 << 40)
    _drive(crowd, request)


@attack(keys(200_000, 16))
def counts_of_everything(crowd: Crowd) -> None:
    """Count 200,000 keys on 1,000 streams at once."""
    request = pb.RangeRequest(key=b"/keys/", range_end=b"/keys0", count_only=True, revision=1500)
    _drive(crowd, request, 100, 10)


@attack(keys(200_000, 16))
def one_of_everything(crowd: Crowd) -> None:
    """Have 200,000 keys filtered by the revision that made them, for one that there is not."""
    request = pb.RangeRequest(
        key=b"/keys/", range_end=b"/keys0", max_mod_revision=1, limit=1, keys_only=True
    )
    _drive(crowd, request, 100, 10)


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
def snapshots_opened_and_reset(crowd: Crowd) -> None:
    """Ask for snapshots, and reset each at once."""

    def more(wire: Wire) -> None:
        stream = wire.call(w.MAINTENANCE + "Snapshot", pb.SnapshotRequest())
        wire.out += w.frame(w.RST_STREAM, 0, stream, bytes(3) + b"\x08")

    crowd.drive(more, 50, 4)


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


@attack()
def alarms_of_many_members(crowd: Crowd) -> None:
    """Raise an alarm of one member after the other that there is not, and list them."""
    numbers = itertools.count(1)

    def more(wire: Wire) -> None:
        number = next(numbers)
        if number % 100:
            action, kind = pb.AlarmRequest.ACTIVATE, cast("pb.AlarmType.ValueType", 7)
        else:
            action, kind = pb.AlarmRequest.GET, pb.NONE
        request = pb.AlarmRequest(action=action, memberID=number, alarm=kind)
        wire.call(w.MAINTENANCE + "Alarm", request)

    crowd.drive(more, 500, 4)


@attack()
def members_of_many_addresses(crowd: Crowd) -> None:
    """Give a member that there is not 20,000 addresses."""
    urls = [f"http://10.0.{i // 250}.{i % 250}:{i}" for i in range(1, 20_000)]
    request = pb.MemberUpdateRequest(ID=5, peerURLs=urls)
    crowd.drive(lambda wire: wire.call("/etcdserverpb.Cluster/MemberUpdate", request), 4, 4)


@attack()
def members_added_of_many_addresses(crowd: Crowd) -> None:
    """Add a member of 20,000 addresses."""
    urls = [f"http://10.0.{i // 250}.{i % 250}:{i}" for i in range(1, 20_000)]
    request = pb.MemberAddRequest(isLearner=True, peerURLs=urls)
    crowd.drive(lambda wire: wire.call("/etcdserverpb.Cluster/MemberAdd", request), 4, 4)
