"""
What one client does to the others: each is a line of the table that ``make fairness`` prints.

An attack may first prepare what it needs, such as keys; that is over before anything is measured.
"""

from __future__ import annotations

import gzip
import random
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from google.protobuf.message import Message

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2, v3lock_pb2
from tests.fairness import wire as w
from tests.fairness.wire import GZIP, Crowd, Wire

Preparation = Callable[[Crowd], None]


class Attack(NamedTuple):
    """
    An attack.

    Attributes:
        run: Goes on until the crowd's time is over.
        prepare: What is there before.
        flags: Of the server.

    """

    run: Callable[[Crowd], None]
    prepare: Preparation | None = None
    flags: tuple[str, ...] = ()


ATTACKS: dict[str, Attack] = {}

Run = Callable[[Crowd], None]


def attack(prepare: Preparation | None = None, flags: tuple[str, ...] = ()) -> Callable[[Run], Run]:
    """Add an attack to the table, under the function's name."""

    def add(run: Run) -> Run:
        ATTACKS[run.__name__] = Attack(run, prepare, flags)
        return run

    return add


# What is there before.


def keys(number: int, size: int = 16, prefix: bytes = b"/keys/") -> Preparation:
    """Return what puts so many keys, with values of that size."""

    def fill(crowd: Crowd) -> None:
        at_once = max(1, min(100, (1 << 19) // (size + 40)))

        def batches() -> list[pb.TxnRequest]:
            requests = []
            for first in range(0, number, at_once):
                request = pb.TxnRequest()
                for i in range(first, min(first + at_once, number)):
                    request.success.add().request_put.CopyFrom(
                        pb.PutRequest(key=prefix + b"%08d" % i, value=bytes(size))
                    )
                requests.append(request)
            return requests

        crowd.each(w.TXN, batches(), at_once=16)

    return fill


ALL_KEYS = pb.RangeRequest(key=b"/keys/", range_end=b"/keys0")


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


# Nobody.


@attack()
def nobody(crowd: Crowd) -> None:
    """Do nothing."""
    time.sleep(max(0.0, crowd.until - time.monotonic()))


# Transactions.


def _in_tens(crowd: Crowd, body: bytes, *extra: bytes, flag: int = 0) -> None:
    """Send ten at once, and ten more when all are answered."""
    (wire,) = crowd.connect()
    while not crowd.is_over and wire.is_open:
        for _ in range(10):
            wire.call(w.TXN, body, *extra, flag=flag)
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)


@attack()
def undecodable_txns(crowd: Crowd) -> None:
    """Send 15 KB of gzip that are a million operations and a broken byte."""
    body = gzip.compress(b"\x12\x00" * ((1 << 20) - 50) + b"\x22\xff")
    _in_tens(crowd, body, GZIP, flag=1)


@attack()
def empty_compares(crowd: Crowd) -> None:
    """Send the same with compares, all valid."""
    _in_tens(crowd, gzip.compress(b"\x0a\x00" * ((1 << 20) - 50)), GZIP, flag=1)


@attack()
def unknown_fields(crowd: Crowd) -> None:
    """Send transactions of a million unknown fields."""
    _in_tens(crowd, gzip.compress(b"\x78\x01" * ((1 << 20) - 50)), GZIP, flag=1)


@attack()
def broken_depth(crowd: Crowd) -> None:
    """Send transactions one within the other, broken at the bottom."""
    body = b"\x22\xff" + b"\x12\x00" * 500_000
    for _ in range(80):
        body = w_field(2, w_field(4, body))
    _in_tens(crowd, gzip.compress(body), GZIP, flag=1)


def w_field(number: int, body: bytes) -> bytes:
    """Return a field that holds a message."""
    size, head = len(body), bytearray([number << 3 | 2])
    while size >= 128:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return bytes(head) + body


@attack()
def nested_txn(crowd: Crowd) -> None:
    """Send a transaction of 750 KB, with 74,088 puts on three levels."""
    names = iter(range(1 << 30))

    def branch(level: int) -> list[pb.RequestOp]:
        ops = []
        # More on any way down are refused.
        for _ in range(42):
            if level:
                inner = pb.TxnRequest(success=branch(level - 1))
                ops.append(pb.RequestOp(request_txn=inner))
            else:
                name = b"%x" % next(names)
                ops.append(pb.RequestOp(request_put=pb.PutRequest(key=name)))
        return ops

    body = pb.TxnRequest(success=branch(2)).SerializeToString()
    (wire,) = crowd.connect()
    while not crowd.is_over and wire.is_open:
        wire.call(w.TXN, body)
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)


