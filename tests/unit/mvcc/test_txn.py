"""Transactions: what each operation sees and answers, and that errors leave nothing."""

from __future__ import annotations

from typing import Any

import pytest

from etcdpy import errors
from etcdpy.cooperative import finish
from etcdpy.mvcc import replies, txn
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn import (
    apply_txn,
    delete_range,
    encode_result,
    is_read_only,
    oldest_read,
    put,
    read_txn,
)
from etcdpy.mvcc.txn_request import LongTxn, Txn
from etcdpy.pb.rpc_pb2 import (
    Compare,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
    TxnResponse,
)
from tests.unit.mvcc.stores import counted, new_store, settle, worked_example
from tests.unit.mvcc.stores import delete as deleted
from tests.unit.mvcc.stores import put as written


def get(key: bytes, range_end: bytes = b"", revision: int = 0) -> RequestOp:
    request = RangeRequest(key=key, range_end=range_end, revision=revision)
    return RequestOp(request_range=request)


def set_(key: bytes, value: bytes = b"", **fields: Any) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=key, value=value, **fields))


def remove(key: bytes, range_end: bytes = b"") -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key=key, range_end=range_end))


def nested(*ops: RequestOp, compare: Compare | None = None, otherwise: Any = ()) -> RequestOp:
    compares = [] if compare is None else [compare]
    return RequestOp(request_txn=TxnRequest(compare=compares, success=ops, failure=otherwise))


def applied(store: Store, request: TxnRequest) -> TxnResponse:
    """Apply a transaction while lease 7 exists."""
    write = store.begin()
    result = finish(apply_txn(store, write, Txn.of(request), lambda lease: lease == 7))
    reply = finish(encode_result(replies.revision_only(result.revision), result))
    write.commit()
    return TxnResponse.FromString(bytes(reply))


def inner_revisions(reply: TxnResponse) -> list[int]:
    kinds = [response.WhichOneof("response") for response in reply.responses]
    return [
        getattr(response, kind).header.revision
        for response, kind in zip(reply.responses, kinds, strict=True)
        if kind
    ]


async def test_empty_transaction_succeeds_and_takes_no_revision() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        reply = applied(store, TxnRequest())
        assert (reply.succeeded, reply.header.revision, len(reply.responses)) == (True, 5, 0)
        assert store.revision == 5


async def test_operations_run_in_order_and_show_their_revisions() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        ops = [get(b"a"), set_(b"d"), get(b"d"), remove(b"b"), remove(b"zz"), get(b"a", b"z")]
        reply = applied(store, TxnRequest(success=ops))
        assert inner_revisions(reply) == [5, 6, 6, 6, 6, 6]
        assert reply.header.revision == 6
        last = reply.responses[-1].response_range
        assert [kv.key for kv in last.kvs] == [b"a", b"c", b"d"]


async def test_failed_compare_takes_the_other_branch() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        compare = Compare(key=b"a", target=Compare.VALUE, value=b"1")
        reply = applied(
            store, TxnRequest(compare=[compare], success=[set_(b"x")], failure=[set_(b"y")])
        )
        assert not reply.succeeded
        assert store.index.newest(b"x") is None
        assert store.index.newest(b"y") is not None


async def test_nested_compares_see_the_state_before_and_have_an_empty_header() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        exists = Compare(key=b"q", target=Compare.VERSION, result=Compare.GREATER)
        inner = nested(set_(b"r", b"y"), compare=exists, otherwise=[set_(b"r", b"n")])
        reply = applied(store, TxnRequest(success=[set_(b"q"), inner]))
        answer = reply.responses[1].response_txn
        assert answer.HasField("header")
        assert answer.header.ByteSize() == 0
        assert not answer.succeeded
        row = store.get(b"r", 6)
        assert row is not None
        assert row.endswith(b"n")


async def test_nested_reads_take_no_revision() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        reply = applied(store, TxnRequest(success=[nested(get(b"a"))]))
        assert reply.header.revision == store.revision == 5


