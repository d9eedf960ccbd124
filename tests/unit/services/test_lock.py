"""The Lock service, by a clock that is set: who holds when leases run out and calls give up."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode

from etcdpy.errors import EmbeddedClientError
from etcdpy.pb import v3lock_pb2 as lock
from etcdpy.services.codes import status_of
from tests.unit.services.house import TTL, House, opened

SESSION_EXPIRED = "mutex: session is expired"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened() as house:
        yield house


async def test_lock_passes_on_when_the_lease_of_its_holder_runs_out(house: House) -> None:
    await house.done(house.lock(1))
    house.now += 50
    house.keeper.renew_at_once(2)
    waiting = await house.begin(house.lock(2))
    await house.pass_time(49.9)
    assert not waiting.done()
    await house.pass_time(0.1)
    taken = waiting.result()
    assert (taken.key, taken.header.revision) == (b"m/2", 4)
    assert house.queue() == [b"m/2"]


async def test_lock_without_a_lease_lasts_for_a_minute(house: House) -> None:
    taken = await house.done(house.lock(0))
    waiting = await house.begin(house.lock(1))
    own = int(taken.key.removeprefix(b"m/"), 16)
    lease = house.keeper.lessor.get(own)
    assert lease is not None
    assert (lease.ttl, house.store.attachments.keys_of(own)) == (60, {taken.key})
    await house.pass_time(59)
    assert not waiting.done()
    await house.pass_time(1)
    assert waiting.result().key == b"m/1"


async def test_waiter_whose_lease_runs_out_learns_it_when_its_turn_comes(house: House) -> None:
    await house.done(house.lock(1))
    waiting = await house.begin(house.lock(2))
    house.now += 99
    house.keeper.renew_at_once(1)
    await house.pass_time(1)
    assert house.queue() == [b"m/1"]
    assert not waiting.done()
    await house.done(house.unlock(b"m/1"))
    with pytest.raises(EmbeddedClientError, match=SESSION_EXPIRED):
        waiting.result()


async def test_locking_does_not_keep_the_lease_alive(house: House) -> None:
    await house.pass_time(TTL - 1)
    await house.done(house.lock(1))
    await house.done(house.lock(1))
    await house.pass_time(1)
    assert house.queue() == []


async def test_lease_of_a_released_lock_stays(house: House) -> None:
    taken = await house.done(house.lock(0))
    before = len(house.keeper.lessor)
    await house.done(house.unlock(taken.key))
    assert len(house.keeper.lessor) == before


async def test_holder_that_locks_again_makes_no_revision(house: House) -> None:
    first = await house.done(house.lock(1))
    assert await house.done(house.lock(1)) == first
    assert house.store.revision == 2


async def test_waiters_are_served_in_the_order_of_their_keys_revisions(house: House) -> None:
    await house.done(house.lock(3))
    second, third = await house.begin(house.lock(2)), await house.begin(house.lock(1))
    await house.put(b"m/2", lease=2)
    await house.done(house.unlock(b"m/3"))
    assert second.result().key == b"m/2"
    assert not third.done()
    await house.revoke(2)
    assert third.result().key == b"m/1"


async def test_name_below_the_name_and_a_plain_key_are_waited_for(house: House) -> None:
    await house.put(b"m/below/1")
    await house.put(b"m/zzz")
    waiting = await house.begin(house.lock(1))
    await house.delete(b"m/zzz")
    assert not waiting.done()
    await house.delete(b"m/below/1")
    assert waiting.done()


async def test_unlocking_twice_makes_one_revision(house: House) -> None:
    await house.done(house.lock(1))
    first = await house.done(house.unlock(b"m/1"))
    assert first.header.revision == 3
    assert await house.done(house.unlock(b"m/1")) == first


async def test_cancelled_waiter_keeps_its_lease(house: House) -> None:
    await house.done(house.lock(1))
    waiting = await house.begin(house.lock(2))
    waiting.cancel()
    await house.settle()
    assert house.queue() == [b"m/1"]
    assert 2 in house.keeper.lessor


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (lock.LockRequest(name=b"m", lease=12345), "etcdserver: requested lease not found"),
        (lock.LockRequest(name=b"m", lease=-1), "etcdserver: requested lease not found"),
        (lock.UnlockRequest(), "etcdserver: key is not provided"),
    ],
)
async def test_errors_have_etcds_text_and_no_code_of_their_own(
    house: House, request_: lock.LockRequest | lock.UnlockRequest, text: str
) -> None:
    method = house.locks.Lock if isinstance(request_, lock.LockRequest) else house.locks.Unlock
    with pytest.raises(EmbeddedClientError) as refused:
        await house.done(method(request_, None))  # type: ignore[arg-type]
    status = status_of(refused.value)
    assert status is not None
    assert (status.code, status.details) == (StatusCode.UNKNOWN, text)
    assert house.store.revision == 1
