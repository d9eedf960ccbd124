"""
Sharing the loop: long work in slices, and replies that wait for the disk.

Work whose length depends on the data is a generator of ``Steps``: it yields between slices of
about half a millisecond, and returns its result. Such a generator knows no loop; whoever owns
one runs it here, so that others have their turns in between.
"""

from __future__ import annotations

import asyncio
from asyncio import Future, Task
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterable
from functools import partial
from inspect import iscoroutine
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from etcdpy.clock import stopwatch

__all__ = [
    "Baton",
    "DeferredReply",
    "LongReply",
    "Pace",
    "Pieces",
    "Started",
    "Steps",
    "T",
    "Trickle",
    "Turnstile",
    "begin",
    "finish",
    "outcome",
    "paced",
    "rest",
    "run",
    "started",
    "turn",
]

T = TypeVar("T")
Steps = Generator[None, None, T]
#: What ``started`` returns.
Started: TypeAlias = T | Steps[T]

STEPS_WITH_BATON: Final = 32
"""About as many as a reply of several megabytes takes, or ten milliseconds."""


async def turn() -> None:
    """Let all others who are ready have their turn."""
    # asyncio: a sleep of 0 gives way exactly once, to all that are ready by now.
    await asyncio.sleep(0)


def finish(steps: Steps[T]) -> T:
    """Run steps to their end without a pause and return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


def started(steps: Steps[T]) -> Started[T]:
    """
    Take the first step; return the result, or the steps if there are more.

    What steps hold that have begun is let go when they are dropped, too.
    """
    try:
        next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    return steps


async def run(steps: Steps[T]) -> T:
    """
    Run steps to their end, one in each turn of the loop, beginning in this one.

    Cancelling it closes the generator where it stands.
    """
    try:
        # In this turn: work that is done in one step, as most is, waits for nobody.
        next(steps)
    except StopIteration as done:
        result: T = done.value
        return result
    return await rest(steps)


async def rest(steps: Steps[T], between: Callable[[], None] | None = None) -> T:
    """
    Run steps whose first was taken to their end, one in each turn, beginning with the next.

    Args:
        between: Called after each step but the last.

    """
    try:
        while True:
            # First of all, as the step before was taken in this turn.
            await asyncio.sleep(0)
            try:
                next(steps)
            except StopIteration as done:
                result: T = done.value
                return result
            if between is not None:
                between()
    finally:
        # When it is cancelled half way, what the steps hold is let go now and not by the collector.
        steps.close()


def begin(coroutine: Coroutine[Any, None, None]) -> Task[None] | None:
    """
    Run a coroutine in this turn, up to where it first waits; return what goes on with it.

    Most are done by then, for which a task, and another turn, would have been made in vain. Until
    it waits for the first time there is no current task.
    """
    try:
        first = coroutine.send(None)
    except StopIteration:
        return None
    return asyncio.get_running_loop().create_task(_Begun(coroutine, first))


class _Begun(Coroutine[Any, None, None]):
    """
    A coroutine that waits already.

    Args:
        coroutine: It.
        first: What it waits for.

    """

    __slots__ = ("_coroutine", "_first")

    def __init__(self, coroutine: Coroutine[Any, None, None], first: Any) -> None:
        self._coroutine = coroutine
        self._first = first
        if first is not None:
            # asyncio: "I am awaited", which a future says to the task of who awaits it. Until
            # there is one, others may await it too.
            first._asyncio_future_blocking = False

    def send(self, value: None, /) -> Any:
        first, self._first = self._first, _TAKEN
        if first is _TAKEN:
            return self._coroutine.send(value)
        if first is not None:
            first._asyncio_future_blocking = True
        return first

    def throw(self, *error: Any) -> Any:
        self._first = _TAKEN
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, None, None]:
        return self  # type: ignore[return-value]  # of which only the above is asked

    def __next__(self) -> Any:
        return self.send(None)


_TAKEN: Final = object()


async def paced(items: Iterable[T], seconds: float) -> AsyncIterator[T]:
    """Go through ``items``, giving others a turn whenever that has taken so many seconds."""
    began = stopwatch()
    for item in items:
        yield item
        if stopwatch() - began >= seconds:
            await asyncio.sleep(0)
            # The others' turns do not count as ours.
            began = stopwatch()


class Pace:
    """
    Gives way whenever enough has been done, for work that is no generator.

    Args:
        work_per_turn: How much may be done in one turn of the loop, in units of the caller's.

    Attributes:
        work: What was done in this turn; callers add to it.

    """

    __slots__ = ("_limit", "work")

    def __init__(self, work_per_turn: float) -> None:
        self._limit = work_per_turn
        self.work: float = 0

    async def give_way(self) -> None:
        """Let others have their turn if enough was done."""
        if self.work >= self._limit:
            self.work = 0
            await asyncio.sleep(0)


class Turnstile:
    """Lets one of those who have done much go on in each turn of the loop, in order."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[Future[None]] = deque()

    async def turn(self) -> None:
        """Let all others have their turn, and before that all who wait here."""
        loop = asyncio.get_running_loop()
        called: Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._call_next, loop)
        self._waiting.append(called)
        await called

    def _call_next(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = self._waiting
        while waiting:
            called = waiting.popleft()
            if not called.done():  # cancelled
                called.set_result(None)
                break
        if waiting:
            loop.call_soon(self._call_next, loop)


class Trickle:
    """
    Calls back thousands who are all due at once: some of them in each turn of the loop.

    Args:
        at_once: How many; what each then does should take no more than some milliseconds together.

    """

    __slots__ = ("_at_once", "_is_scheduled", "_waiting")

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._is_scheduled = False
        self._waiting: deque[Callable[[], object]] = deque()

    def turn(self) -> Future[None] | None:
        """Return what resolves behind all who wait for their turn, None if nobody does."""
        if not self._waiting:
            return None
        called: Future[None] = asyncio.get_running_loop().create_future()
        self.call(partial(_resolve, called))
        return called

    def call(self, callback: Callable[[], object]) -> None:
        """Have something called when it is its turn, in a later turn of the loop."""
        self._waiting.append(callback)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        self._is_scheduled = False
        waiting = self._waiting
        try:
            for _ in range(min(self._at_once, len(waiting))):
                waiting.popleft()()
        finally:
            # Also when one has raised: it is not for the others to wait for ever.
            if waiting:
                self._schedule()


def _resolve(called: Future[None]) -> None:
    if not called.done():  # cancelled
        called.set_result(None)


class Baton:
    """
    Lets those who share it run long steps one after the other: one step of all in a turn.

    Each with a step in every turn, ten of them would make every turn ten times as long. And what
    one of them has just let go of, the next can use while it is still in the processor's caches.
    One that has gone on for ``STEPS_WITH_BATON`` gives way to those who wait.
    """

    __slots__ = ("_is_taken", "_waiting")

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: deque[Future[None]] = deque()

    async def run(self, steps: Steps[T]) -> T:
        """
        Run steps to their end; if they are done in one, as most are, nobody is waited for.

        Cancelling it closes the generator where it stands.
        """
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result
        return await self.rest(steps)

    async def rest(self, steps: Steps[T], check: Callable[[], None] | None = None) -> T:
        """
        Run steps whose first was taken to their end.

        Cancelling it closes the generator where it stands.

        Args:
            steps: What to run.
            check: Called when it is their turn for the first time; what it raises ends them.

        """
        try:
            while True:
                await self._take()
                try:
                    if check is not None:
                        check()
                        check = None
                    for _ in range(STEPS_WITH_BATON):
                        await asyncio.sleep(0)
                        try:
                            next(steps)
                        except StopIteration as done:
                            result: T = done.value
                            return result
                finally:
                    self._pass_on()
        finally:
            steps.close()

    async def _take(self) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        passed = asyncio.get_running_loop().create_future()
        self._waiting.append(passed)
        try:
            await passed
        except BaseException:
            # It may have been passed on to one who is cancelled before that could be seen. And
            # whoever is without a task leaves a future behind that is not cancelled with it.
            if not passed.cancel() and not passed.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            passed = self._waiting.popleft()
            if not passed.done():  # cancelled
                passed.set_result(None)
                return
        self._is_taken = False


class Pieces:
    """
    A long reply in pieces, one after the other.

    One run of bytes would have to be allocated and copied at once, or grow by being copied again
    and again; and its first byte could not be let go of before the last one is sent.

    Args:
        pieces: Two at least, none of them empty, and in all more than a frame of the transport
            holds; the list is taken over.

    Attributes:
        pieces: The same.

    """

    __slots__ = ("_size", "pieces")

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces
        self._size = sum(map(len, pieces))

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self.pieces)


class LongReply:
    """
    A reply that is too long to be held: it is made while it is sent.

    Args:
        size: Its bytes, all of them.
        ends: What it begins and ends with, for those who look at no more of it.
        pieces: Makes it, one after the other, none of them empty. Whoever has the reply goes
            through them, or closes them.

    Attributes:
        ends: As given.
        pieces: As given.

    """

    __slots__ = ("_size", "ends", "pieces")

    def __init__(self, size: int, ends: bytes, pieces: AsyncGenerator[bytes, None]) -> None:
        self._size = size
        self.ends = ends
        self.pieces = pieces

    def __len__(self) -> int:
        return self._size


class DeferredReply(NamedTuple):
    """
    A reply that only has to be held back, mostly until what it tells of is on the disk.

    Attributes:
        response: The reply.
        ready: Resolved when it may be sent, or failed with why the call fails; None for at once.

    """

    response: Any
    ready: Future[None] | None


async def outcome(returned: Any) -> Any:
    """Return the reply of a method, given what it returned: that, or what leads to it."""
    response = await returned if iscoroutine(returned) else returned
    if type(response) is DeferredReply:
        if response.ready is not None:
            await response.ready
        return response.response
    return response