async def test_sub_revisions_count_changes_through_nested_transactions() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        applied(store, TxnRequest(success=[remove(b"a", b"c"), nested(set_(b"x")), set_(b"y")]))
        subs = [version.sub for key in (b"x", b"y") if (version := store.index.newest(key))]
        assert subs == [2, 3]


async def test_key_deleted_then_put_begins_anew() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        applied(store, TxnRequest(success=[remove(b"a", b"\0"), set_(b"a")]))
        version = store.index.newest(b"a")
        assert version is not None
        assert (version.create, version.version) == (6, 1)


REFUSED: list[tuple[list[RequestOp], type[errors.EtcdError]]] = [
    ([get(b"a", revision=6)], errors.FutureRevisionError),
    ([get(b"a", revision=2)], errors.CompactedError),
    ([get(b"a", revision=-1)], errors.CompactedError),
    ([set_(b"y", lease=99)], errors.LeaseNotFoundError),
    ([set_(b"y", ignore_value=True)], errors.KeyNotFoundError),
    ([set_(b"y", ignore_lease=True)], errors.KeyNotFoundError),
    ([remove(b"a", b"\0"), set_(b"b", ignore_value=True)], errors.KeyNotFoundError),
    ([remove(b"b"), nested(set_(b"b", ignore_lease=True))], errors.KeyNotFoundError),
    ([nested(set_(b"y", lease=99))], errors.LeaseNotFoundError),
]


@pytest.mark.parametrize(("ops", "error"), REFUSED)
async def test_error_on_the_path_taken_leaves_nothing(
    ops: list[RequestOp], error: type[errors.EtcdError]
) -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        store.compact_revision = 3
        with pytest.raises(error):
            applied(store, TxnRequest(success=[set_(b"x"), *ops]))
        assert store.index.newest(b"x") is None
        assert not log.batch.rows
        assert store.revision == 5
        assert applied(store, TxnRequest(failure=ops)).succeeded


async def test_store_never_compacted_takes_revision_minus_one_and_no_lower() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        reply = applied(store, TxnRequest(success=[get(b"a", revision=-1), set_(b"x")]))
        assert reply.responses[0].response_range.kvs[0].value == b"9"
        with pytest.raises(errors.CompactedError):
            applied(store, TxnRequest(success=[get(b"a", revision=-2), set_(b"x")]))


async def test_put_answers_with_what_was_there() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        changes = store.begin()
        assert put(store, changes, PutRequest(key=b"n", prev_kv=True)) is None
        assert put(store, changes, PutRequest(key=b"a")) is None
        stored = put(store, changes, PutRequest(key=b"c", prev_kv=True))
        assert stored == list(log.disk.key_rows.values())[2]
        changes.commit()


async def test_put_keeps_value_or_lease() -> None:
    async with new_store() as (store, _):
        changes = store.begin()
        put(store, changes, PutRequest(key=b"a", value=b"v", lease=7))
        changes.commit()
        changes = store.begin()
        put(store, changes, PutRequest(key=b"a", ignore_value=True))
        changes.commit()
        assert store.attachments.lease_of(b"a") == 0
        row = store.get(b"a", 3)
        assert row is not None
        assert b"v" in row
        changes = store.begin()
        put(store, changes, PutRequest(key=b"a", value=b"w", lease=7))
        put(store, changes, PutRequest(key=b"a", value=b"x", ignore_lease=True))
        changes.commit()
        assert store.attachments.lease_of(b"a") == 7


@pytest.mark.parametrize(
    ("request_", "deleted"),
    [
        (DeleteRangeRequest(key=b"a", prev_kv=True), b"a"),
        (DeleteRangeRequest(key=b"b", range_end=b"\0", prev_kv=True), b"bc"),
        (DeleteRangeRequest(key=b"nope", prev_kv=True), b""),
        (DeleteRangeRequest(key=b"c", range_end=b"a", prev_kv=True), b""),
    ],
)
async def test_deletion_answers_with_what_was_there(
    request_: DeleteRangeRequest, deleted: bytes
) -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        changes = store.begin()
        result = finish(delete_range(store, changes, request_))
        changes.commit()
        assert (result.number, len(result.rows)) == (len(deleted), len(deleted))
        assert store.revision == 5 + bool(deleted)
        assert len(store.index) == 3 - len(deleted)


