"""Memory that was taken for a while is given back when it is quiet."""

from __future__ import annotations

import gc
import platform
import queue
import sys
import threading
import weakref

import pytest

from etcdpy.memory import Budget
from etcdpy.server.trimming import LEAST, QUIET_LOOKS, Trimmer, give_back, private_bytes

MIB = 1 << 20


class World:
    """A process whose size is as it is set, and the threads on which memory was given back."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.trimmed: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
        self._others = set(threading.enumerate())
        self._budget = Budget()
        Trimmer(self._budget, lambda: self.size, self._trim)
        self._budget.look()

    def _trim(self) -> None:
        self.trimmed.put(threading.current_thread())

    def look(self, number: int) -> None:
        for _ in range(number):
            self._budget.look()

    def is_trimmed(self) -> bool:
        """Wait until memory was given back, on a thread for that alone."""
        thread = self.trimmed.get(timeout=60)
        thread.join()
        return thread.name == "trim"

    @property
    def is_left_alone(self) -> bool:
        return self.trimmed.empty() and self._others.issuperset(threading.enumerate())


def test_it_is_given_back_on_a_thread_once_the_process_grows_no_more() -> None:
    world = World(50 * MIB)
    for size in (80, 140, 200, 190):
        world.size = size * MIB
        world.look(1)
        assert world.is_left_alone
    world.look(QUIET_LOOKS - 2)
    assert world.is_left_alone
    world.look(1)
    assert world.is_trimmed()


def test_what_is_in_use_nevertheless_is_not_given_back_again() -> None:
    world = World(50 * MIB)
    world.size = 200 * MIB
    world.look(QUIET_LOOKS + 1)
    assert world.is_trimmed()
    world.size = 190 * MIB
    world.look(5 * QUIET_LOOKS)
    assert world.is_left_alone
    # But what comes on top is.
    world.size += LEAST + LEAST // 2
    world.look(QUIET_LOOKS + 1)
    assert world.is_trimmed()


def test_little_is_not_worth_it_nor_is_an_eighth_of_much() -> None:
    for size, growth in ((50 * MIB, LEAST - 1), (800 * MIB, 99 * MIB)):
        world = World(size)
        world.size += growth
        world.look(3 * QUIET_LOOKS)
        assert world.is_left_alone


def test_process_that_has_become_smaller_has_grown_when_it_is_large_again() -> None:
    world = World(200 * MIB)
    world.size = 100 * MIB
    world.look(1)
    world.size = 200 * MIB
    world.look(QUIET_LOOKS + 1)
    assert world.is_trimmed()


def test_process_of_which_nothing_is_known_is_left_alone() -> None:
    world = World(0)
    world.look(3 * QUIET_LOOKS)
    assert world.is_left_alone


class Garbage:
    """What refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_left_of_cancelled_calls_is_collected_first() -> None:
    world = World(MIB)
    world.size += LEAST
    gc.disable()
    try:
        left = weakref.ref(Garbage())
        world.look(QUIET_LOOKS)
        assert left() is not None
        world.look(1)
        assert left() is None
    finally:
        gc.enable()
    assert world.is_trimmed()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_size_is_that_of_what_the_process_has_for_itself() -> None:
    before = private_bytes()
    taken = bytearray(b"x") * (64 * MIB)
    assert 32 * MIB < private_bytes() - before < 128 * MIB
    del taken


def test_the_c_library_of_gnu_can_do_it() -> None:
    assert give_back() == (platform.libc_ver()[0] == "glibc")