@attack(keys(1000))
def range_compares(crowd: Crowd) -> None:
    """Send a transaction of 41 KB, with 3,660 compares of all keys."""
    one = pb.Compare(key=b"/", range_end=b"0", target=pb.Compare.MOD, result=pb.Compare.GREATER)
    inner = pb.TxnRequest(compare=[one] * 60)
    body = pb.TxnRequest(
        compare=[one] * 60,
        success=[pb.RequestOp(request_txn=inner)] * 60
        + [pb.RequestOp(request_put=pb.PutRequest(key=b"/z"))],
    ).SerializeToString()
    (wire,) = crowd.connect()
    while not crowd.is_over and wire.is_open:
        wire.call(w.TXN, body)
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)


@attack()
def slow_txn_binary_key(crowd: Crowd) -> None:
    """Have a transaction logged as slow whose key is 1.4 MB of odd bytes."""
    key = random.Random(1).randbytes(1_400_000)
    body = pb.TxnRequest(success=[pb.RequestOp(request_put=pb.PutRequest(key=key))])
    # Many puts beside it, so that it takes long.
    (wire,) = crowd.connect()
    while not crowd.is_over and wire.is_open:
        wire.call(w.TXN, body)
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)


ATTACKS["slow_txn_binary_key"] = Attack(
    slow_txn_binary_key, None, ("--warning-unary-request-duration=1us",)
)


@attack(keys(12, 1_000_000))
def txn_reply_1200_mb(crowd: Crowd) -> None:
    """Ask for 1.2 GB in one transaction."""
    whole = pb.RequestOp(request_range=ALL_KEYS)
    (wire,) = crowd.connect()
    wire.call(w.TXN, pb.TxnRequest(success=[whole] * 100))
    crowd.wait(lambda: crowd.is_over)


# Locks.


@attack()
def locks_of_one_name(crowd: Crowd) -> None:
    """Have 3,000 wait for one lock, and let them in one after the other."""
    _locks(crowd, 3000, b"name")


@attack()
def locks_of_long_names(crowd: Crowd) -> None:
    """Wait for locks with names of a megabyte."""
    _locks(crowd, 60, bytes(1_000_000))


def _locks(crowd: Crowd, number: int, name: bytes) -> None:
    (wire,) = crowd.connect()
    for lease in range(1, number + 1):
        wire.call(w.LEASE + "LeaseGrant", pb.LeaseGrantRequest(ID=lease, TTL=60))
    crowd.wait(lambda: wire.ended >= number)
    for lease in range(1, number + 1):
        wire.call(w.LOCK, v3lock_pb2.LockRequest(name=name, lease=lease))
    released = 0
    while not crowd.is_over and wire.is_open:
        # Each that has got in goes out: its unlocking is answered as well.
        got = wire.ended - number - released
        crowd.pump(0.01)
        while released < min(number, got):
            released += 1
            key = name + b"/%x" % released
            wire.call(w.UNLOCK, v3lock_pb2.UnlockRequest(key=key))


@attack()
def waiters_leave_at_once(crowd: Crowd) -> None:
    """Have 5,000 wait for a lock, and cut the connection."""
    _leave_at_once(crowd, w.LOCK, v3lock_pb2.LockRequest(name=b"left"))