def test_transaction_reads_only_if_every_operation_is_a_range() -> None:
    assert is_read_only(Txn.of(TxnRequest()))
    assert is_read_only(Txn.of(TxnRequest(success=[get(b"a")], failure=[get(b"b")])))
    assert not is_read_only(Txn.of(TxnRequest(failure=[set_(b"a")])))
    assert not is_read_only(Txn.of(TxnRequest(success=[nested(get(b"a"))])))


def test_oldest_read_is_of_either_branch() -> None:
    request = TxnRequest(
        success=[get(b"a"), get(b"a", revision=8)], failure=[get(b"a", revision=4)]
    )
    assert oldest_read(Txn.of(request), 9) == 4
    assert oldest_read(Txn.of(TxnRequest(success=[get(b"a", revision=-1)])), 9) == 9


async def test_reading_transaction_sees_the_revision_it_is_given() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        request = Txn.of(TxnRequest(success=[get(b"a"), get(b"a", revision=2)]))
        reply = finish(read_txn(store, request, 4, replies.revision_only(4)))
        answers = TxnResponse.FromString(bytes(reply)).responses
        assert [answer.response_range.kvs[0].value for answer in answers] == [b"1", b"1"]
        with pytest.raises(errors.FutureRevisionError):
            finish(read_txn(store, Txn.of(TxnRequest(success=[get(b"a", revision=5)])), 4, b""))


# ------------------------------------------------------- puts written together

MANY_PUTS = [set_(b"n%02d" % number, b"v" * number) for number in range(20)]

TOGETHER = {
    "new keys": TxnRequest(success=MANY_PUTS),
    "keys that are there, were there, or hang on a lease": TxnRequest(
        success=[set_(key, b"new") for key in (b"a", b"b", b"gone", b"leased", b"new")]
    ),
    "the other branch": TxnRequest(
        compare=[Compare(key=b"a", target=Compare.VERSION, version=9)],
        success=[get(b"a")],
        failure=MANY_PUTS[:3],
    ),
    "looked at by what follows": TxnRequest(
        success=[
            nested(*MANY_PUTS[:5]),
            get(b"n", b"o"),
            nested(*MANY_PUTS[5:9]),
            remove(b"a", b"n04"),
            nested(*MANY_PUTS[9:]),
            nested(get(b"", b"\0")),
            remove(b"n1", b"n15"),
        ]
    ),
    "some that ask for more": TxnRequest(
        success=[
            nested(set_(b"a", b"1"), set_(b"x", prev_kv=True), set_(b"y", lease=7)),
            nested(set_(b"b", ignore_value=True), set_(b"z")),
            nested(set_(b"one")),
        ]
    ),
}


@pytest.mark.parametrize("name", TOGETHER)
async def test_puts_written_together_are_those_written_one_by_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(txn, "SLICE", 4)
    seen: list[Any] = []
    for is_long in (False, True):
        async with new_store() as (store, log):
            await worked_example(store, log)
            written(store, (b"gone", b"x"), (b"leased", b"y"), lease=7)
            deleted(store, b"gone")
            request = Txn.of(TOGETHER[name])
            if is_long:
                request = LongTxn(TOGETHER[name].SerializeToString())
                finish(request.read(128))
            write = store.begin()
            result = finish(apply_txn(store, write, request, lambda lease: lease == 7))
            reply = bytes(finish(encode_result(replies.revision_only(result.revision), result)))
            write.commit()
            seen.append(
                [
                    reply,
                    *log.batch.rows.items(),
                    log.batch.put_bytes,
                    counted(store),
                    list(store.index.every_key()),
                    [store.index.newest(key) for key in store.index.every_key()],
                    store.index.count(b"", None, 5),
                    store.attachments.leases,
                ]
            )
            await settle(log)
    assert seen[0] == seen[1]
