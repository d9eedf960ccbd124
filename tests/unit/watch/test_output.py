"""What waits for a client leaves in order, is counted, and is bounded."""

from __future__ import annotations

import asyncio
from weakref import ref

import pytest

from etcdpy.cooperative import Trickle
from etcdpy.memory import Account, Budget
from etcdpy.watch.backlog import BACKLOG_BYTES, Backlog
from etcdpy.watch.output import LARGE, QUEUE_BYTES, RESPONSE_OVERHEAD, Output
from tests.unit.mvcc.fake_log import turns


class Wire:
    """A transport that takes responses while ``has_room`` is set."""

    def __init__(self) -> None:
        self.has_room = asyncio.Event()
        self.has_room.set()
        self.sent: list[bytes] = []
        self.waited_for_room = 0
        self.flushed = 0

    def try_write(self, start: bytes, body: bytes) -> bool:
        if self.has_room.is_set():
            self.sent.append(start + body)
        return self.has_room.is_set()

    def joined(self, responses: list[tuple[bytes, bytes]]) -> bytes:
        return b"|".join(start + body for start, body in responses)

    def try_write_joined(self, joined: bytes) -> bool:
        return self.try_write(joined, b"")

    def flush(self) -> None:
        self.flushed += 1

    async def write(self, start: bytes, body: bytes) -> None:
        await self.has_room.wait()
        assert self.try_write(start, body)

    async def room(self) -> None:
        self.waited_for_room += 1


class Sender:
    """An output, its wire, and the task that drains it."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.wakings = Trickle(1)
        self.backlog = Backlog()
        self.output = Output(self.wire, self.backlog, self._wake, self._note_room)
        self.draining: asyncio.Task[None] | None = None
        self.woken = 0
        #: How often there was room again.
        self.resumed = 0

    def _wake(self) -> None:
        self.woken += 1
        self.draining = asyncio.get_running_loop().create_task(self.output.drain(self.wakings.turn))

    def _note_room(self) -> None:
        self.resumed += 1


@pytest.fixture
async def sender() -> Sender:
    return Sender()


def cost(*responses: bytes) -> int:
    return sum(len(response) + RESPONSE_OVERHEAD for response in responses)


async def test_with_room_responses_leave_at_once(sender: Sender) -> None:
    sender.output.push(b"1", b"a")
    sender.output.push(b"2")
    assert sender.output.try_write(b"3", b"c")
    assert sender.wire.sent == [b"1a", b"2", b"3c"]
    assert (sender.output.size, sender.backlog.size, sender.woken) == (0, 0, 0)


async def test_without_room_they_wait_and_are_counted(sender: Sender) -> None:
    sender.wire.has_room.clear()
    sender.output.push(b"1", b"abc")
    sender.output.push(b"2")
    assert sender.output.size == sender.backlog.size == cost(b"1abc", b"2")
    assert sender.woken == 1
    sender.wire.has_room.set()
    await turns(5)
    assert sender.wire.sent == [b"1abc", b"2"]
    assert (sender.output.size, sender.backlog.size) == (0, 0)


async def test_nothing_overtakes_what_waits(sender: Sender) -> None:
    sender.wire.has_room.clear()
    sender.output.push(b"1")
    sender.wire.has_room.set()
    assert not sender.output.try_write(b"2", b"")
    assert not sender.output.try_write_joined(b"3")
    sender.output.push(b"4")
    await turns(5)
    assert sender.output.try_write_joined(b"5")
    assert sender.wire.sent == [b"1", b"4", b"5"]


async def test_the_next_that_waits_wakes_again(sender: Sender) -> None:
    for number in range(3):
        sender.wire.has_room.clear()
        sender.output.push(b"%d" % number)
        sender.wire.has_room.set()
        await turns(5)
    assert sender.woken == 3
    assert sender.wire.sent == [b"0", b"1", b"2"]


async def test_a_large_response_waits_until_the_transport_has_room_behind_it(
    sender: Sender,
) -> None:
    large = b"v" * LARGE
    assert not sender.output.try_write(b"", large)
    sender.output.push(b"", large)
    sender.output.push(b"small")
    assert sender.wire.sent == []
    await turns(5)
    assert sender.wire.sent == [large, b"small"]
    assert sender.wire.waited_for_room == 1


async def test_a_stream_is_full_with_as_much_as_may_wait(sender: Sender) -> None:
    sender.wire.has_room.clear()
    sender.output.push(b"v" * (QUEUE_BYTES - RESPONSE_OVERHEAD - 1))
    assert not sender.output.is_full
    sender.output.push(b"")
    assert sender.output.is_full


async def test_while_much_waits_for_all_any_that_waits_is_full(sender: Sender) -> None:
    sender.backlog.size = BACKLOG_BYTES
    assert not sender.output.is_full, "nothing waits for this client"
    sender.wire.has_room.clear()
    sender.output.push(b"1")
    assert sender.output.is_full


async def test_whoever_waits_for_room_goes_on_at_half(sender: Sender) -> None:
    sender.wire.has_room.clear()
    for _ in range(2):
        sender.output.push(b"v" * QUEUE_BYTES)
    waiting = asyncio.ensure_future(sender.output.room())
    await turns(3)
    assert not waiting.done()
    sender.wire.has_room.set()
    await waiting
    assert sender.output.size < QUEUE_BYTES // 2
    assert sender.resumed >= 1
    await sender.output.room()


async def test_closed_it_forgets_what_waits_and_drops_the_rest(sender: Sender) -> None:
    sender.wire.has_room.clear()
    for _ in range(3):
        sender.output.push(b"v" * QUEUE_BYTES)
    waiting = asyncio.ensure_future(sender.output.room())
    await turns(3)
    sender.output.close()
    assert (sender.output.size, sender.backlog.size) == (0, 0)
    await waiting
    sender.output.push(b"more")
    assert sender.output.try_write(b"and", b"more"), "its sender need not know"
    sender.wire.has_room.set()
    await turns(5)
    assert len(sender.wire.sent) <= 1, "one was on its way"
    assert (sender.output.size, sender.backlog.size) == (0, 0)


async def test_joining_and_flushing_are_the_transports(sender: Sender) -> None:
    assert sender.output.joined([(b"1", b"a"), (b"2", b"b")]) == b"1a|2b"
    sender.output.flush()
    assert sender.wire.flushed == 1


async def test_closed_output_holds_its_owner_no_more() -> None:
    sender = Sender()
    output, left = sender.output, ref(sender)
    output.close()
    del sender
    assert left() is None
    output.push(b"to nobody")
    assert output.size == 0


@pytest.fixture
async def exhausted(sender: Sender) -> Account:
    """Return the account of somebody who holds nearly all of the sender's budget."""
    account = Account(Budget(1 << 20))
    account.add(1 << 20)
    sender.backlog = Backlog(Account(account.budget))
    sender.output = Output(sender.wire, sender.backlog, sender._wake, sender._note_room)
    return account


