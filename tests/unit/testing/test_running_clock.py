"""The clock goes with the machine's, stands when it is told to, and is moved ahead of it."""

from __future__ import annotations

import asyncio

import pytest

from etcdpy.testing.clock import MovableClock
from etcdpy.testing.running_clock import RunningClock


@pytest.fixture
def machine() -> MovableClock:
    return MovableClock(monotonic=50.0)


@pytest.fixture
def clock(machine: MovableClock) -> RunningClock:
    return RunningClock(machine=machine)


async def test_goes_with_the_machine(clock: RunningClock, machine: MovableClock) -> None:
    wall = clock.wall()
    await machine.advance(2.5)
    assert (clock.monotonic(), clock.wall()) == (52.5, wall + 2.5)


async def test_stands_while_it_is_frozen_and_goes_on_from_there(
    clock: RunningClock, machine: MovableClock
) -> None:
    clock.freeze()
    await machine.advance(10)
    assert clock.monotonic() == 50
    assert clock.is_frozen
    clock.resume()
    await machine.advance(1)
    assert clock.monotonic() == 51


async def test_timer_rings_when_the_machine_has_come_that_far(
    clock: RunningClock, machine: MovableClock
) -> None:
    rung: list[float] = []
    clock.wake_at(53, lambda: rung.append(clock.monotonic()))
    clock.wake_at(51, lambda: rung.append(clock.monotonic()))
    await machine.advance(1.5)
    assert rung == [51]
    await machine.advance(5)
    assert rung == [51, 53]


async def test_timer_rings_when_the_clock_is_moved(clock: RunningClock) -> None:
    rung: list[float] = []
    clock.wake_after(3600, lambda: rung.append(clock.monotonic()))
    await clock.advance(3599)
    assert rung == []
    await clock.advance(1)
    assert rung == [3650]


async def test_moved_clock_goes_on_unless_it_is_frozen(
    clock: RunningClock, machine: MovableClock
) -> None:
    await clock.advance(100)
    await machine.advance(1)
    assert clock.monotonic() == 151
    clock.freeze()
    await clock.advance(100)
    await machine.advance(1)
    assert clock.monotonic() == 251


async def test_timer_that_was_due_when_it_was_frozen_is_not_lost(
    clock: RunningClock, machine: MovableClock
) -> None:
    rung = asyncio.Event()
    clock.wake_at(51, rung.set)
    machine._now = 52  # the machine has come that far, and its timers have not rung yet
    clock.freeze()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert rung.is_set()


async def test_cancelled_timer_does_not_ring(clock: RunningClock, machine: MovableClock) -> None:
    rung = asyncio.Event()
    clock.wake_after(1, rung.set).cancel()
    await machine.advance(5)
    assert not rung.is_set()


async def test_jump_moves_the_wall_alone_until_it_is_set_right(
    clock: RunningClock, machine: MovableClock
) -> None:
    clock.jump(-3600)
    assert (clock.monotonic(), clock.wall()) == (50, machine.wall() - 3600)
    await clock.advance(7)
    clock.set_right()
    assert clock.wall() == machine.wall()


async def test_closed_clock_rings_no_more(clock: RunningClock, machine: MovableClock) -> None:
    rung = asyncio.Event()
    clock.wake_after(1, rung.set)
    clock.close()
    await machine.advance(5)
    assert not rung.is_set()
