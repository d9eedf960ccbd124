"""What is found out about a transaction before its turn, and until when that holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy.cooperative import finish
from etcdpy.mvcc import txn_plan
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_plan import Plan, decided, plan, still_holds, takes_long
from etcdpy.mvcc.txn_request import LongTxn, Txn
from etcdpy.pb.rpc_pb2 import (
    Compare,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.mvcc.stores import new_store, put, settle, worked_example


def version_of(key: bytes, range_end: bytes = b"") -> Compare:
    return Compare(
        key=key, range_end=range_end, target=Compare.VERSION, result=Compare.GREATER, version=0
    )


def set_(key: bytes, **fields: Any) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=key, **fields))


def get(key: bytes, **fields: Any) -> RequestOp:
    return RequestOp(request_range=RangeRequest(key=key, **fields))


def remove(key: bytes, **fields: Any) -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key=key, **fields))


def inner(request: TxnRequest) -> RequestOp:
    return RequestOp(request_txn=request)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """A store with the keys a, b and c."""
    async with new_store() as (store, log):
        await worked_example(store, log)
        yield store


@pytest.fixture
async def crowded(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Store, FakeLog]]:
    """A store with ten keys, where looking at three does not take long."""
    monkeypatch.setattr(txn_plan, "MOST_LOOKED_AT", 4)
    async with new_store() as (store, log):
        put(store, *((b"k%d" % number, b"v") for number in range(10)))
        await settle(log)
        yield store, log


def decided_now(store: Store, request: TxnRequest) -> Plan:
    return finish(decided(store, Txn.of(request), store.revision))


def keys(made: Plan) -> list[bytes]:
    return [op.key for _, op in made.path.ops]


async def test_path_is_that_of_compares_that_hold(store: Store) -> None:
    request = TxnRequest(success=[set_(b"x")], failure=[set_(b"y")])
    request.compare.append(version_of(b"a"))
    assert keys(decided_now(store, request)) == [b"x"]
    request.compare.append(version_of(b"missing"))
    made = decided_now(store, request)
    assert keys(made) == [b"y"]
    assert not made.path.succeeded


async def test_compares_of_the_transactions_inside_count(store: Store) -> None:
    within = TxnRequest(compare=[version_of(b"missing")], success=[set_(b"x")])
    made = decided_now(store, TxnRequest(compare=[version_of(b"a")], success=[inner(within)]))
    assert made.path.compared == 2
    assert not made.path.nested[0].succeeded


async def test_it_holds_until_one_of_the_keys_compared_changes(store: Store) -> None:
    within = TxnRequest(compare=[version_of(b"d", b"f")])
    request = TxnRequest(compare=[version_of(b"a")], success=[inner(within)])
    made = decided_now(store, request)
    assert still_holds(store, made)
    put(store, (b"b", b""))
    put(store, (b"f", b""))
    assert still_holds(store, made)
    for key in (b"a", b"e"):
        made = decided_now(store, request)
        put(store, (key, b""))
        assert not still_holds(store, made)


async def test_more_changes_than_are_looked_at_are_too_many(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(txn_plan, "MOST_CHANGES", 2)
    made = decided_now(store, TxnRequest(compare=[version_of(b"a")]))
    for number in range(2):
        put(store, (b"x%d" % number, b""))
        assert still_holds(store, made)
    put(store, (b"x", b""))
    assert not still_holds(store, made)
    made = decided_now(store, TxnRequest(compare=[version_of(b"a")]))
    put(store, *((b"x%d" % number, b"") for number in range(3)))
    assert not still_holds(store, made)


@pytest.mark.parametrize(
    ("compare", "is_much"),
    [
        (version_of(b"k0", b"k3"), False),
        (version_of(b"k0", b"k4"), True),
        (version_of(b"k0", b"\0"), True),
        (version_of(b"k0"), False),
    ],
)
async def test_comparing_takes_long_where_ranges_have_many_keys(
    crowded: tuple[Store, FakeLog], compare: Compare, is_much: bool
) -> None:
    store, _ = crowded
    request = TxnRequest(compare=[compare])
    assert takes_long(store, Txn.of(request)) == is_much
    for outer in (TxnRequest(success=[inner(request)]), TxnRequest(failure=[inner(request)])):
        assert takes_long(store, Txn.of(outer)) == is_much


@pytest.mark.parametrize(
    ("ops", "is_long"),
    [
        ([get(b"k0"), get(b"k1"), get(b"k2"), get(b"k3")], False),
        ([get(b"k0", range_end=b"k3")], False),
        ([get(b"k0", range_end=b"k4")], True),
        ([get(b"k0", range_end=b"k2"), get(b"k2", range_end=b"k4")], True),
        ([get(b"k0", range_end=b"l", limit=2)], False),
        ([get(b"k0", range_end=b"l", limit=2, sort_order=RangeRequest.DESCEND)], True),
        ([get(b"k0", range_end=b"l", count_only=True)], False),
        ([get(b"k0", range_end=b"l", count_only=True)] * 5, True),
        ([remove(b"k0", range_end=b"k3")], False),
        ([remove(b"k0", range_end=b"l")], True),
        ([set_(b"x")] * 9, False),
    ],
)
async def test_reading_takes_long_where_ranges_have_many_keys(
    crowded: tuple[Store, FakeLog], ops: list[RequestOp], is_long: bool
) -> None:
    store, _ = crowded
    request = TxnRequest(success=[*ops, set_(b"x")])
    for outer in (request, TxnRequest(failure=[inner(request)])):
        assert takes_long(store, Txn.of(outer)) == is_long


def long_txn(*ops: RequestOp, compare: Compare | None = None) -> LongTxn:
    """Return a transaction that is taken for a long one, and was read."""
    compares = [] if compare is None else [compare]
    data = TxnRequest(compare=compares, success=[inner(TxnRequest(success=ops))])
    request = LongTxn(data.SerializeToString())
    finish(request.read(128))
    return request


async def test_long_one_that_compares_nothing_is_planned(store: Store) -> None:
    request = long_txn(
        set_(b"x"),
        set_(b"a", prev_kv=True),
        RequestOp(request_range=RangeRequest(key=b"a")),
        RequestOp(request_delete_range=DeleteRangeRequest(key=b"b")),
    )
    finish(plan(store, request))
    made = request.plan
    assert made is not None
    assert [op.key for _, op in made.checked] == [b"a"]
    assert [op.key for _, op in made.weighed] == [b"a", b"a"]
    assert not takes_long(store, request)


async def test_deletions_are_checked_where_what_is_there_is_asked(store: Store) -> None:
    request = long_txn(
        RequestOp(request_delete_range=DeleteRangeRequest(key=b"a")),
        set_(b"a", ignore_value=True),
    )
    finish(plan(store, request))
    assert request.plan is not None
    assert [kind for kind, _ in request.plan.checked] == [
        "request_delete_range",
        "request_put",
    ]


async def test_long_one_that_compares_is_not_planned(store: Store) -> None:
    request = long_txn(set_(b"x"), compare=version_of(b"a"))
    finish(plan(store, request))
    assert request.plan is None
    assert takes_long(store, request)