async def test_with_the_budget_used_up_it_takes_no_events_until_there_is_room(
    sender: Sender, exhausted: Account
) -> None:
    output = sender.output
    assert not output.takes_events
    assert not output.is_full, "its client is listened to all the same"
    output.await_room()
    exhausted.give(1 << 19)
    assert output.takes_events
    assert sender.resumed == 1


async def test_what_it_holds_itself_it_does_not_wait_for_twice(
    sender: Sender, exhausted: Account
) -> None:
    sender.wire.has_room.clear()
    sender.output.push(b"1")
    sender.output.await_room()
    exhausted.give(1 << 19)
    assert sender.resumed == 0
    sender.wire.has_room.set()
    await turns(5)
    assert sender.resumed == 1


async def test_closed_output_waits_for_no_room(sender: Sender, exhausted: Account) -> None:
    sender.output.await_room()
    sender.output.close()
    sender.output.await_room()
    exhausted.give(1 << 19)
    assert sender.resumed == 0


async def test_between_two_responses_others_who_wait_have_their_turn(sender: Sender) -> None:
    sender.wire.has_room.clear()
    for number in range(3):
        sender.output.push(b"%d" % number)
    sent = sender.wire.sent
    seen: list[list[bytes]] = []
    # Each is called in a turn of its own, and what comes back stands behind all of them.
    for _ in range(5):
        sender.wakings.call(lambda: seen.append(sent.copy()))
    sender.wire.has_room.set()
    await turns(20)
    assert seen[-1] == [b"0"]
    assert sent == [b"0", b"1", b"2"]
