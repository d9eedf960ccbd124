"""The Lock service, by a clock that is set: who holds when leases run out and calls give up."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from etcdpy.errors import EmbeddedClientError
from etcdpy.pb import v3lock_pb2 as lock
from etcdpy.services.codes import status_of
from etcdpy.transport import StatusCode
from tests.unit.node.asked import Asked
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import TTL, TimedNode, opened

SESSION_EXPIRED = "mutex: session is expired"


@pytest.fixture
async def node() -> AsyncIterator[TimedNode]:
    async with opened() as node:
        yield node


async def test_lock_passes_on_when_the_lease_of_its_holder_runs_out(node: TimedNode) -> None:
    await node.done(node.lock(1))
    await node.clock.advance(50)
    node.renew(2)
    waiting = await node.begin(node.lock(2))
    await node.pass_time(49.9)
    assert not waiting.done()
    await node.pass_time(0.1)
    taken = waiting.result()
    assert (taken.key, taken.header.revision) == (b"m/2", 4)
    assert node.queue() == [b"m/2"]


async def test_lock_without_a_lease_lasts_for_a_minute(node: TimedNode) -> None:
    taken = await node.done(node.lock(0))
    waiting = await node.begin(node.lock(1))
    own = int(taken.key.removeprefix(b"m/"), 16)
    lease = node.keeper.lessor.get(own)
    assert lease is not None
    assert (lease.ttl, set(node.store.attachments.on(own))) == (60, {taken.key})
    await node.pass_time(59)
    assert not waiting.done()
    await node.pass_time(1)
    assert waiting.result().key == b"m/1"


async def test_waiter_whose_lease_runs_out_learns_it_when_its_turn_comes(node: TimedNode) -> None:
    await node.done(node.lock(1))
    waiting = await node.begin(node.lock(2))
    await node.clock.advance(99)
    node.renew(1)
    await node.pass_time(1)
    assert node.queue() == [b"m/1"]
    assert not waiting.done()
    await node.done(node.unlock(b"m/1"))
    with pytest.raises(EmbeddedClientError, match=SESSION_EXPIRED):
        waiting.result()


async def test_request_is_let_go_of_while_its_turn_is_waited_for(node: TimedNode) -> None:
    await node.done(node.lock(1))
    asked = Asked()
    waiting = await node.begin(node.locks.Lock(asked.of(name=b"m", lease=2), ANYBODY))
    assert asked.are_gone
    await node.done(node.unlock(b"m/1"))
    await node.settle()
    assert waiting.result().key == b"m/2"


async def test_locking_does_not_keep_the_lease_alive(node: TimedNode) -> None:
    await node.pass_time(TTL - 1)
    await node.done(node.lock(1))
    await node.done(node.lock(1))
    await node.pass_time(1)
    assert node.queue() == []


async def test_lease_of_a_released_lock_stays(node: TimedNode) -> None:
    taken = await node.done(node.lock(0))
    before = len(node.keeper.lessor)
    await node.done(node.unlock(taken.key))
    assert len(node.keeper.lessor) == before


async def test_holder_that_locks_again_makes_no_revision(node: TimedNode) -> None:
    first = await node.done(node.lock(1))
    assert await node.done(node.lock(1)) == first
    assert node.store.revision == 2


async def test_waiters_are_served_in_the_order_of_their_keys_revisions(node: TimedNode) -> None:
    await node.done(node.lock(3))
    second, third = await node.begin(node.lock(2)), await node.begin(node.lock(1))
    await node.put(b"m/2", lease=2)
    await node.done(node.unlock(b"m/3"))
    assert second.result().key == b"m/2"
    assert not third.done()
    await node.revoke(2)
    assert third.result().key == b"m/1"


async def test_name_below_the_name_and_a_plain_key_are_waited_for(node: TimedNode) -> None:
    await node.put(b"m/below/1")
    await node.put(b"m/zzz")
    waiting = await node.begin(node.lock(1))
    await node.delete(b"m/zzz")
    assert not waiting.done()
    await node.delete(b"m/below/1")
    assert waiting.done()


async def test_unlocking_twice_makes_one_revision(node: TimedNode) -> None:
    await node.done(node.lock(1))
    first = await node.done(node.unlock(b"m/1"))
    assert first.header.revision == 3
    assert await node.done(node.unlock(b"m/1")) == first


async def test_cancelled_waiter_keeps_its_lease(node: TimedNode) -> None:
    await node.done(node.lock(1))
    waiting = await node.begin(node.lock(2))
    waiting.cancel()
    await node.settle()
    assert node.queue() == [b"m/1"]
    assert 2 in node.keeper.lessor


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (lock.LockRequest(name=b"m", lease=12345), "etcdserver: requested lease not found"),
        (lock.LockRequest(name=b"m", lease=-1), "etcdserver: requested lease not found"),
        (lock.UnlockRequest(), "etcdserver: key is not provided"),
    ],
)
async def test_errors_have_etcds_text_and_no_code_of_their_own(
    node: TimedNode, request_: lock.LockRequest | lock.UnlockRequest, text: str
) -> None:
    method = node.locks.Lock if isinstance(request_, lock.LockRequest) else node.locks.Unlock
    with pytest.raises(EmbeddedClientError) as refused:
        await node.done(method(request_, ANYBODY))  # type: ignore[arg-type]
    status = status_of(refused.value)
    assert status is not None
    assert (status.code, status.details) == (StatusCode.UNKNOWN, text)
    assert node.store.revision == 1
