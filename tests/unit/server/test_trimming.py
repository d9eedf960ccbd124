"""Memory that was held for a while is given back when it is quiet."""

from __future__ import annotations

import platform
import threading

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


def test_the_c_library_of_gnu_can_do_it() -> None:
    assert give_back() == (platform.libc_ver()[0] == "glibc")
