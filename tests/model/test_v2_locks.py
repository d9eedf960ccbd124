"""
Random things done to locks of v2: after each, what is true of a queue has to be true.

``ETCDPY_V2_LOCK_EXAMPLES`` makes it longer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from etcdpy.concurrency.v2_locks import LockClosedError, LockHeldError
from tests.unit.concurrency.v2_lock_world import LockWorld, lock_world

EXAMPLES = int(os.environ.get("ETCDPY_V2_LOCK_EXAMPLES", "40"))
#: Seconds that what is held lives, and by how many its end may be late: a tick, and what is held
#: up by the disk.
TTL, LATE = 10, 0.6
NAMES = ("m", "m/n")


@dataclass
class Session:
    """A request that waits, or has waited."""

    task: asyncio.Future[int]
    value: str
    timeout: float | None
    asked: float
    ended: float = 0
    is_checked: bool = False


@dataclass
class Lock:
    """
    What is known of a lock.

    Attributes:
        sessions: All requests there were.
        ends: When each place that was given ends, by its index.
        removed: The places that somebody took away.
        last: The index that held it last.

    """

    sessions: list[Session] = field(default_factory=list)
    ends: dict[int, float] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    last: int = 0

    def waiting(self) -> list[Session]:
        return [one for one in self.sessions if not one.task.done()]


class Walk:
    """One run."""

    def __init__(self, world: LockWorld) -> None:
        self.world = world
        self.locks = {name: Lock() for name in NAMES}

    @property
    def now(self) -> float:
        return self.world.clock.monotonic()

    async def do(self, step: tuple[str, int, int]) -> None:
        kind, name, number = step
        action: Callable[..., object] = getattr(self, kind)
        await action(NAMES[name], number)  # type: ignore[misc]
        await self.world.settled()
        for lock_name, lock in self.locks.items():
            self.check(lock_name, lock)

    # -------------------------------------------------------------------- steps

    async def acquire(self, name: str, number: int) -> None:
        value = ("", "a", "b", "c")[number % 4]
        timeout = (None, None, 0.0, 3.0)[number // 4 % 4]
        task = asyncio.ensure_future(self.world.locks.acquire(name, TTL, value, timeout))
        session = Session(task, value, timeout, self.now)
        self.locks[name].sessions.append(session)

        def note(_: object) -> None:
            session.ended = self.now

        task.add_done_callback(note)

    async def cancel(self, name: str, number: int) -> None:
        if waiting := self.locks[name].waiting():
            waiting[number % len(waiting)].task.cancel()

    async def cancel_on_its_way(self, name: str, number: int) -> None:
        await self.acquire(name, number)
        for _ in range(number % 7):
            await asyncio.sleep(0)
            self.world.settle()
        self.locks[name].sessions[-1].task.cancel()

    async def release(self, name: str, number: int) -> None:
        if places := sorted(self.world.queue(name)):
            index = places[number % len(places)]
            self.locks[name].removed.add(index)
            await self.world.done(self.world.locks.release(name, index))

    async def release_the_holder(self, name: str, number: int) -> None:
        await self.release(name, 0)

    async def renew(self, name: str, number: int) -> None:
        places = sorted(self.world.queue(name))
        if places:
            value = ("", "", "c")[number % 3]
            await self.world.done(self.world.locks.renew(name, TTL, places[0], value))
            self.locks[name].ends[places[0]] = self.now + TTL

    async def pass_time(self, name: str, number: int) -> None:
        await self.world.clock.advance((0.3, 1, 4, 11)[number % 4])

    # ------------------------------------------------------------------- checks

    def check(self, name: str, lock: Lock) -> None:
        queue = self.world.queue(name)
        for session in lock.sessions:
            if session.task.done() and not session.is_checked:
                session.is_checked = True
                self.check_end(lock, session)
        places = sorted(queue)
        # Whoever has it is the first, so there is one who has it.
        held = [index for index in places if index in lock.ends]
        assert held == places[:1], "the first does not have it, or another one does"
        # Each of the others is somebody's who waits: nothing is left, and nobody is lost.
        waiting = lock.waiting()
        assert len(places) - len(held) <= len(waiting)
        if places:
            assert not waiting or len(places) > 1
        else:
            assert not waiting
        for index, end in lock.ends.items():
            if index in lock.removed:
                assert index not in queue
            elif index in queue:
                assert self.now <= end + LATE, "it is held for too long"
            else:
                assert self.now >= end, "it was lost while it was held"

    def check_end(self, lock: Lock, session: Session) -> None:
        if session.task.cancelled():
            return
        error = session.task.exception()
        if error is None:
            index = session.task.result()
            assert index >= lock.last, "it was given out of order"
            lock.last = index
            if index in lock.ends:
                assert session.value, "two have it"
            lock.ends[index] = max(lock.ends.get(index, 0), session.ended + TTL)
        elif isinstance(error, LockHeldError):
            assert session.timeout == 0
        else:
            assert isinstance(error, LockClosedError)
            is_late = session.timeout and self.now >= session.asked + session.timeout
            assert is_late or lock.removed, "it was waited for in vain"


STEPS = (
    ["acquire"] * 6
    + ["release_the_holder"] * 3
    + ["cancel", "cancel_on_its_way", "release", "renew", "pass_time", "pass_time"]
)


async def _run(steps: list[tuple[str, int, int]]) -> None:
    async with lock_world() as world:
        walk = Walk(world)
        for step in steps:
            await walk.do(step)
        # In the end everybody gets it in turn.
        for _ in range(len(steps) + 1):
            await walk.do(("pass_time", 0, 3))
        assert not any(lock.waiting() for lock in walk.locks.values())
        assert not any(world.queue(name) for name in NAMES)


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(
    st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 1), st.integers(0, 63)), max_size=25)
)
def test_whoever_is_first_has_it_and_nobody_is_lost(steps: list[tuple[str, int, int]]) -> None:
    asyncio.run(_run(steps))
