"""What is done to a store before it is moved."""

from __future__ import annotations

import random
from collections.abc import Callable

from etcdpy.pb import rpc_pb2 as pb
from tests.support.client import Client

History = Callable[[Client], None]


def nothing(client: Client) -> None:
    """Leave the store as it was made."""


def one_key(client: Client) -> None:
    _put(client, b"a", b"1")


def deletions(client: Client) -> None:
    """Leave tombstones, also as the newest change, and a key that came back."""
    for number in range(20):
        _put(client, b"%02d" % number, b"value")
    client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"05", range_end=b"15"))
    _put(client, b"07", b"again")
    client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"19"))


def compactions(client: Client) -> None:
    """Leave history above a compaction, and nothing below it."""
    for number in range(60):
        _put(client, b"%02d" % (number % 7), b"%d" % number)
    client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"03"))
    for revision in (20, 62):
        client.kv.Compact(pb.CompactionRequest(revision=revision, physical=True))
    _put(client, b"00", b"newest")


def a_compacted_deletion(client: Client) -> None:
    """Compact at the newest change, which deletes the only key."""
    _put(client, b"a", b"1")
    client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"a"))
    client.kv.Compact(pb.CompactionRequest(revision=3, physical=True))


def leases(client: Client) -> None:
    for number in range(1, 40):
        client.lease.LeaseGrant(pb.LeaseGrantRequest(ID=number << 40, TTL=600 + number))
        _put(client, b"key %02d" % (number // 2), b"value", lease=number << 40)
    client.lease.LeaseRevoke(pb.LeaseRevokeRequest(ID=5 << 40))


def large_values(client: Client) -> None:
    for number in range(20):
        _put(client, b"large %d" % number, b"%d" % (number % 10) * 100_000)
        _put(client, b"small %d" % number, b"x")
    _put(client, b"key" * 10_000, b"")


def transactions(client: Client) -> None:
    """Leave several rows of one revision, some of them tombstones."""
    _put(client, b"old", b"1")
    for _ in range(2):
        puts = [pb.RequestOp(request_put=pb.PutRequest(key=b"%d" % n)) for n in range(10)]
        delete = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=b"old"))
        client.kv.Txn(pb.TxnRequest(success=[*puts, delete]))


def alarms(client: Client) -> None:
    _put(client, b"a", b"1")
    request = pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, memberID=42, alarm=pb.NOSPACE)
    client.maintenance.Alarm(request)


def several_levels(client: Client) -> None:
    """Fill more than one leaf of any size, in an order of its own."""
    rng = random.Random(1)
    for _ in range(30):
        puts = [
            pb.PutRequest(
                key=b"%04d" % rng.randrange(2_500), value=rng.randbytes(rng.randrange(200))
            )
            for _ in range(100)
        ]
        for call in [client.kv.Put.future(put) for put in puts]:
            call.result()


HISTORIES: tuple[History, ...] = (
    nothing,
    one_key,
    deletions,
    compactions,
    a_compacted_deletion,
    leases,
    large_values,
    transactions,
    alarms,
    several_levels,
)


def _put(client: Client, key: bytes, value: bytes, lease: int = 0) -> None:
    client.kv.Put(pb.PutRequest(key=key, value=value, lease=lease))
