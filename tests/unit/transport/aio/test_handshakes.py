"""Handshakes take turns, a few in each of the loop's, and those that take too many places go."""

from __future__ import annotations

import asyncio
import logging

import pytest

from etcdpy.clock import stopwatch
from etcdpy.transport.aio import handshakes as module
from etcdpy.transport.aio.handshakes import Handshakes


class Shaking:
    """A handshake that notes what becomes of it."""

    def __init__(self, queue: Handshakes, log: list[str], name: str, work: float = 0.0) -> None:
        self._queue, self._log, self._name, self._work = queue, log, name, work
        queue.arrived(self)

    def step(self) -> None:
        began = stopwatch()
        while stopwatch() - began < self._work:
            pass
        self._log.append(self._name)

    def give_up(self, why: str) -> None:
        self._log.append(f"{self._name}: {why}")
        self._queue.left(self)

    def close(self) -> None:
        self._log.append(f"{self._name} closed")
        self._queue.left(self)


class Broken(Shaking):
    def step(self) -> None:
        raise ZeroDivisionError


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_each_gets_its_turn_in_order() -> None:
    queue, log = Handshakes(), list[str]()
    for name in "abc":
        queue.ask(Shaking(queue, log, name))
    assert log == []
    await turns()
    assert log == ["a", "b", "c"]
    assert len(queue) == 3


async def test_work_beyond_the_budget_waits_for_the_next_turn_of_the_loop() -> None:
    queue, log = Handshakes(), list[str]()
    for name in "abcd":
        queue.ask(Shaking(queue, log, name, work=2 * module.BUDGET_SECONDS))
    seen = []
    while len(log) < 4:
        seen.append(len(log))
        await asyncio.sleep(0)
    assert {1, 2, 3} <= set(seen)


async def test_those_that_begin_and_those_under_way_take_turns() -> None:
    queue, log = Handshakes(), list[str]()
    old = [Shaking(queue, log, name) for name in "ab"]
    for one in old:
        queue.ask(one)
    await turns()
    log.clear()
    for name in "xy":
        queue.ask(Shaking(queue, log, name))
    for one in old:
        queue.ask(one)
    await turns()
    assert log == ["a", "x", "b", "y"]


async def test_of_too_many_the_one_that_has_had_the_most_time_goes() -> None:
    queue, log = Handshakes(most=2), list[str]()
    for name in "abc":
        queue.ask(Shaking(queue, log, name))
    await turns()
    assert log == ["a", "b", "a: tls: too many handshakes at a time", "c"]
    assert len(queue) == 2


async def test_one_that_left_is_not_asked_for() -> None:
    queue, log = Handshakes(), list[str]()
    gone = Shaking(queue, log, "gone")
    queue.ask(gone)
    queue.left(gone)
    queue.left(gone)
    await turns()
    assert (log, len(queue)) == ([], 0)


async def test_fault_of_one_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    queue, log = Handshakes(), list[str]()
    queue.ask(Broken(queue, log, "broken"))
    queue.ask(Shaking(queue, log, "a"))
    with caplog.at_level(logging.ERROR):
        await turns()
    assert log == ["broken closed", "a"]
    assert [record.msg for record in caplog.records] == ["handshake failed"]


async def test_end_of_the_server_ends_all_of_them() -> None:
    queue, log = Handshakes(), list[str]()
    for name in "ab":
        Shaking(queue, log, name)
    queue.close()
    assert sorted(log) == ["a closed", "b closed"]
    assert len(queue) == 0
