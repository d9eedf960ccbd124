"""Queues for locks and elections, with a disk that writes when it is told to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy.concurrency import client as concurrency
from etcdpy.concurrency.client import own_key, queue_end, queue_prefix
from etcdpy.cooperative import finish, outcome
from etcdpy.errors import EmbeddedClientError
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.election import ElectionService
from etcdpy.services.lock import LockService
from etcdpy.transport import is_inline
from tests.unit.mvcc.fake_log import turns
from tests.unit.services.house import House, opened


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened() as house:
        yield house


@pytest.mark.parametrize(
    ("lease", "key"),
    [(1, b"m/1"), (0xABC, b"m/abc"), (-5, b"m/-5"), (2**63 - 1, b"m/7fffffffffffffff")],
)
def test_place_in_a_queue_is_named_by_the_lease(lease: int, key: bytes) -> None:
    assert own_key(b"m", lease) == key
    assert queue_prefix(b"m") < key < queue_end(queue_prefix(b"m"))


async def test_lock_is_given_when_it_is_durable(house: House) -> None:
    taking = asyncio.create_task(house.lock(1))
    await turns(10)
    assert not taking.done()
    await house.settle()
    assert (await taking).key == b"m/1"


async def test_waiter_is_woken_by_its_predecessor_only(house: House) -> None:
    await house.begin(house.lock(1))
    second, third = await house.begin(house.lock(2)), await house.begin(house.lock(3))
    await house.delete(b"m/1")
    assert second.done()
    assert not third.done()


async def test_waiter_that_is_cancelled_leaves_the_queue(house: House) -> None:
    await house.begin(house.lock(1))
    waiting = await house.begin(house.lock(2))
    waiting.cancel()
    await house.settle()
    assert house.queue() == [b"m/1"]


async def test_candidate_that_is_cancelled_leaves_the_queue(house: House) -> None:
    await house.begin(house.lock(1))
    waiting = await house.begin(house.campaign(2))
    assert house.queue() == [b"m/1", b"m/2"]
    waiting.cancel()
    await house.settle()
    assert house.queue() == [b"m/1"]


@pytest.mark.parametrize("call", ["lock", "campaign"])
async def test_call_cancelled_before_its_key_is_durable_leaves_the_queue(
    house: House, call: str
) -> None:
    entering = asyncio.create_task(getattr(house, call)(1))
    await turns(3)
    assert house.queue() == [b"m/1"]
    entering.cancel()
    await house.settle()
    assert entering.cancelled()
    assert house.queue() == []


async def test_holder_that_locks_again_and_cancels_keeps_the_lock(house: House) -> None:
    await house.begin(house.lock(1))
    other_write = asyncio.ensure_future(outcome(house.kv.Put(pb.PutRequest(key=b"x"), None)))
    await turns(2)
    again = asyncio.create_task(house.lock(1))  # its answer waits for the other write's disk
    await turns(3)
    again.cancel()
    await house.settle()
    await other_write
    assert house.queue() == [b"m/1"]


@pytest.mark.parametrize("moment", [2, 3, 4, 10])
async def test_call_after_a_cancelled_one_does_not_take_over_the_place_it_leaves(
    house: House, moment: int
) -> None:
    cancelled = asyncio.create_task(house.lock(1))
    await turns(moment)  # its key is put, and on its way to the disk
    cancelled.cancel()
    await turns(1)
    again = asyncio.create_task(house.lock(1))
    await house.settle()
    held = await again
    assert held.header.revision == 4, "the key was put, taken away, and put again"
    waiting = await house.begin(house.lock(2))
    assert not waiting.done()
    waiting.cancel()
    await house.settle()


async def test_who_gives_up_takes_no_key_that_was_made_again(house: House) -> None:
    await house.begin(house.lock(1))
    waiting = await house.begin(house.lock(2))
    await house.delete(b"m/2")
    await house.delete(b"m/1")
    with pytest.raises(EmbeddedClientError, match="session is expired"):
        await waiting
    await house.begin(house.lock(3))
    stale = await house.begin(house.lock(2))
    await house.delete(b"m/2")
    newer = await house.begin(house.lock(2))
    stale.cancel()
    await house.settle()
    assert house.queue() == [b"m/2", b"m/3"]
    newer.cancel()
    await house.settle()
    assert house.queue() == [b"m/3"]


async def test_place_is_kept_when_the_server_ends(house: House) -> None:
    await house.begin(house.lock(1))
    waiting = await house.begin(house.lock(2))
    house.client.abandon()
    waiting.cancel()
    await house.settle()
    assert house.queue() == [b"m/1", b"m/2"]


async def test_key_deleted_between_the_look_and_the_watch_wakes_all_the_same(
    house: House,
) -> None:
    await house.begin(house.lock(1))
    entering = asyncio.create_task(house.lock(2))
    await turns(3)
    deleting = asyncio.ensure_future(house.client.delete(b"m/1", None))
    await house.settle()
    await deleting
    assert entering.done()


async def test_handing_over_reads_no_row_and_makes_no_task(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.begin(house.lock(1))
    waiting = await house.begin(house.lock(2))
    for number in range(200):
        await house.put(own_key(b"m", 1000 + number))
    read: list[object] = []
    monkeypatch.setattr(house.log, "row", read.append)
    monkeypatch.setattr(house.log, "rows", read.append)
    deleting = asyncio.ensure_future(outcome(house.kv.DeleteRange(_delete(b"m/1"), None)))
    before = asyncio.all_tasks()
    await house.settle()
    assert (await waiting).key == b"m/2"
    assert asyncio.all_tasks() <= before
    assert read == []
    await deleting


async def test_predecessor_is_the_youngest_of_the_older_keys_of_any_queue(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    monkeypatch.setattr(concurrency, "SLICE", 7)  # many slices
    for _ in range(300):
        key = b"m/%d" % rng.randrange(60)
        changes = house.store.begin()
        if rng.random() < 0.6:
            changes.put(key, b"", 0)
        elif house.store.index.newest(key):
            finish(changes.delete_all([key]))
        changes.commit()
        await house.settle()
        newest = house.store.durable_revision
        seen = rng.randrange(max(1, newest - 5), newest + 1)
        created = rng.randrange(1, newest + 2)
        older = [
            (version.create, key)
            for key in house.store.index.every_key(b"m/", b"m0")
            if (version := house.store.index.at(key, seen)) and version.create < created
        ]
        expected = max(older)[1] if older else None
        assert await concurrency.predecessor(house.store, b"m/", created, seen) == expected


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
