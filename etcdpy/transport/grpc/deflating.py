"""
Compressing long messages away from the loop.

A megabyte takes some thirty milliseconds, for nearly all of which zlib lets go of the interpreter
lock. One thread does it for all calls, a part of each in turns, so that a reply of sixty megabytes
holds up no other for long; and it takes one core at most, however many ask for it.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from etcdpy.cooperative import Pieces, Steps
from etcdpy.transport.grpc.messages import (
    DEFLATED_PER_STEP,
    GZIP_WINDOW,
    PREFIX,
    compress_steps,
)

STEPS_TOGETHER: Final = 8
"""Of 64 KiB each, in which half a megabyte is compressed before other calls have their turn."""


@cache
def _thread() -> ThreadPoolExecutor:
    # Made when it is first needed; few clients ask for gzip, and fewer for much of it.
    return ThreadPoolExecutor(1, "deflate")


async def deflated(message: bytes | Pieces) -> tuple[bytes, bytes]:
    """
    Return the prefix and body of a long message on a stream that uses gzip.

    Cancelling it ends the work with the part that is being compressed.
    """
    steps = compress_steps(message)
    run = asyncio.get_running_loop().run_in_executor
    while (done := await run(_thread(), _some_of, steps)) is None:
        pass
    return done


async def deflated_for_all(start: bytes, body: bytes) -> tuple[bytes, bytes]:
    """
    Do the same with a message in two parts, once for all who send the same ones at a time.

    Hundreds of streams may be sent one event: none has a copy of it, and it is compressed once.

    Args:
        start: How it begins.
        body: The rest, the same object wherever it is the same.

    """
    loop = asyncio.get_running_loop()
    key = loop, id(body), start
    work = _under_way.get(key)
    if work is None:
        # The task has the body, so no other has its id meanwhile.
        task = loop.create_task(deflated(Pieces([start, body])))
        work = _under_way[key] = _Work(task)
        task.add_done_callback(lambda _: _under_way.pop(key, None))
    work.wanted += 1
    try:
        return await asyncio.shield(work.task)
    except asyncio.CancelledError:
        work.wanted -= 1
        if not work.wanted:
            _under_way.pop(key, None)
            work.task.cancel()
        raise


class _Work:
    """
    A message that is being compressed.

    Attributes:
        task: Does it.
        wanted: How many wait for it.

    """

    __slots__ = ("task", "wanted")

    def __init__(self, task: asyncio.Task[tuple[bytes, bytes]]) -> None:
        self.task = task
        self.wanted = 0


_under_way: dict[tuple[asyncio.AbstractEventLoop, int, bytes], _Work] = {}


async def deflated_pieces(
    pieces: AsyncIterator[bytes], hold: Callable[[int], None]
) -> tuple[bytes, bytes | Pieces]:
    """
    Do the same with a message that is made meanwhile: no more is held than what comes of it.

    Args:
        pieces: Makes it, each piece about as long as is compressed in one go.
        hold: Is told of the bytes that are held; what it raises ends it.

    """
    run = asyncio.get_running_loop().run_in_executor
    deflater = zlib.compressobj(wbits=GZIP_WINDOW)
    made: list[bytes] = []
    gathered = bytearray()
    async for piece in pieces:
        part = await run(_thread(), deflater.compress, piece)
        hold(len(part))
        gathered += part
        if len(gathered) >= DEFLATED_PER_STEP:
            made.append(bytes(gathered))
            gathered.clear()
    # Never nothing: it has what it begins with, or its checksum.
    made.append(bytes(gathered + await run(_thread(), deflater.flush)))
    body = Pieces(made) if len(made) > 1 else made[0]
    return PREFIX.pack(1, len(body)), body


def _some_of(steps: Steps[tuple[bytes, bytes]]) -> tuple[bytes, bytes] | None:
    try:
        for _ in range(STEPS_TOGETHER):
            next(steps)
    except StopIteration as done:
        result: tuple[bytes, bytes] = done.value
        return result
    return None
