"""Where threads and tasks are, as it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from types import coroutine
from typing import Any

from etcdpy.http.pprof import stacks
from etcdpy.http.pprof.stacks import Call, Stack


def names(stack: Stack) -> list[str]:
    return [call.code.co_name for call in stack.calls]


async def outer(secret: str, until: asyncio.Event) -> None:
    await inner(until)


async def inner(until: asyncio.Event) -> None:
    await until.wait()


async def around(until: asyncio.Event) -> None:
    await by_generator(until)


@coroutine
def by_generator(until: asyncio.Event) -> Generator[Any, Any, None]:
    # Only such a generator may.
    yield from until.wait()


@asynccontextmanager
async def waiting(*names: str) -> AsyncIterator[None]:
    """Have a task of each name wait."""
    until = asyncio.Event()
    begun = [asyncio.create_task(outer("hunter2", until), name=name) for name in names]
    await asyncio.sleep(0)
    yield
    until.set()
    await asyncio.wait(begun)


async def named(name: str) -> Stack:
    (found,) = [stack for stack in await stacks.tasks() if stack.name == name]
    return found


async def test_task_is_shown_down_to_where_it_waits() -> None:
    async with waiting("one"):
        stack = await named("one")
    assert (stack.kind, stack.state) == ("task", "waiting")
    assert names(stack) == ["wait", "inner", "outer"]


async def test_generators_that_stand_for_coroutines_are_no_end() -> None:
    until = asyncio.Event()
    task = asyncio.create_task(around(until), name="old")
    await asyncio.sleep(0)
    assert names(await named("old")) == ["wait", "by_generator", "around"]
    until.set()
    await task


async def test_the_one_that_asks_runs() -> None:
    task = asyncio.current_task()
    assert task is not None
    assert (await named(task.get_name())).state == "running"


async def test_threads_are_shown_with_their_names() -> None:
    begun, end = threading.Event(), threading.Event()

    def wait_here() -> None:
        begun.set()
        end.wait()

    thread = threading.Thread(target=wait_here, name="committer of a test")
    thread.start()
    begun.wait()
    (stack,) = [stack for stack in stacks.threads() if stack.name == "committer of a test"]
    end.set()
    thread.join()
    assert stack.kind == "thread"
    assert "wait_here" in names(stack)
    assert names(stack)[-1] == "_bootstrap"


async def test_recursion_is_cut() -> None:
    async def deep(more: int) -> list[Stack]:
        return await deep(more - 1) if more else stacks.threads()

    assert max(len(stack.calls) for stack in await deep(200)) == stacks.MOST_CALLS


async def test_those_that_are_alike_are_told_once() -> None:
    async with waiting("one", "two", "three"):
        found = [await named("one"), await named("two"), await named("three")]
        text = await stacks.grouped(found)
        everything = await stacks.listed(found)
    assert text.startswith(("3 tasks [waiting]:\nEvent.wait\n", "3 tasks [waiting]:\nwait\n"))
    assert text.count("[waiting]") == 1
    assert everything.count("[waiting]") == 3
    assert everything.startswith("task one [waiting]:\n")


async def test_no_value_is_told() -> None:
    async with waiting("one"):
        everything = await stacks.listed([*stacks.threads(), *await stacks.tasks()])
    assert "hunter2" not in everything


async def test_line_is_that_which_runs() -> None:
    call = Call(outer.__code__, 27)
    assert str(call) == f"outer\n\t{__file__}:27\n"
    text = await stacks.grouped([Stack("thread", "committer", "", (call,))])
    assert text == f"1 thread committer:\nouter\n\t{__file__}:27\n\n"
