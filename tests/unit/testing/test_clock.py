"""Time passes when it is told to, and what was to happen meanwhile happens in order."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from contextvars import ContextVar

import pytest

from etcdpy.clock import Timer
from etcdpy.testing import MovableClock
from etcdpy.testing.clock import MOMENTS
from tests.unit.mvcc.fake_log import turns


class Diary:
    """Writes down when something was called."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.entries: list[tuple[float, str]] = []

    def note(self, what: str) -> None:
        self.entries.append((self.clock.monotonic(), what))

    def at(self, when: float, what: str) -> Timer:
        return self.clock.wake_at(when, self.note, what)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(monotonic=100, wall=5000)


@pytest.fixture
def diary(clock: MovableClock) -> Diary:
    return Diary(clock)


async def test_stands_still_by_itself(clock: MovableClock, diary: Diary) -> None:
    diary.at(100.001, "a")
    await turns(100)
    assert (clock.monotonic(), clock.wall()) == (100, 5000)
    assert diary.entries == []


async def test_both_times_pass_together(clock: MovableClock) -> None:
    await clock.advance(2.5)
    assert (clock.monotonic(), clock.wall()) == (102.5, 5002.5)
    await clock.advance(0)
    assert (clock.monotonic(), clock.wall()) == (102.5, 5002.5)


async def test_the_wall_clock_alone_jumps(clock: MovableClock, diary: Diary) -> None:
    diary.at(101, "a")
    clock.jump(3600)
    await turns(100)
    assert (clock.monotonic(), clock.wall()) == (100, 8600)
    clock.jump(-7200)
    await clock.advance(0.5)
    assert (clock.monotonic(), clock.wall()) == (100.5, 1400.5)
    assert diary.entries == []


async def test_time_does_not_go_back(clock: MovableClock) -> None:
    with pytest.raises(ValueError, match="does not go back"):
        await clock.advance(-1)
    assert clock.monotonic() == 100


async def test_what_is_due_is_called_at_its_moment_in_order(
    clock: MovableClock, diary: Diary
) -> None:
    diary.at(103, "last")
    diary.at(101, "first")
    diary.at(102, "second")
    diary.at(103.5, "not yet")
    await clock.advance(3)
    assert diary.entries == [(101, "first"), (102, "second"), (103, "last")]
    assert clock.monotonic() == 103
    await clock.advance(1)
    assert diary.entries[3:] == [(103.5, "not yet")]
    assert clock.monotonic() == 104


async def test_what_is_due_at_one_moment_is_called_in_the_order_of_asking(
    clock: MovableClock, diary: Diary
) -> None:
    for number in range(50):
        diary.at(101, f"{number}")
    await clock.advance(1)
    assert [what for _, what in diary.entries] == [f"{number}" for number in range(50)]


@pytest.mark.parametrize("when", [-1.0, 99.0, 100.0])
async def test_what_is_due_already_is_called_in_a_later_turn(
    clock: MovableClock, diary: Diary, when: float
) -> None:
    diary.at(when, "a")
    assert diary.entries == []
    await turns()
    assert diary.entries == [(100, "a")]


async def test_each_is_called_once(clock: MovableClock, diary: Diary) -> None:
    diary.at(101, "a")
    await clock.advance(10)
    await clock.advance(10)
    assert diary.entries == [(101, "a")]


async def test_what_is_cancelled_is_not_called(clock: MovableClock, diary: Diary) -> None:
    kept, cancelled = diary.at(101, "kept"), diary.at(101, "cancelled")
    cancelled.cancel()
    cancelled.cancel()
    diary.at(100, "due already").cancel()
    await clock.advance(1)
    assert diary.entries == [(101, "kept")]
    kept.cancel()
    await clock.advance(1)
    assert diary.entries == [(101, "kept")]


async def test_one_can_cancel_another_of_the_same_moment(clock: MovableClock, diary: Diary) -> None:
    timers: list[Timer] = []
    clock.wake_at(101, lambda: timers[0].cancel())
    timers.append(diary.at(101, "cancelled"))
    diary.at(101, "kept")
    await clock.advance(1)
    assert diary.entries == [(101, "kept")]


async def test_those_cancelled_take_no_memory(clock: MovableClock, diary: Diary) -> None:
    kept = [diary.at(150 + number, f"{number}") for number in range(10)]
    for _ in range(10_000):
        diary.at(200, "cancelled").cancel()
    assert len(clock._timers) < 200
    for timer in kept[1:]:
        timer.cancel()
    await clock.advance(200)
    assert diary.entries == [(150, "0")]
    assert clock._timers == []


async def test_what_is_asked_for_on_the_way_is_called_on_the_way(
    clock: MovableClock, diary: Diary
) -> None:
    def tick(left: int) -> None:
        diary.note("tick")
        if left:
            clock.wake_after(2, tick, left - 1)

    clock.wake_at(101, tick, 2)
    diary.at(104, "between")
    diary.at(108, "after")
    await clock.advance(7)
    assert diary.entries == [(101, "tick"), (103, "tick"), (104, "between"), (105, "tick")]


async def test_what_is_asked_for_at_once_is_called_at_the_same_moment(
    clock: MovableClock, diary: Diary
) -> None:
    clock.wake_at(101, lambda: diary.at(101, "at once"))
    diary.at(101.5, "later")
    await clock.advance(5)
    assert diary.entries == [(101, "at once"), (101.5, "later")]