@attack()
def campaigners_leave_at_once(crowd: Crowd) -> None:
    """Have 5,000 campaign, and cut the connection."""
    _leave_at_once(crowd, w.CAMPAIGN, v3election_pb2.CampaignRequest(name=b"left", value=b"me"))


def _leave_at_once(crowd: Crowd, path: str, request: Message) -> None:
    while not crowd.is_over:
        (wire,) = crowd.connect()
        for _ in range(5000):
            wire.call(path, request)
        while wire.out and not crowd.is_over:
            crowd.pump()
        crowd.pump(0.5)
        crowd.leave(wire)


# Watches.


@attack(watches(100_000))  # type: ignore[arg-type]
def progress_requests(crowd: Crowd) -> None:
    """Ask for progress over and over on a stream with 100,000 watches."""
    (wire,) = crowd.wires
    ask = w.message(pb.WatchRequest(progress_request=pb.WatchProgressRequest()))
    while not crowd.is_over and wire.is_open:
        if len(wire.out) < 1 << 16:
            wire.stream(1, ask * 200)
        crowd.pump(0.01)


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


@attack()
def watched_by_100000(crowd: Crowd) -> None:
    """Put a key that 100,000 watch."""
    (wire,) = crowd.wires
    (writer,) = crowd.connect()
    while not crowd.is_over and wire.is_open and writer.is_open:
        writer.call(w.PUT, pb.PutRequest(key=b"/same", value=bytes(100)))
        crowd.wait(lambda: writer.ended >= writer.next_id // 2)
        crowd.pump(0.01)


def _same(crowd: Crowd) -> None:
    (wire,) = crowd.connect()
    stream = wire.begin(w.WATCH)
    request = pb.WatchRequest(create_request=pb.WatchCreateRequest(key=b"/same"))
    part = w.message(request) * 1000
    for _ in range(100):
        crowd.wait(lambda: wire.stream(stream, part))
    crowd.wait(lambda: _is_quiet(crowd, wire))


ATTACKS["watched_by_100000"] = Attack(watched_by_100000, _same)


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


# Leases.


@attack()
def leases_expire_together(crowd: Crowd) -> None:
    """Let a lease with 100,000 keys expire."""
    for _ in range(20):
        crowd.pump(0.05)
    (wire,) = crowd.connect()
    wire.call(w.LEASE + "LeaseRevoke", pb.LeaseRevokeRequest(ID=77))
    crowd.wait(lambda: crowd.is_over)


def _leased(crowd: Crowd) -> None:
    crowd.each(w.LEASE + "LeaseGrant", [pb.LeaseGrantRequest(ID=77, TTL=600)])
    requests = []
    for first in range(0, 100_000, 100):
        request = pb.TxnRequest()
        for i in range(first, first + 100):
            put = pb.PutRequest(key=b"/leased/%d" % i, lease=77)
            request.success.add().request_put.CopyFrom(put)
        requests.append(request)
    crowd.each(w.TXN, requests)


ATTACKS["leases_expire_together"] = Attack(leases_expire_together, _leased)


@attack(_leased)
def keys_of_a_lease(crowd: Crowd) -> None:
    """Have a lease tell its 100,000 keys, over and over."""
    request = pb.LeaseTimeToLiveRequest(ID=77, keys=True)
    crowd.drive(lambda wire: wire.call(w.LEASE + "LeaseTimeToLive", request), 4, 2)


@attack()
def leases_by_thousands(crowd: Crowd) -> None:
    """Let 10,000 leases, each with a key, expire in one second."""
    (wire,) = crowd.connect()
    leases = 10_000
    for lease in range(1, leases + 1):
        wire.call(w.LEASE + "LeaseGrant", pb.LeaseGrantRequest(ID=lease, TTL=2))
    crowd.wait(lambda: wire.ended >= leases, 30.0)
    for lease in range(1, leases + 1):
        wire.call(w.PUT, pb.PutRequest(key=b"/leased/%d" % lease, lease=lease))
    crowd.wait(lambda: wire.ended >= 2 * leases, 30.0)
    crowd.wait(lambda: False, 4.0)


@attack()
def lease_grants(crowd: Crowd) -> None:
    """Grant leases, and list them all."""

    def more(wire: Wire) -> None:
        if wire.next_id % 400 == 1:
            wire.call(w.LEASE + "LeaseLeases", pb.LeaseLeasesRequest())
        else:
            wire.call(w.LEASE + "LeaseGrant", pb.LeaseGrantRequest(TTL=600))

    crowd.drive(more, 200, 1)


@attack()
def keepalives_flat_out(crowd: Crowd) -> None:
    """Keep leases alive that do not exist, as fast as can be, on 40 connections."""
    body = w.message(pb.LeaseKeepAliveRequest(ID=5))
    wires = crowd.connect(40)
    streams = {wire: wire.begin(w.LEASE + "LeaseKeepAlive") for wire in wires}
    while not crowd.is_over:
        for wire in crowd.wires:
            if len(wire.out) < 1 << 13:
                wire.stream(streams[wire], body * 200)
        crowd.pump()


# Reading.


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
    request = pb.RangeRequest(
        key=b"/keys/",
        range_end=b"/keys0",
        sort_target=pb.RangeRequest.VALUE,
        sort_order=pb.RangeRequest.DESCEND,
        limit=1,
    )
    crowd.drive(lambda wire: wire.call(w.RANGE, request), 20, 2)


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


# Writing.


@attack(keys(1, 1_000_000, b"/big"))
def puts_with_prev_kv(crowd: Crowd) -> None:
    """Put a megabyte 500 times at once, and ask for what was there."""
    body = w.message(pb.PutRequest(key=b"/big00000000", value=bytes(1_000_000), prev_kv=True))
    for wire in crowd.connect(5):
        for _ in range(100):
            wire.out += w.data(wire.begin(w.PUT), body)
    crowd.wait(lambda: crowd.is_over)


@attack()
def incomplete_puts(crowd: Crowd) -> None:
    """Send puts of a megabyte without their last byte, on 40 connections."""
    body = w.message(pb.PutRequest(key=b"/a", value=bytes(1_000_000)))[:-1]
    for wire in crowd.connect(40):
        for _ in range(100):
            wire.out += w.data(wire.begin(w.PUT), body, end=False)
    crowd.wait(lambda: crowd.is_over)


@attack()
def gzip_bombs(crowd: Crowd) -> None:
    """Send puts of 2 KB that are 2 MB when inflated."""
    body = gzip.compress(pb.PutRequest(key=b"/a", value=bytes((2 << 20) - 100)).SerializeToString())
    crowd.drive(lambda wire: wire.call(w.PUT, body, GZIP, flag=1), 200, 4)


@attack(keys(100_000, 16))
def deletes_with_prev_kv(crowd: Crowd) -> None:
    """Delete 100,000 keys, and ask for what was there."""
    (wire,) = crowd.connect()
    request = pb.DeleteRangeRequest(key=b"/keys/", range_end=b"/keys0", prev_kv=True)
    wire.call(w.DELETE, request)
    crowd.wait(lambda: crowd.is_over)


@attack(keys(100_000, 16))
def deletes_of_100000(crowd: Crowd) -> None:
    """Delete 100,000 keys."""
    (wire,) = crowd.connect()
    wire.call(w.DELETE, pb.DeleteRangeRequest(key=b"/keys/", range_end=b"/keys0"))
    crowd.wait(lambda: crowd.is_over)


@attack(keys(100_000, 16))
def compactions(crowd: Crowd) -> None:
    """Compact what 100,000 keys have been, a little further each time, and wait for it."""
    (wire,) = crowd.connect()
    revision = 2
    while not crowd.is_over and wire.is_open and revision < 1000:
        wire.call(w.COMPACT, pb.CompactionRequest(revision=revision, physical=True))
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)
        revision += 10


