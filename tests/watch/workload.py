"""What is written and watched in a random run."""

from __future__ import annotations

from random import Random

from etcdpy.pb import rpc_pb2 as pb
from tests.watch.history import NODELETE, NOPUT, Interest

KEYS = [b"k/%02d" % number for number in range(40)]
#: Written all at once, now and then: too many to be told of in one turn of the loop.
MANY_KEYS = [b"many/%04d" % number for number in range(2500)]
MANY_SHARE = 0.004
#: What now and then a value is longer than usual: who reads slowly shall fall behind.
LONG_FACTOR = 30
LONG_SHARE = 0.05
FLAGS = ("--watch-progress-notify-interval=200ms", f"--max-txn-ops={len(MANY_KEYS)}")
INTERESTS = [
    *(Interest(key) for key in KEYS[:8]),
    *(Interest(key, prev_kv=True) for key in KEYS[8:12]),
    Interest(b"k/1", b"k/2", prev_kv=True),
    Interest(b"k/0", b"k/1"),
    Interest(b"k/05", b"k/23", (NOPUT,)),
    Interest(b"k/05", b"k/23", (NODELETE,), prev_kv=True),
    # Of many, so that some streams have several, who are told together.
    *[Interest(b"k/20", b"l")] * 8,
    Interest(MANY_KEYS[1]),
    Interest(b"many/", b"many0", (NOPUT,), prev_kv=True),
    Interest(b"\0", b"\0"),
    Interest(b"\0", b"\0", prev_kv=True),
]
# How far ahead watchers may start: less than what is written last.
FUTURE = len(KEYS) // 2
EVERYTHING = Interest(b"\0", b"\0", prev_kv=True)
ALL_OF_MANY = pb.DeleteRangeRequest(key=b"many/", range_end=b"many0")


def random_write(random: Random, value_bytes: int) -> tuple[pb.TxnRequest, dict[bytes, bytes]]:
    """Return a transaction, and what it puts."""
    request = pb.TxnRequest()
    puts: dict[bytes, bytes] = {}
    if random.random() < MANY_SHARE:
        if random.random() < 0.4:
            request.success.add().request_delete_range.MergeFrom(ALL_OF_MANY)
            return request, puts
        keys, value_bytes = MANY_KEYS, 2
    else:
        keys = random.sample(KEYS, random.choice((1, 1, 1, 2, 5)))
        if random.random() < LONG_SHARE:
            value_bytes *= LONG_FACTOR
    for key in keys:
        if random.random() < 0.8:
            puts[key] = random.randbytes(2) * random.randrange(value_bytes)
            request.success.add().request_put.MergeFrom(pb.PutRequest(key=key, value=puts[key]))
        else:
            request.success.add().request_delete_range.key = key
    return request, puts