async def test_tasks_sleep_on_it(clock: MovableClock, diary: Diary) -> None:
    async def work(name: str, *seconds: float) -> None:
        for pause in seconds:
            await clock.sleep(pause)
            diary.note(name)

    tasks = [
        asyncio.create_task(work("a", 1, 2, 3)),
        asyncio.create_task(work("b", 2, 0, 2)),
    ]
    await clock.advance(6)
    assert diary.entries == [(101, "a"), (102, "b"), (102, "b"), (103, "a"), (104, "b"), (106, "a")]
    await asyncio.gather(*tasks)


async def test_what_a_timer_starts_is_done_before_the_next(
    clock: MovableClock, diary: Diary
) -> None:
    async def work() -> None:
        await turns(10)
        diary.note("work")

    tasks: list[asyncio.Task[None]] = []
    clock.wake_at(101, lambda: tasks.append(asyncio.create_task(work())))
    diary.at(101.001, "next")
    await clock.advance(1.5)
    assert diary.entries == [(101, "work"), (101.001, "next")]


async def test_whoever_waits_for_more_than_turns_says_how_to_settle() -> None:
    done: list[float] = []
    under_way: list[asyncio.Task[None]] = []

    async def work() -> None:
        await turns(1000)
        done.append(slow.monotonic())

    async def settle() -> None:
        await turns()
        await asyncio.gather(*under_way)

    slow = MovableClock(settle=settle)
    slow.wake_at(1, lambda: under_way.append(asyncio.create_task(work())))
    slow.wake_at(2, lambda: under_way.append(asyncio.create_task(work())))
    await slow.advance(2.5)
    assert done == [1, 2]


async def test_what_is_settled_needs_no_turns_but_now_and_then(diary: Diary) -> None:
    awaited: list[float] = []

    async def settle() -> None:
        awaited.append(quick.monotonic())

    quick = MovableClock(settle=settle, is_settled=lambda: quick.monotonic() != 5)
    for moment in range(1, 2 * MOMENTS + 1):
        quick.wake_at(moment, diary.note, f"{moment}")
    await quick.advance(100)
    assert [what for _, what in diary.entries] == [f"{one}" for one in range(1, 2 * MOMENTS + 1)]
    assert awaited == [0, 5, 5 + MOMENTS, 2 * MOMENTS]
    assert quick.monotonic() == 100


async def test_a_sleep_that_is_cancelled_leaves_nothing(clock: MovableClock) -> None:
    task = asyncio.create_task(clock.sleep(10))
    await turns()
    task.cancel()
    await turns(2)
    assert task.cancelled()
    assert all(timer.is_cancelled for timer in clock._timers)


async def test_what_fails_is_reported_as_by_the_loop(clock: MovableClock, diary: Diary) -> None:
    reported: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, report: reported.append(str(report["exception"])))
    clock.wake_at(101, int, "no number")
    diary.at(102, "goes on")
    await clock.advance(3)
    assert len(reported) == 1
    assert "no number" in reported[0]
    assert diary.entries == [(102, "goes on")]


async def test_what_is_called_sees_the_context_of_whoever_asked(clock: MovableClock) -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    seen: list[str] = []

    async def ask() -> None:
        name.set("asker")
        clock.wake_at(101, lambda: seen.append(name.get()))

    await asyncio.create_task(ask())
    await clock.advance(1)
    assert seen == ["asker"]


async def test_two_do_not_move_it_at_once(clock: MovableClock) -> None:
    clock.wake_at(101, lambda: None)
    first = asyncio.create_task(clock.advance(5))
    await turns()
    with pytest.raises(RuntimeError, match="already"):
        await clock.advance(1)
    await first
    assert clock.monotonic() == 105


async def test_cancelled_on_its_way_it_stands_where_it_has_come_to(
    clock: MovableClock, diary: Diary
) -> None:
    diary.at(105, "later")
    moving: list[asyncio.Task[None]] = []
    clock.wake_at(102, lambda: moving[0].cancel())
    moving.append(asyncio.create_task(clock.advance(10)))
    with pytest.raises(asyncio.CancelledError):
        await moving[0]
    assert clock.monotonic() == 102
    await clock.advance(10)
    assert clock.monotonic() == 112
    assert diary.entries == [(105, "later")]


@pytest.mark.parametrize("seed", range(20))
async def test_random_timers_are_called_as_in_a_model(seed: int) -> None:
    """Whole numbers, so that many moments are equal."""
    chance = random.Random(seed)
    clock = MovableClock()
    called: list[tuple[float, int]] = []
    expected: list[tuple[float, int]] = []
    waiting: dict[int, tuple[float, Timer]] = {}

    def call(number: int) -> None:
        called.append((clock.monotonic(), number))

    for number in range(500):
        what = chance.randrange(4)
        if what < 2:
            when = clock.monotonic() + chance.randrange(1, 10)
            waiting[number] = (when, clock.wake_at(when, call, number))
        elif what == 2 and waiting:
            waiting.pop(chance.choice([*waiting]))[1].cancel()
        else:
            end = clock.monotonic() + chance.randrange(4)
            await clock.advance(end - clock.monotonic())
            assert clock.monotonic() == end
            due = [(when, number) for number, (when, _) in waiting.items() if when <= end]
            expected += sorted(due)
            for _, number_due in due:
                del waiting[number_due]
            assert called == expected


async def test_an_hour_of_ticks_takes_no_time(clock: MovableClock, diary: Diary) -> None:
    def tick() -> None:
        diary.note("tick")
        clock.wake_after(60, tick)

    began = time.thread_time()
    clock.wake_after(60, tick)
    await clock.advance(3600)
    assert len(diary.entries) == 60
    assert time.thread_time() - began < 5


def test_importing_the_kit_imports_no_server() -> None:
    look = (
        "import sys, etcdpy.testing\n"
        "print(*[name for name in sys.modules if name.startswith('etcdpy.')])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"etcdpy.testing", "etcdpy.version"}