@attack(keys(100_000, 100))
def defragmentations(crowd: Crowd) -> None:
    """Defragment, over and over."""
    (wire,) = crowd.connect()
    while not crowd.is_over and wire.is_open:
        wire.call(w.MAINTENANCE + "Defragment", pb.DefragmentRequest())
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)


def _roles(crowd: Crowd) -> None:
    requests = [pb.AuthRoleAddRequest(name=f"role{number}") for number in range(20_000)]
    crowd.each(w.AUTH + "RoleAdd", requests, at_once=1000)


@attack(_roles)
def lists_of_roles(crowd: Crowd) -> None:
    """Have 20,000 roles listed, over and over."""
    crowd.drive(lambda wire: wire.call(w.AUTH + "RoleList", pb.AuthRoleListRequest()), 4, 2)


# Frames.


@attack()
def one_byte_data(crowd: Crowd) -> None:
    """Send a request in DATA frames of a byte, on 40 connections."""
    body = w.message(pb.PutRequest(key=b"/a", value=bytes(2000)))
    crowd.drive(lambda wire: wire.out.extend(w.data(wire.begin(w.PUT), body, size=1)), 1000, 40)


@attack()
def huffman_fields(crowd: Crowd) -> None:
    """Send Huffman-coded fields of 8 KB, on 40 connections."""
    # The code of "0" is five zero bits.
    coded = bytes(8000)
    field = b"\x00" + w.literal(b"x-long", b"")[1:-1] + _huffman(coded)

    def more(wire: Wire) -> None:
        wire.call(w.RANGE, pb.RangeRequest(key=b"/a"), field)

    crowd.drive(more, 100, 40)


