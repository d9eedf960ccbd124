"""Queues for locks and elections, with a disk that writes when it is told to."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from etcdpy.concurrency.queues import Queue, Queues
from etcdpy.cooperative import finish, outcome
from etcdpy.errors import EmbeddedClientError, RequestTooLargeError
from etcdpy.mvcc.index import Index
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node import internal
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.election import ElectionService
from etcdpy.services.lock import LockService
from etcdpy.transport import is_inline
from tests.support.seeds import SEED
from tests.unit.mvcc.fake_log import turns
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import TimedNode, opened


@pytest.fixture
async def node() -> AsyncIterator[TimedNode]:
    async with opened() as node:
        yield node


@pytest.mark.parametrize(
    ("lease", "key"),
    [(1, b"m/1"), (0xABC, b"m/abc"), (-5, b"m/-5"), (2**63 - 1, b"m/7fffffffffffffff")],
)
def test_place_in_a_queue_is_named_by_the_lease(lease: int, key: bytes) -> None:
    queue = Queue(b"m")
    assert queue.key(lease) == key
    assert queue.prefix < key < queue.end


async def test_lock_is_given_when_it_is_durable(node: TimedNode) -> None:
    taking = asyncio.create_task(node.lock(1))
    await turns(10)
    assert not taking.done()
    await node.settle()
    assert (await taking).key == b"m/1"


async def test_waiter_is_woken_by_its_predecessor_only(node: TimedNode) -> None:
    await node.begin(node.lock(1))
    second, third = await node.begin(node.lock(2)), await node.begin(node.lock(3))
    await node.delete(b"m/1")
    assert second.done()
    assert not third.done()


async def test_waiter_that_is_cancelled_leaves_the_queue(node: TimedNode) -> None:
    await node.begin(node.lock(1))
    waiting = await node.begin(node.lock(2))
    waiting.cancel()
    await node.settle()
    assert node.queue() == [b"m/1"]


async def test_candidate_that_is_cancelled_leaves_the_queue(node: TimedNode) -> None:
    await node.begin(node.lock(1))
    waiting = await node.begin(node.campaign(2))
    assert node.queue() == [b"m/1", b"m/2"]
    waiting.cancel()
    await node.settle()
    assert node.queue() == [b"m/1"]


@pytest.mark.parametrize("call", ["lock", "campaign"])
async def test_call_cancelled_before_its_key_is_durable_leaves_the_queue(
    node: TimedNode, call: str
) -> None:
    entering = asyncio.create_task(getattr(node, call)(1))
    await turns(3)
    assert node.queue() == [b"m/1"]
    entering.cancel()
    await node.settle()
    assert entering.cancelled()
    assert node.queue() == []


async def test_holder_that_locks_again_and_cancels_keeps_the_lock(node: TimedNode) -> None:
    await node.begin(node.lock(1))
    other_write = asyncio.ensure_future(outcome(node.node.put(pb.PutRequest(key=b"x"), ANYBODY)))
    await turns(2)
    again = asyncio.create_task(node.lock(1))  # its answer waits for the other write's disk
    await turns(3)
    again.cancel()
    await node.settle()
    await other_write
    assert node.queue() == [b"m/1"]


@pytest.mark.parametrize("moment", [2, 3, 4, 10])
async def test_call_after_a_cancelled_one_does_not_take_over_the_place_it_leaves(
    node: TimedNode, moment: int
) -> None:
    cancelled = asyncio.create_task(node.lock(1))
    await turns(moment)  # its key is put, and on its way to the disk
    cancelled.cancel()
    await turns(1)
    again = asyncio.create_task(node.lock(1))
    await node.settle()
    held = await again
    assert held.header.revision == 4, "the key was put, taken away, and put again"
    waiting = await node.begin(node.lock(2))
    assert not waiting.done()
    waiting.cancel()
    await node.settle()


async def test_who_gives_up_takes_no_key_that_was_made_again(node: TimedNode) -> None:
    await node.begin(node.lock(1))
    waiting = await node.begin(node.lock(2))
    await node.delete(b"m/2")
    await node.delete(b"m/1")
    with pytest.raises(EmbeddedClientError, match="session is expired"):
        await waiting
    await node.begin(node.lock(3))
    stale = await node.begin(node.lock(2))
    await node.delete(b"m/2")
    newer = await node.begin(node.lock(2))
    stale.cancel()
    await node.settle()
    assert node.queue() == [b"m/2", b"m/3"]
    newer.cancel()
    await node.settle()
    assert node.queue() == [b"m/3"]


async def test_place_is_kept_when_the_server_ends(node: TimedNode) -> None:
    await node.begin(node.lock(1))
    waiting = await node.begin(node.lock(2))
    node.queues.abandon()
    waiting.cancel()
    await node.settle()
    assert node.queue() == [b"m/1", b"m/2"]


async def test_key_deleted_between_the_look_and_the_watch_wakes_all_the_same(
    node: TimedNode,
) -> None:
    await node.begin(node.lock(1))
    entering = asyncio.create_task(node.lock(2))
    await turns(3)
    deleting = asyncio.ensure_future(node.queues.delete(b"m/1", ANYBODY))
    await node.settle()
    await deleting
    assert entering.done()


async def test_handing_over_reads_no_row_and_makes_no_task(
    node: TimedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.begin(node.lock(1))
    waiting = await node.begin(node.lock(2))
    for number in range(200):
        await node.put(Queue(b"m").key(1000 + number))
    read: list[object] = []
    monkeypatch.setattr(node.log, "row", read.append)
    monkeypatch.setattr(node.log, "rows", read.append)
    deleting = asyncio.ensure_future(outcome(node.node.delete_range(_delete(b"m/1"), ANYBODY)))
    before = asyncio.all_tasks()
    await node.settle()
    assert (await waiting).key == b"m/2"
    assert asyncio.all_tasks() <= before
    assert read == []
    await deleting


async def test_predecessor_is_the_youngest_of_the_older_keys_of_any_queue(
    node: TimedNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    print("seed", SEED)
    rng = random.Random(SEED)
    monkeypatch.setattr(internal, "SLICE", 7)  # many slices
    for _ in range(300):
        key = b"m/%d" % rng.randrange(60)
        changes = node.store.begin()
        if rng.random() < 0.6:
            changes.put(key, b"", 0)
        elif node.store.index.newest(key):
            finish(changes.delete_all([key]))
        changes.commit()
        await node.settle()
        newest = node.store.durable_revision
        seen = rng.randrange(max(1, newest - 5), newest + 1)
        created = rng.randrange(1, newest + 2)
        older = [
            (version.create, key)
            for key in node.store.index.every_key(b"m/", b"m0")
            if (version := node.store.index.at(key, seen)) and version.create < created
        ]
        expected = max(older)[1] if older else None
        found = finish(node.node.predecessor_at(b"m/", b"m0", created, seen))
        assert found == expected


def _delete(key: bytes) -> pb.DeleteRangeRequest:
    return pb.DeleteRangeRequest(key=key)


@pytest.mark.parametrize(
    "method",
    [
        LockService.Lock,
        LockService.Unlock,
        ElectionService.Campaign,
        ElectionService.Proclaim,
        ElectionService.Leader,
        ElectionService.Resign,
    ],
)
def test_waiting_takes_no_task(method: Any) -> None:
    assert is_inline(method)


def granted(node: TimedNode, end: int) -> None:
    """Have there be leases up to a number."""
    for lease in range(4, end):
        node.keeper.grant(lease, 60, node.now)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Where the index has been looked through for keys."""
    looks: list[bytes] = []
    plain_scan = Index.scan

    def scan(self: Index, start: bytes, *args: Any) -> Any:
        looks.append(start)
        return plain_scan(self, start, *args)

    monkeypatch.setattr(Index, "scan", scan)
    return looks


