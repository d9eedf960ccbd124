"""
The machine's clock, over a loop whose timers a test sets off.

No time passes here: the one thing asked of the real clocks is that they are the real ones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from etcdpy.clock import Clock, SystemClock, Timer, stopwatch
from etcdpy.testing.clock import MovableClock
from tests.unit.mvcc.fake_log import turns


class Asked:
    """Something asked of a clock."""

    def __init__(self, when: float, callback: Callable[..., object], arguments: object) -> None:
        self.when = when
        self.callback = callback
        self.arguments = arguments
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class AskedClock(Clock):
    """A clock that only notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def monotonic(self) -> float:
        return 100.0

    def wall(self) -> float:
        return 5000.0

    def wake_at(self, when: float, callback: Callable[..., object], *arguments: object) -> Timer:
        self.asked.append(Asked(when, callback, arguments))
        return self.asked[-1]


def test_the_times_are_the_machines() -> None:
    clock = SystemClock()
    before = time.monotonic(), time.time()
    now = clock.monotonic(), clock.wall()
    after = time.monotonic(), time.time()
    assert before <= now <= after
    assert stopwatch is time.perf_counter


@pytest.mark.parametrize(("when", "delay"), [(103.5, 3.5), (100.0, 0.0), (90.0, 0.0)])
async def test_the_loop_is_asked_for_what_is_left_until_then(
    monkeypatch: pytest.MonkeyPatch, when: float, delay: float
) -> None:
    asked: list[tuple[object, ...]] = []
    loop = asyncio.get_running_loop()
    with monkeypatch.context() as patched:
        patched.setattr(time, "monotonic", lambda: 100.0)
        patched.setattr(loop, "call_later", lambda *arguments: asked.append(arguments))
        SystemClock().wake_at(when, print, "a", "b")
    assert asked == [(delay, print, "a", "b")]


async def test_what_is_due_is_called_in_a_later_turn_once() -> None:
    called: list[str] = []
    SystemClock().wake_at(time.monotonic() - 1, called.append, "a")
    SystemClock().wake_at(time.monotonic() - 1, called.append, "b").cancel()
    assert called == []
    await turns(3)
    assert called == ["a"]


def test_to_wake_after_some_time_is_to_wake_at_that_moment() -> None:
    clock = AskedClock()
    timer = clock.wake_after(7.5, print, "a")
    (asked,) = clock.asked
    assert (asked.when, asked.callback, asked.arguments) == (107.5, print, ("a",))
    assert timer is asked


async def test_a_sleep_ends_when_it_is_woken() -> None:
    clock = AskedClock()
    sleeping = asyncio.create_task(clock.sleep(3))
    await turns(3)
    (asked,) = clock.asked
    assert asked.when == 103
    assert not sleeping.done()
    asked.callback(*asked.arguments)  # type: ignore[misc]
    await sleeping


async def test_a_cancelled_sleep_takes_its_timer_away() -> None:
    clock = AskedClock()
    sleeping = asyncio.create_task(clock.sleep(3))
    await turns(3)
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)
    (asked,) = clock.asked
    assert asked.is_cancelled
    asked.callback(*asked.arguments)  # type: ignore[misc]


def test_news_takes_a_moment_to_arrive_but_where_time_stands_still() -> None:
    assert 0 < SystemClock().transit < 0.5
    assert MovableClock().transit == 0
