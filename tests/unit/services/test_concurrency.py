"""Queues for locks and elections, with a disk that writes when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.services.concurrency import own_key, queue_end, queue_prefix
from etcdpy.transport import StatusError
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
    other_write = asyncio.ensure_future(house.kv.Put(pb.PutRequest(key=b"x"), None))
    await turns(2)
    again = asyncio.create_task(house.lock(1))  # its answer waits for the other write's disk
    await turns(3)
    again.cancel()
    await house.settle()
    await other_write
    assert house.queue() == [b"m/1"]


async def test_call_after_a_cancelled_one_does_not_take_over_the_place_it_leaves(
    house: House,
) -> None:
    cancelled = asyncio.create_task(house.lock(1))
    await turns(2)  # its key is put, and on its way to the disk
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
    with pytest.raises(StatusError, match="session is expired"):
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