def _huffman(coded: bytes) -> bytes:
    size = len(coded) - 127
    head = bytearray([0xFF])
    while size >= 128:
        head.append(size & 127 | 128)
        size >>= 7
    head.append(size)
    return bytes(head) + coded


@attack()
def table_thrash(crowd: Crowd) -> None:
    """Send fields that are inserted into the table and push each other out."""
    number = iter(range(1 << 40))

    def more(wire: Wire) -> None:
        fields = b"".join(w.literal(b"x-%d" % next(number), b"v" * 20, 0x40) for _ in range(60))
        wire.call(w.RANGE, pb.RangeRequest(key=b"/a"), fields)

    crowd.drive(more, 100, 10)


@attack()
def continuations(crowd: Crowd) -> None:
    """Send header blocks in frames of a kilobyte, up to what is allowed."""

    def more(wire: Wire) -> None:
        fields = w.block(w.RANGE) + w.literal(b"x", b"y" * 10) * 20_000
        pieces = [fields[i : i + 16384] for i in range(0, len(fields), 16384)]
        stream, wire.next_id = wire.next_id, wire.next_id + 2
        wire.out += w.frame(w.HEADERS, 0, stream, pieces[0])
        for piece in pieces[1:-1]:
            wire.out += w.frame(w.CONTINUATION, 0, stream, piece)
        wire.out += w.frame(w.CONTINUATION, w.END_HEADERS, stream, pieces[-1])
        wire.out += w.data(stream, w.message(pb.RangeRequest(key=b"/a")))

    crowd.drive(more, 10, 4)


@attack(keys(5, 1_000_000))
def window_changes(crowd: Crowd) -> None:
    """Change the initial window while thousands of streams wait for it."""
    (wire,) = crowd.connect(1, stream_window=0)
    for _ in range(5000):
        wire.call(w.RANGE, pb.RangeRequest(key=b"/keys/00000000"))
    crowd.wait(lambda: not wire.out)
    size = 0
    while not crowd.is_over and wire.is_open:
        if len(wire.out) < 4096:
            size ^= 1
            wire.out += w.settings(_4=size) * 20
        crowd.pump(0.02)


@attack(keys(1, 3_000_000))
def provoked_resets(crowd: Crowd) -> None:
    """Ask for megabytes, and make the server reset each stream."""

    def more(wire: Wire) -> None:
        wire.out += w.credit(0, wire.call(w.RANGE, ALL_KEYS))

    crowd.drive(more, 900, 4)


