"""Short transactions: in one go they come to what they come to in slices."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from etcdpy.cooperative import finish
from etcdpy.errors import EtcdError
from etcdpy.mvcc import replies, short_txn
from etcdpy.mvcc.plain_txn import PlainTxn, decode_txn
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.short_txn import apply_short, is_short, read_short
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn import apply_txn, encode_result, is_read_only, read_txn
from etcdpy.mvcc.txn_request import Txn
from etcdpy.pb.rpc_pb2 import (
    Compare,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
    TxnResponse,
)
from tests.unit.mvcc.stores import counted, new_store

KEYS = (b"a", b"b", b"c", b"d")
LEASE = 7
HEADERS = Headers(1, 2, 3)


def lease_exists(lease: int) -> bool:
    return lease == LEASE


def get(key: bytes, **fields: Any) -> RequestOp:
    return RequestOp(request_range=RangeRequest(key=key, **fields))


def set_(key: bytes, value: bytes = b"v", **fields: Any) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=key, value=value, **fields))


def remove(key: bytes, **fields: Any) -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key=key, **fields))


def random_request(random: Random) -> TxnRequest:
    def operation() -> RequestOp:
        key = random.choice(KEYS)
        kind = random.randrange(4)
        if kind == 0:
            return get(key)
        if kind == 1:
            return remove(key, prev_kv=random.random() < 0.3)
        fields: dict[str, Any] = {"prev_kv": random.random() < 0.2}
        if random.random() < 0.2:
            fields["ignore_lease"] = True
        elif random.random() < 0.2:
            fields["lease"] = random.choice((LEASE, LEASE, 8))
        keeps = random.random() < 0.2
        value = b"" if keeps else random.choice((b"x", b"yy", b""))
        return set_(key, value, ignore_value=keeps, **fields)

    def compare() -> Compare:
        target = random.choice(Compare.CompareTarget.keys())
        result = random.choice(Compare.CompareResult.values())
        field = {"CREATE": "create_revision", "MOD": "mod_revision"}.get(target, target.lower())
        operand = random.choice((b"x", b"")) if target == "VALUE" else random.randrange(4)
        fields: dict[str, Any] = {field: operand}
        target_number = Compare.CompareTarget.Value(target)
        return Compare(key=random.choice(KEYS), result=result, target=target_number, **fields)

    def reading() -> RequestOp:
        return get(random.choice(KEYS))

    make = reading if random.random() < 0.2 else operation
    return TxnRequest(
        compare=[compare() for _ in range(random.randrange(3))],
        success=[make() for _ in range(random.randrange(4))],
        failure=[make() for _ in range(random.randrange(3))],
    )


def in_slices(store: Store, request: Txn) -> bytes:
    write = store.begin()
    result = finish(apply_txn(store, write, request, lease_exists))
    reply = finish(encode_result(HEADERS.at(result.revision), result))
    write.commit()
    return bytes(reply)


def in_one_go(store: Store, request: Txn) -> bytes:
    write = store.begin()
    reply = apply_short(store, write, request, lease_exists, HEADERS)
    write.commit()
    return reply


def told(apply: Any, store: Store, request: Txn) -> object:
    try:
        return apply(store, request)
    except EtcdError as error:
        return type(error), str(error)


@pytest.mark.parametrize("seed", range(8))
async def test_what_is_applied_in_one_go_is_what_slices_come_to(seed: int) -> None:
    random = Random(seed)
    checked = plain = 0
    async with new_store() as (one, _), new_store() as (other, _):
        for _ in range(300):
            message = random_request(random)
            whole = Txn.of(message)
            # As the wire has it, where it may be read without messages, and as messages.
            request = decode_txn(message.SerializeToString()) if random.random() < 0.7 else whole
            assert is_short(request) == is_short(whole)
            assert is_read_only(request) == is_read_only(whole)
            if not is_short(request):
                continue
            checked += 1
            plain += type(request) is PlainTxn
            assert told(in_one_go, one, request) == told(in_slices, other, whole)
            assert one.revision == other.revision
            if is_read_only(request):
                revision = one.revision
                header = HEADERS.at(revision)
                read = finish(read_txn(other, whole, revision, header))
                assert read_short(one, request, revision, header) == read
            assert counted(one) == counted(other)
    assert checked > 200
    assert plain > 50


def short(*success: RequestOp, compare: Compare | None = None) -> bool:
    compares = [] if compare is None else [compare]
    return is_short(Txn.of(TxnRequest(compare=compares, success=success)))


def test_what_is_of_many_keys_or_of_many_rows_is_not_short() -> None:
    assert short(set_(b"a"), get(b"a"), remove(b"a"))
    assert short(compare=Compare(key=b"a"))
    assert not short(compare=Compare(key=b"a", range_end=b"b"))
    assert not short(get(b"a", range_end=b"b"))
    assert not short(get(b"a", revision=1))
    assert not short(remove(b"a", range_end=b"b"))
    assert not short(RequestOp(request_txn=TxnRequest()))
    assert not short(RequestOp())
    assert short(*[get(b"a")] * short_txn._MOST_ROWS)
    assert not short(*[get(b"a")] * (short_txn._MOST_ROWS + 1))
    assert not short(*[set_(b"a")] * (short_txn._MOST + 1))


def test_the_other_branch_counts_too() -> None:
    both = TxnRequest(success=[set_(b"a")], failure=[get(b"a", range_end=b"b")])
    assert not is_short(Txn.of(both))


async def test_each_operation_tells_of_the_revision_it_found() -> None:
    request = TxnRequest(success=[get(b"a"), set_(b"a"), get(b"a"), remove(b"a")])
    async with new_store() as (store, _):
        reply = TxnResponse.FromString(in_one_go(store, Txn.of(request)))
    before, put, after, deleted = reply.responses
    assert before.response_range.header.revision == 1
    assert put.response_put.header.revision == 2
    assert [kv.value for kv in after.response_range.kvs] == [b"v"]
    assert deleted.response_delete_range.deleted == 1
    assert reply.header.revision == 2


@pytest.mark.parametrize("revision", [1, 127, 128, 1 << 14, 1 << 21, 1 << 28, (1 << 63) - 1])
def test_response_of_a_plain_put_at_any_revision(revision: int) -> None:
    response = replies.plain_put_response(revision)
    slow = replies.field(2, replies.put_reply(replies.revision_only(revision), None))
    assert response == slow
