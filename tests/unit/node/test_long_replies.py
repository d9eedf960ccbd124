"""Replies that are made while they are taken: what they hold, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy.cooperative import Baton, LongReply, finish
from etcdpy.errors import CompactedError, MemoryBudgetError
from etcdpy.memory import Account, Budget, Loan
from etcdpy.mvcc import long_range
from etcdpy.mvcc.ranges import select
from etcdpy.mvcc.replies import range_reply
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.walks import KEY_BYTES
from etcdpy.node import long_replies
from etcdpy.node.long_replies import PINNED_SECONDS, LongReplies
from etcdpy.pb.rpc_pb2 import RangeRequest
from etcdpy.testing.clock import MovableClock
from tests.unit.mvcc.fake_log import turns
from tests.unit.mvcc.stores import new_store, put, settle

HEADER = b"\x0a\x02\x18\x07"
EVERYTHING = RangeRequest(key=b"k", range_end=b"l")


class Taking:
    """A caller that takes long replies."""

    takes_long_replies = True


class World:
    """A store with some keys, and what answers ranges of it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.clock = MovableClock()
        self.long_replies = LongReplies(store, self.clock, Baton())
        self.budget = Budget(1 << 20)
        self.loan = Loan(Account(self.budget))
        self.revision = store.revision
        self.expected = range_reply(HEADER, finish(select(store, EVERYTHING, self.revision)))

    def answer(self, caller: object, request: RangeRequest = EVERYTHING) -> Any:
        steps = self.long_replies.answer(request, self.revision, HEADER, self.loan, caller)
        return finish(steps)

    def long(self) -> LongReply:
        """Return the reply when other things hold so much that it is not kept."""
        other = Loan(Account(self.budget))
        other.keep(self.budget.brim + 1)
        reply = self.answer(Taking())
        other.close()
        assert isinstance(reply, LongReply)
        return reply


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(long_range, "SLICE_BYTES", 1000)
    monkeypatch.setattr(long_replies, "PIECE_BYTES", 100)
    async with new_store() as (store, log):
        for number in range(100):
            put(store, (b"k%03d" % number, b"v" * 50))
        await settle(log)
        yield World(store)


async def test_pieces_are_the_reply_and_no_more_than_one_of_them_is_held(world: World) -> None:
    reply = world.long()
    assert len(reply) == len(world.expected)
    pieces = [piece async for piece in reply.pieces]
    assert b"".join(pieces) == world.expected
    assert len(pieces) > 3
    assert world.loan.size == 0
    ends = reply.ends
    assert ends.startswith(HEADER)
    assert world.expected.endswith(ends.removeprefix(HEADER))


async def test_reply_is_whole_while_there_is_room_or_for_who_takes_no_other(world: World) -> None:
    assert bytes(world.answer(Taking())) == world.expected
    assert 0 < world.loan.size <= len(world.expected)
    world.loan.close()
    assert bytes(world.answer(object())) == world.expected


async def test_what_is_larger_than_the_room_is_refused_only_to_who_takes_it_whole(
    world: World,
) -> None:
    world.loan.account.add(world.budget.limit)
    with pytest.raises(MemoryBudgetError):
        world.answer(object())
    assert isinstance(world.answer(Taking()), LongReply)
    assert world.loan.size == 0


async def test_very_long_reply_is_not_held_whatever_room_there_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_replies, "LARGEST", 1000)
    assert isinstance(world.answer(Taking()), LongReply)


async def test_reply_longer_than_a_message_can_be_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_replies, "LARGEST", 1000)
    monkeypatch.setattr(long_replies, "LONGEST", len(world.expected) - 1)
    with pytest.raises(MemoryBudgetError):
        world.answer(Taking())


async def test_of_keys_in_another_order_no_more_is_held_than_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_replies, "LARGEST", 1000)
    request = RangeRequest(key=b"k", range_end=b"l", sort_order=RangeRequest.DESCEND)
    reply = world.answer(Taking(), request)
    assert isinstance(reply, LongReply)
    assert world.budget.used == 0
    first = await anext(reply.pieces)
    assert world.budget.used == 100 * KEY_BYTES
    rest = [piece async for piece in reply.pieces]
    assert world.budget.used == 0
    rows = finish(select(world.store, request, world.revision))
    assert first + b"".join(rest) == range_reply(HEADER, rows)


async def test_compaction_waits_until_the_reply_has_ended(world: World) -> None:
    reply = world.long()
    await anext(reply.pieces)
    put(world.store, (b"k000", b"later"))
    assert world.store.is_pinned_below(world.store.revision)
    async for _ in reply.pieces:
        pass
    assert not world.store.is_pinned_below(world.store.revision)


async def test_compaction_waits_no_more_once_nobody_wants_the_reply(world: World) -> None:
    reply = world.long()
    await anext(reply.pieces)
    await reply.pieces.aclose()
    assert not world.store.is_pinned_at(world.revision)


async def test_compaction_waits_no_longer_than_that_for_a_client_that_is_slow(world: World) -> None:
    reply = world.long()
    first = await anext(reply.pieces)
    await world.clock.advance(PINNED_SECONDS)
    assert not world.store.is_pinned_at(world.revision)
    # As nothing was compacted it goes on.
    rest = [piece async for piece in reply.pieces]
    assert first + b"".join(rest) == world.expected


async def test_reply_ends_when_what_it_shows_was_compacted_at_last(world: World) -> None:
    reply = world.long()
    await anext(reply.pieces)
    # Decided on, but nothing goes while it is pinned.
    world.store.compact_revision = world.revision + 1
    await anext(reply.pieces)
    await world.clock.advance(PINNED_SECONDS)
    with pytest.raises(CompactedError):
        await anext(reply.pieces)


async def test_reply_that_begins_too_late_does_not_begin(world: World) -> None:
    reply = world.long()
    world.store.compact_revision = world.revision + 1
    with pytest.raises(CompactedError):
        await anext(reply.pieces)
    assert not world.store.is_pinned_at(world.revision)


async def test_no_piece_is_made_while_there_is_no_room_for_it(world: World) -> None:
    reply = world.long()
    other = Loan(Account(world.budget))
    made = []

    async def take() -> None:
        async for piece in reply.pieces:
            made.append(piece)
            if len(made) == 2:
                other.keep(world.budget.brim + 1)

    other.keep(world.budget.brim + 1)
    taking = asyncio.ensure_future(take())
    await turns()
    assert not made
    other.close()
    while len(made) < 2:
        await turns()
    await turns(20)
    assert len(made) == 2
    other.close()
    await taking
    assert b"".join(made) == world.expected
    assert world.budget.used == 0


async def test_of_hundreds_only_so_many_make_a_piece_at_once_as_there_is_room_for(
    world: World,
) -> None:
    replies = [world.long() for _ in range(200)]
    most = 0

    async def take(reply: LongReply) -> None:
        nonlocal most
        # It lets others go on before it takes the first.
        piece = asyncio.ensure_future(anext(reply.pieces))
        while not piece.done():
            most = max(most, world.budget.used)
            await asyncio.sleep(0)
        await reply.pieces.aclose()

    await asyncio.gather(*(take(reply) for reply in replies))
    one = len(world.expected)
    assert 20 * one < most <= world.budget.brim + one < 200 * one
    assert world.budget.used == 0
