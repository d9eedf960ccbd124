"""Streams and signals are as a server needs them, whoever started it."""

from __future__ import annotations

import subprocess
import sys

import pytest

TAKE_OVER = "import os, signal, sys; from etcdpy.server import process_state as it;"


def run(code: str) -> str:
    """Run code in a process of its own and return what it printed."""
    ended = subprocess.run([sys.executable, "-c", TAKE_OVER + code], capture_output=True, text=True)
    assert ended.stderr == ""
    return ended.stdout


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
def test_closed_streams_are_open_on_nothing(closed: list[int]) -> None:
    code = f"""
kept = os.dup(1)
for number in {closed}: os.close(number)
for name in [("stdin", "stdout", "stderr")[number] for number in {closed}]: setattr(sys, name, None)
it.take_over()
assert sys.stdin.read() == "" if 0 in {closed} else True
sys.stdout.write("to nobody\\n" if 1 in {closed} else ""); sys.stdout.flush()
sys.stderr.write("to nobody\\n" if 2 in {closed} else ""); sys.stderr.flush()
null = os.stat(os.devnull)
same = [number for number in range(3) if os.path.samestat(os.fstat(number), null)]
assert all(map(os.get_inheritable, same))
os.write(kept, repr([n for n in same if n in {closed}]).encode())
"""
    assert run(code) == repr(closed)


def test_open_streams_are_left_alone() -> None:
    code = "before = os.fstat(1), sys.stdout; it.take_over(); "
    code += "print(os.path.samestat(before[0], os.fstat(1)), before[1] is sys.stdout)"
    assert run(code) == "True True\n"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_blocked_or_ignored_signals_that_stop_are_heard(name: str) -> None:
    code = f"signal.pthread_sigmask(signal.SIG_BLOCK, [signal.{name}, signal.SIGHUP]);"
    code += f"signal.signal(signal.{name}, signal.SIG_IGN); it.take_over();"
    code += f"print(signal.getsignal(signal.{name}) == signal.SIG_DFL,"
    code += "signal.pthread_sigmask(signal.SIG_BLOCK, []) == {signal.SIGHUP})"
    assert run(code) == "True True\n"


def test_a_handler_is_kept() -> None:
    code = "signal.signal(signal.SIGTERM, print); it.take_over();"
    code += "print(signal.getsignal(signal.SIGTERM) is print)"
    assert run(code) == "True\n"


def test_interrupt_ends_it_without_a_traceback() -> None:
    code = "it.take_over(); print(signal.getsignal(signal.SIGINT) == signal.SIG_DFL)"
    assert run(code) == "True\n"
