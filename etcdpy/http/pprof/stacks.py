"""
Where all threads and tasks are just now.

There are names of code in it, files and lines, and no values.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from etcdpy.cooperative import paced

__all__ = ["Call", "Stack", "grouped", "listed", "tasks", "threads"]

#: What is done between two turns of the loop.
SLICE_SECONDS: Final = 0.0005

#: Calls of one stack that are told. Only a recursion is deeper.
MOST_CALLS: Final = 100


class Call(NamedTuple):
    """One call: the code, and the number of its line that is running."""

    code: CodeType
    line: int

    def __str__(self) -> str:
        name = getattr(self.code, "co_qualname", self.code.co_name)  # Python 3.11 has it
        return f"{name}\n\t{self.code.co_filename}:{self.line}\n"


class Stack(NamedTuple):
    """
    A thread or a task.

    Attributes:
        kind: Which of them.
        name: Its own.
        state: Whether it runs or waits, of a task; Python does not know it of threads.
        calls: The innermost first.

    """

    kind: str
    name: str
    state: str
    calls: tuple[Call, ...]


def threads() -> list[Stack]:
    """Return all threads that run Python."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return [
        Stack("thread", names.get(ident, str(ident)), "", tuple(_outwards(frame)))
        for ident, frame in sys._current_frames().items()
    ]


async def tasks() -> list[Stack]:
    """Return all tasks of the loop, letting others run in between."""
    current = asyncio.current_task()
    stacks = []
    async for task in paced(asyncio.all_tasks(), SLICE_SECONDS):
        calls = tuple(_inwards(task.get_coro()))[::-1]
        if calls:  # it may have ended meanwhile
            state = "running" if task is current else "waiting"
            stacks.append(Stack("task", task.get_name(), state, calls))
    return stacks


def _outwards(frame: FrameType | None) -> Iterator[Call]:
    """Yield the calls of a thread, the innermost first."""
    for _ in range(MOST_CALLS):
        if frame is None:
            return
        yield Call(frame.f_code, frame.f_lineno)
        frame = frame.f_back


def _inwards(awaited: Any) -> Iterator[Call]:
    """Yield the calls of a coroutine, the outermost first, down to the one that waits."""
    for _ in range(MOST_CALLS):
        # Of a coroutine, or of a generator that stands for one; what it ends with is a future.
        is_coroutine = hasattr(awaited, "cr_frame")
        frame = getattr(awaited, "cr_frame" if is_coroutine else "gi_frame", None)
        if frame is None:
            return
        yield Call(frame.f_code, frame.f_lineno)
        awaited = awaited.cr_await if is_coroutine else awaited.gi_yieldfrom


async def listed(stacks: Iterable[Stack]) -> str:
    """Return stacks as text, one after the other, each with its name."""
    return "".join(
        [_text(stack.kind, stack.name, stack) async for stack in paced(stacks, SLICE_SECONDS)]
    )


async def grouped(stacks: Iterable[Stack]) -> str:
    """Return stacks as text, tasks that are alike together, the most frequent first."""
    alike: Counter[Stack] = Counter()
    async for stack in paced(stacks, SLICE_SECONDS):
        # The names of tasks are numbers; those of threads say something.
        alike[stack._replace(name="") if stack.kind == "task" else stack] += 1
    parts = []
    async for stack, number in paced(alike.most_common(), SLICE_SECONDS):
        kind = f"{number} {stack.kind}s" if number > 1 else f"1 {stack.kind}"
        parts.append(_text(kind, stack.name, stack))
    return "".join(parts)


def _text(kind: str, name: str, stack: Stack) -> str:
    title = " ".join(filter(None, (kind, name, stack.state and f"[{stack.state}]")))
    return f"{title}:\n{''.join(map(str, stack.calls))}\n"
