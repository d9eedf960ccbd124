"""Memory that was taken for a while is given back when it is quiet."""

from __future__ import annotations

import gc
import platform
import queue
import sys
import threading
import weakref

import pytest

from etcdpy.memory import Account, Budget
from etcdpy.server.trimming import (
    FEW_OBJECTS,
    HELD_LOOKS,
    LEAST,
    MOST_REST,
    QUIET_LOOKS,
    Trimmer,
    forget_names,
    give_back,
    private_bytes,
)

MIB = 1 << 20


class World:
    """A process whose size is as it is set, and the threads on which memory was given back."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.objects = 1_000_000
        self.tracked = 0
        self.seconds = self.takes = 0.0
        self.trimmed: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
        self._others = set(threading.enumerate())
        self.budget = Budget()
        Trimmer(
            self.budget,
            lambda: self.size,
            self._trim,
            lambda: self.objects,
            lambda: self.tracked,
            lambda: self.seconds,
        )
        self.budget.look()

    def _trim(self) -> None:
        self.seconds += self.takes
        self.trimmed.put(threading.current_thread())

    def look(self, number: int) -> None:
        for _ in range(number):
            self.budget.look()

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
    world.size += world.size // 8
    world.look(QUIET_LOOKS + 1)
    assert world.is_trimmed()


def test_little_is_not_worth_it_nor_is_a_sixteenth_of_much() -> None:
    for size, growth in ((20 * MIB, LEAST - 1), (800 * MIB, 49 * MIB)):
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


def grow(world: World) -> None:
    """Let it grow by half, and grow no more."""
    world.size += world.size // 2
    world.look(QUIET_LOOKS + 1)


def test_it_is_said_a_look_before() -> None:
    world = World(50 * MIB)
    told: list[bool] = []
    world.budget.on_quiet = lambda: told.append(world.is_left_alone)
    world.size = 100 * MIB
    world.look(QUIET_LOOKS)
    assert told == [True]
    assert world.is_left_alone
    # What is put away meanwhile may take some memory itself.
    world.size += 2 * MIB
    world.look(1)
    assert world.is_left_alone
    world.look(1)
    assert world.is_trimmed()
    assert told == [True]


def test_it_is_said_once_more_right_before() -> None:
    world = World(50 * MIB)
    told: list[bool] = []
    world.budget.on_trim = lambda: told.append(world.is_left_alone)
    world.size = 100 * MIB
    world.look(QUIET_LOOKS)
    assert told == []
    world.look(1)
    assert world.is_trimmed()
    assert told == [True]


@pytest.mark.parametrize("is_counted", [False, True])
def test_what_was_in_use_for_long_is_given_back_when_it_is_not_any_more(is_counted: bool) -> None:
    world = World(50 * MIB)
    account = Account(world.budget)
    if is_counted:
        account.add(100 * MIB)
    else:
        world.objects += 2_000_000
    grow(world)
    assert world.is_trimmed()
    world.look(10 * HELD_LOOKS)
    assert world.is_left_alone
    # The process is as large as before: what was freed is among what is in use.
    account.close()
    world.objects = 1_000_000
    world.look(HELD_LOOKS + 1)
    assert world.is_trimmed()
    world.look(10 * HELD_LOOKS)
    assert world.is_left_alone


def test_what_comes_and_goes_all_the_time_is_given_back_seldom() -> None:
    world = World(40 * MIB)
    times = 0
    for _ in range(400):
        grow(world)
        if not world.is_left_alone:
            assert world.is_trimmed()
            times += 1
            world.size = 40 * MIB
            world.look(1)
    assert 10 < times < 40
    # And at once again after it was quiet for a while.
    world.size = 40 * MIB
    world.look(2 * MOST_REST)
    for _ in range(2):
        grow(world)
        assert world.is_trimmed()
        world.look(1)


def test_what_takes_long_is_not_done_again_soon() -> None:
    world = World(40 * MIB)
    world.takes = 0.5
    grow(world)
    assert world.is_trimmed()
    world.size = 40 * MIB
    world.look(1)
    grow(world)
    world.look(20)
    assert world.is_left_alone
    world.look(20)
    assert world.is_trimmed()


@pytest.mark.parametrize(("more", "tracked"), [(0, 0), (FEW_OBJECTS, 0), (0, FEW_OBJECTS)])
def test_all_garbage_is_collected_where_there_is_little_to_look_at(more: int, tracked: int) -> None:
    world = World(MIB)
    world.objects += more
    world.tracked = tracked
    gc.disable()
    try:
        old = Garbage()
        gc.collect(0)
        gc.collect(1)
        left = weakref.ref(old)
        del old
        world.size += LEAST
        world.look(QUIET_LOOKS + 1)
        assert (left() is None) == (not more and not tracked)
    finally:
        gc.enable()
    assert world.is_trimmed()


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
def test_names_that_were_looked_up_are_forgotten() -> None:
    name = "".join(["resu", "lt"])
    assert getattr(World(MIB), name, None) is None
    forget_names()
    assert sys.getrefcount(name) == 2


def test_size_is_that_of_what_the_process_has_for_itself() -> None:
    before = private_bytes()
    taken = bytearray(b"x") * (64 * MIB)
    assert 32 * MIB < private_bytes() - before < 128 * MIB
    del taken


def test_the_c_library_of_gnu_can_do_it() -> None:
    assert give_back() == (platform.libc_ver()[0] == "glibc")
