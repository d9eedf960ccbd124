"""Memory that was held for a while is given back when it is quiet."""

from __future__ import annotations

import gc
import platform
import threading
import weakref

from etcdpy.memory import MUCH, QUIET_LOOKS, Account, Budget
from etcdpy.server.trimming import give_back, trim_after_peaks


def test_it_is_given_back_on_a_thread_once_it_has_been_quiet() -> None:
    budget = Budget()
    called = threading.Event()
    threads: list[str] = []

    def trim() -> None:
        threads.append(threading.current_thread().name)
        called.set()

    trim_after_peaks(budget, trim)
    account = Account(budget)
    account.add(MUCH)
    account.give(MUCH)
    for _ in range(QUIET_LOOKS):
        assert not threads
        budget.look()
    assert called.wait(60)
    assert threads == ["trim"]


class Garbage:
    """What refers to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_left_of_cancelled_calls_is_collected_first() -> None:
    budget = Budget()
    trim_after_peaks(budget, lambda: None)
    gc.disable()
    try:
        left = weakref.ref(Garbage())
        account = Account(budget)
        account.add(MUCH)
        account.give(MUCH)
        for _ in range(QUIET_LOOKS):
            assert left() is not None
            budget.look()
        assert left() is None
    finally:
        gc.enable()


def test_the_c_library_of_gnu_can_do_it() -> None:
    assert give_back() == (platform.libc_ver()[0] == "glibc")