@attack(keys(20_000))
def resets(crowd: Crowd) -> None:
    """Ask for 20,000 keys, and reset each stream."""

    def more(wire: Wire) -> None:
        stream = wire.call(w.RANGE, ALL_KEYS)
        wire.out += w.frame(w.RST_STREAM, 0, stream, struct.pack(">I", 8))

    crowd.drive(more, 900, 4)


@attack()
def trickled_frames(crowd: Crowd) -> None:
    """Send requests a byte at a time on 1,000 connections."""
    frames = (
        w.PREFACE
        + w.settings()
        + b"".join(
            w.frame(w.HEADERS, w.END_HEADERS, stream, w.block(w.RANGE))
            + w.data(stream, w.message(pb.RangeRequest(key=b"/a")))
            for stream in range(1, 200, 2)
        )
    )
    wires = crowd.connect(1000)
    for wire in wires:
        wire.out.clear()
    position = 0
    while not crowd.is_over:
        for wire in crowd.wires:
            wire.out += frames[position : position + 1]
            with suppress(OSError):
                wire.write()
        position += 1


@attack()
def pings(crowd: Crowd) -> None:
    """Ping as fast as can be, on new connections when that is too much."""
    while not crowd.is_over:
        if len(crowd.wires) < 20:
            with suppress(OSError):
                crowd.connect(20 - len(crowd.wires))
        for wire in crowd.wires:
            if len(wire.out) < 1 << 16:
                wire.out += w.frame(w.PING, 0, 0, bytes(8)) * 500
        crowd.pump()


@attack()
def connections(crowd: Crowd) -> None:
    """Connect, ask once, and close, over and over."""
    while not crowd.is_over:
        with suppress(OSError):
            wires = [Wire(crowd.address) for _ in range(50)]
            for wire in wires:
                wire.call(w.RANGE, pb.RangeRequest(key=b"/a"))
                wire.write()
            time.sleep(0.005)
            for wire in wires:
                wire.close()


@attack()
def deadlines_of_1ns(crowd: Crowd) -> None:
    """Put with a deadline that is over at once."""
    short = w.literal(b"grpc-timeout", b"1n")

    def more(wire: Wire) -> None:
        wire.call(w.PUT, pb.PutRequest(key=b"/a"), short)

    crowd.drive(more, 1000, 10)


@attack()
def pipelined_calls(crowd: Crowd) -> None:
    """Send 40,000 calls on one connection before reading any answer."""
    (wire,) = crowd.connect()
    calls = 40_000
    for _ in range(calls):
        wire.call(w.RANGE, pb.RangeRequest(key=b"/a"))
    wire.reads = False
    crowd.wait(lambda: not wire.out or crowd.is_over, 2.0)
    wire.reads = True
    crowd.wait(lambda: wire.ended >= calls, 120.0)
    crowd.wait(lambda: crowd.is_over)


@attack()
def pipelined_puts(crowd: Crowd) -> None:
    """Send 40,000 puts on one connection, each of which has to wait for the disk."""
    (wire,) = crowd.connect()
    calls = 40_000
    for _ in range(calls):
        wire.call(w.PUT, pb.PutRequest(key=b"/a"))
    crowd.wait(lambda: wire.ended >= calls, 120.0)
    crowd.wait(lambda: crowd.is_over)


# HTTP/1.1.


@attack(keys(20_000))
def gateway_ranges(crowd: Crowd) -> None:
    """Ask the gateway for 20,000 keys, over and over."""
    import socket

    host, _, port = crowd.address.rpartition(":")
    body = b'{"key":"L2tleXMv","range_end":"L2tleXMw"}'
    head = b"POST /v3/kv/range HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection((host, int(port)), 30) as peer:
        peer.settimeout(0.5)
        while not crowd.is_over:
            peer.sendall(head + body)
            with suppress(TimeoutError):
                while not crowd.is_over and not peer.recv(1 << 20).endswith(b"}"):
                    pass
