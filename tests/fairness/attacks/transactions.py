"""Transactions that are long, deep, wide or broken."""

from __future__ import annotations

import gzip
import itertools
import random
from collections.abc import Callable

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import ALL_KEYS, attack, keys
from tests.fairness.wire import GZIP, Crowd


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


def _nested(made: Callable[[int], pb.RequestOp]) -> list[pb.RequestOp]:
    """Return 74,088 operations on three levels."""
    numbers = itertools.count()

    def branch(level: int) -> list[pb.RequestOp]:
        # More on any way down are refused.
        if not level:
            return [made(next(numbers)) for _ in range(42)]
        inner = (pb.TxnRequest(success=branch(level - 1)) for _ in range(42))
        return [pb.RequestOp(request_txn=txn) for txn in inner]

    return branch(2)


def _one_by_one(crowd: Crowd, *ops: pb.RequestOp) -> None:
    """Send a transaction over and over, each when the one before is answered."""
    body = pb.TxnRequest(success=ops).SerializeToString()
    (wire,) = crowd.connect()
    while not crowd.is_over and wire.is_open:
        wire.call(w.TXN, body)
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)


def _put(number: int) -> pb.RequestOp:
    return pb.RequestOp(request_put=pb.PutRequest(key=b"%x" % number))


def _delete(number: int) -> pb.RequestOp:
    return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=b"%x" % number))


#: Of the first key of all.
_FIRST = pb.RequestOp(request_range=pb.RangeRequest(key=b"/", range_end=b"0", limit=1))


@attack()
def nested_txn(crowd: Crowd) -> None:
    """Send a transaction of 750 KB, with 74,088 puts on three levels."""
    _one_by_one(crowd, *_nested(_put))


@attack()
def nested_deletions(crowd: Crowd) -> None:
    """Send the same where every other operation deletes a key of the transaction before."""

    def body(rest: int) -> bytes:
        def changed(number: int) -> pb.RequestOp:
            return (_put if number % 2 == rest else _delete)(number)

        return pb.TxnRequest(success=_nested(changed)).SerializeToString()

    bodies = [body(0), body(1)]
    (wire,) = crowd.connect()
    while not crowd.is_over and wire.is_open:
        for sent in bodies:
            wire.call(w.TXN, sent)
            crowd.wait(lambda: wire.ended >= wire.next_id // 2)


@attack(keys(1000))
def ranges_and_a_put(crowd: Crowd) -> None:
    """Send a transaction with 74,088 ranges, and a put behind them."""
    _one_by_one(crowd, *_nested(lambda _: _FIRST), _put(0))


@attack(keys(1000))
def a_put_and_ranges(crowd: Crowd) -> None:
    """Send a transaction with a put, and 74,088 ranges behind it."""
    _one_by_one(crowd, _put(0), *_nested(lambda _: _FIRST))


@attack(keys(1000))
def ranges_between_puts(crowd: Crowd) -> None:
    """Send one where every other operation is a put, and all others are ranges."""

    def put(number: int) -> pb.RequestOp:
        return pb.RequestOp(request_put=pb.PutRequest(key=b"/%x" % number))

    _one_by_one(crowd, *_nested(lambda number: put(number) if number & 1 else _FIRST))


@attack(keys(20_000, 100))
def sorted_ranges_and_a_put(crowd: Crowd) -> None:
    """Send a transaction that sorts 20,000 keys by their values a hundred times, and puts one."""
    sort = pb.RangeRequest(
        key=b"/keys/",
        range_end=b"/keys0",
        limit=1,
        sort_target=pb.RangeRequest.VALUE,
        sort_order=pb.RangeRequest.ASCEND,
    )
    _one_by_one(crowd, *[pb.RequestOp(request_range=sort)] * 100, _put(0))


@attack(keys(12, 1_000_000))
def large_ranges_and_a_put(crowd: Crowd) -> None:
    """Ask for 48 MB in a transaction that puts a key."""
    _one_by_one(crowd, *[pb.RequestOp(request_range=ALL_KEYS)] * 4, _put(0))


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


@attack(flags=("--warning-unary-request-duration=1us",))
def slow_txn_binary_key(crowd: Crowd) -> None:
    """Have a transaction logged as slow whose key is 1.4 MB of odd bytes."""
    key = random.Random(1).randbytes(1_400_000)
    body = pb.TxnRequest(success=[pb.RequestOp(request_put=pb.PutRequest(key=key))])
    # Many puts beside it, so that it takes long.
    (wire,) = crowd.connect()
    while not crowd.is_over and wire.is_open:
        wire.call(w.TXN, body)
        crowd.wait(lambda: wire.ended >= wire.next_id // 2)


@attack(keys(12, 1_000_000))
def txn_reply_1200_mb(crowd: Crowd) -> None:
    """Ask for 1.2 GB in one transaction."""
    whole = pb.RequestOp(request_range=ALL_KEYS)
    (wire,) = crowd.connect()
    wire.call(w.TXN, pb.TxnRequest(success=[whole] * 100))
    crowd.wait(lambda: crowd.is_over)