async def test_of_those_who_come_at_once_one_looks_for_the_head(
    node: TimedNode, looks: list[bytes]
) -> None:
    granted(node, 12)
    calls = [asyncio.ensure_future(node.lock(lease)) for lease in range(1, 12)]
    await turns(5)
    assert len(looks) == 1
    await node.settle()
    for lease in range(1, 12):
        assert [call.done() for call in calls] == [n < lease for n in range(11)]
        await node.delete(b"m/%x" % lease)


async def test_who_comes_behind_others_looks_at_no_other_places(
    node: TimedNode, looks: list[bytes]
) -> None:
    granted(node, 12)
    await node.begin(node.lock(1))
    waiting = [await node.begin(node.lock(2))]
    looks.clear()
    waiting += [await node.begin(node.lock(lease)) for lease in range(3, 12)]
    assert looks == []
    for lease in range(1, 12):
        await node.delete(b"m/%x" % lease)
        assert [call.done() for call in waiting] == [n < lease for n in range(10)]


async def test_who_waits_behind_one_that_leaves_waits_for_the_one_before(node: TimedNode) -> None:
    granted(node, 5)
    await node.begin(node.lock(1))
    second, third = await node.begin(node.lock(2)), await node.begin(node.lock(3))
    fourth = await node.begin(node.lock(4))
    third.cancel()
    await node.settle()
    assert not fourth.done()
    await node.delete(b"m/1")
    assert second.done()
    assert not fourth.done()
    await node.delete(b"m/2")
    assert fourth.done()


async def test_lock_asked_for_again_with_the_same_lease_is_the_one_it_is(node: TimedNode) -> None:
    await node.begin(node.lock(1))
    waiting = [await node.begin(node.lock(2)) for _ in range(3)]
    assert node.queue() == [b"m/1", b"m/2"]
    await node.delete(b"m/1")
    assert all(call.done() and call.exception() is None for call in waiting)


class Refusing:
    """A node that does nothing for anybody."""

    async def transact(self, request: Txn, caller: Any) -> Any:
        raise RequestTooLargeError


class Somebody:
    """Who asks."""


@pytest.mark.skipif(
    sys.version_info < (3, 11), reason="asyncio's futures hold the frames of their own errors"
)
async def test_call_that_is_refused_leaves_nothing_to_be_collected() -> None:
    refusing: Any = Refusing()
    queues, somebody = Queues(refusing), Somebody()
    asks: Any = somebody
    held = weakref.ref(somebody)
    gc.disable()
    try:
        with suppress(RequestTooLargeError):
            await queues.enter(Queue(b"m"), 1, b"", asks)
        del somebody, asks
        await turns(3)
        assert held() is None
    finally:
        gc.enable()
