"""What work inside the server asks of a node: plain results, under the same rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from etcdpy import errors
from etcdpy.cooperative import outcome
from etcdpy.mvcc.txn_request import PUT, RANGE, Op, Txn
from etcdpy.mvcc.within import TxnResult
from etcdpy.pb import rpc_pb2 as pb
from tests.unit.mvcc.fake_log import turns
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import TimedNode, opened


@pytest.fixture
async def timed() -> AsyncIterator[TimedNode]:
    async with opened() as timed:
        yield timed


def put(key: bytes, lease: int = 0) -> Op:
    return PUT, pb.PutRequest(key=key, lease=lease)


async def test_transaction_is_held_back_until_it_is_durable(timed: TimedNode) -> None:
    call = asyncio.ensure_future(
        outcome(timed.node.transact(Txn.built([], [put(b"a")], []), ANYBODY))
    )
    await turns(10)
    assert not call.done()
    await timed.settle()
    result: TxnResult = call.result()
    assert (result.revision, result.succeeded) == (2, True)
    assert result.results == [(PUT, 2, None)]


async def test_results_are_rows_as_they_are_stored(timed: TimedNode) -> None:
    await timed.put(b"a")
    request = Txn.built([], [put(b"b"), (RANGE, pb.RangeRequest(key=b"a"))], [])
    result = await timed.done(timed.node.transact(request, ANYBODY))
    _, (_, shown, found) = result.results
    assert shown == 3
    assert found.rows == [timed.store.get(b"a", 3)]


async def test_transaction_that_is_refused_writes_nothing(timed: TimedNode) -> None:
    request = Txn.built([], [put(b"a"), put(b"b", lease=12345)], [])
    with pytest.raises(errors.LeaseNotFoundError):
        await timed.done(timed.node.transact(request, ANYBODY))
    assert timed.store.revision == 1


async def test_transaction_passes_the_same_gate_as_a_clients(timed: TimedNode) -> None:
    timed.node.parts.alarms.activate(1, pb.CORRUPT)
    with pytest.raises(errors.CorruptError):
        await timed.done(timed.node.transact(Txn.built([], [put(b"a")], []), ANYBODY))
    with pytest.raises(errors.EmptyKeyError):
        await timed.done(timed.node.transact(Txn.built([], [put(b"")], []), ANYBODY))


async def test_size_of_a_transaction_counts_as_if_it_had_come_over_a_wire(
    timed: TimedNode,
) -> None:
    large = Txn.built([], [(PUT, pb.PutRequest(key=b"a", value=bytes(2 << 20)))], [])
    with pytest.raises(errors.RequestTooLargeError):
        await timed.done(timed.node.transact(large, ANYBODY))


async def test_lease_is_granted_when_it_is_durable(timed: TimedNode) -> None:
    lease = await timed.done(timed.node.grant(60, ANYBODY))
    granted = timed.keeper.lessor.get(lease)
    assert granted is not None
    assert granted.ttl == 60


async def test_head_is_the_key_created_first(timed: TimedNode) -> None:
    nothing = await timed.done(timed.node.head(b"m/", b"m0", ANYBODY))
    assert nothing == (1, None)
    for key in (b"m/2", b"m/1", b"m/2"):
        await timed.put(key)
    revision, found = await timed.done(timed.node.head(b"m/", b"m0", ANYBODY))
    assert (revision, found.key, found.create_revision) == (4, b"m/2", 2)


async def test_predecessor_is_as_of_the_durable_revision(timed: TimedNode) -> None:
    for key in (b"m/1", b"m/2", b"m/3"):
        await timed.put(key)
    assert await timed.done(timed.node.predecessor(b"m/", b"m0", 4, ANYBODY)) == (4, b"m/2")
    assert await timed.done(timed.node.predecessor(b"m/", b"m0", 2, ANYBODY)) == (4, None)


async def test_keys_exist_as_of_a_revision(timed: TimedNode) -> None:
    await timed.put(b"a")
    assert timed.node.exists(b"a", 2, ANYBODY)
    assert not timed.node.exists(b"a", 1, ANYBODY)
    assert not timed.node.exists(b"b", 2, ANYBODY)


async def test_watch_gives_events_from_a_revision_on(timed: TimedNode) -> None:
    await timed.put(b"a")
    with timed.node.watch_locally(b"a", b"", 2, ANYBODY) as watch:
        assert (await timed.done(watch.next())).main == 2
        waiting = await timed.begin(watch.next())
        await timed.delete(b"a")
        assert waiting.result().is_delete
