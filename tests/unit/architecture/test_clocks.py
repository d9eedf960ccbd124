"""One module reads clocks; all others are handed a ``Clock``, or told the time."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import pytest

from tests.unit.architecture.source import MODULES, Module

#: The module that may.
CLOCK = "clock"

#: Functions of ``time`` that read a clock or wait for one.
READERS = {
    "clock_gettime",
    "clock_gettime_ns",
    "monotonic",
    "monotonic_ns",
    "perf_counter",
    "perf_counter_ns",
    "process_time",
    "process_time_ns",
    "sleep",
    "thread_time",
    "thread_time_ns",
    "time",
    "time_ns",
}
#: Those that read one when they are told no time, and the number of the argument that tells it.
CONVERTERS = {"asctime": 0, "ctime": 0, "gmtime": 0, "localtime": 0, "strftime": 1}

TIMERS = {"call_at", "call_later"}
TODAY = {"now", "today", "utcnow"}

#: What waits for real time and should, by module: threads know no loop and no ``Clock``, and a
#: process that does not end is no matter of the time of day.
WAITS: Mapping[tuple[str, str], str] = {}


def clocks_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of whatever reads a clock, sets a timer or limits a wait."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_reader(node):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module in ("time", "asyncio"):
            names = {alias.name for alias in node.names}
            wanted = READERS | set(CONVERTERS) if node.module == "time" else {"sleep", "wait_for"}
            yield from ((node.lineno, f"from {node.module} import {n}") for n in names & wanted)
        elif isinstance(node, ast.Call) and _is_waiting(node):
            yield node.lineno, ast.unparse(node.func)


def _is_reader(node: ast.Attribute) -> bool:
    owner = ast.unparse(node.value)
    return (
        (owner == "time" and node.attr in READERS)
        or (node.attr == "time" and owner.endswith(("loop", "loop()")))
        or node.attr in TIMERS
        or (node.attr in TODAY and owner.rpartition(".")[2] in ("date", "datetime"))
    )


def _is_waiting(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name == "asyncio.sleep":
        return [ast.unparse(argument) for argument in call.args] != ["0"]
    if name in ("asyncio.wait_for", "asyncio.timeout", "asyncio.timeout_at"):
        return True
    if name == "asyncio.wait":
        return any(keyword.arg == "timeout" for keyword in call.keywords)
    module, _, function = name.rpartition(".")
    return module == "time" and len(call.args) <= CONVERTERS.get(function, -1)


def _found() -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for module in MODULES.values():
        if module.name != CLOCK:
            for line, text in clocks_in(module.tree):
                found.setdefault((module.name, text), []).append(_place(module, line, text))
    return found


def _place(module: Module, line: int, text: str) -> str:
    return f"{module.place}:{line} {text}"


def test_no_clock_is_read_outside_its_module() -> None:
    found = _found()
    assert [place for key, places in found.items() if key not in WAITS for place in places] == []


def test_no_exception_has_outlived_its_reason() -> None:
    assert set(WAITS) <= set(_found())


@pytest.mark.parametrize(
    "text",
    [
        "time.monotonic()",
        "Keeper(time.time)",
        "from time import perf_counter",
        "time.sleep(1)",
        "time.localtime()",
        "time.strftime('%z')",
        "datetime.now(timezone.utc)",
        "datetime.datetime.utcnow()",
        "self._loop.time()",
        "asyncio.get_running_loop().time()",
        "loop.call_later(1, f)",
        "asyncio.get_running_loop().call_at(1, f)",
        "asyncio.sleep(0.1)",
        "asyncio.sleep(seconds)",
        "asyncio.wait_for(future, 1)",
        "asyncio.wait(tasks, timeout=1)",
    ],
)
def test_what_reads_a_clock_is_recognised(text: str) -> None:
    assert len(list(clocks_in(ast.parse(text)))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "clock.monotonic()",
        "self._clock.sleep(1)",
        "clock.wake_at(1, f)",
        "asyncio.sleep(0)",
        "asyncio.wait(tasks)",
        "time.localtime(seconds)",
        "time.strftime('%z', local)",
        "datetime.fromtimestamp(seconds)",
        "condition.wait_for(is_over, 1)",
        "stopwatch()",
        "import time",
    ],
)
def test_what_is_told_the_time_is_not_taken_for_it(text: str) -> None:
    assert list(clocks_in(ast.parse(text))) == []
