"""Long messages are compressed by one thread, some of each in turns."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Iterator

import pytest

from etcdpy.cooperative import Pieces
from etcdpy.transport.grpc import deflating
from etcdpy.transport.grpc.deflating import (
    STEPS_TOGETHER,
    deflated,
    deflated_for_all,
    deflated_pieces,
)
from etcdpy.transport.grpc.messages import DEFLATED_PER_STEP, PREFIX

LONG = random.Random(1).randbytes(3 * STEPS_TOGETHER * DEFLATED_PER_STEP)


@pytest.mark.parametrize("message", [LONG, Pieces([LONG[:100_000], LONG[100_000:]])])
async def test_message_is_whole_and_has_its_prefix(message: bytes | Pieces) -> None:
    prefix, body = await deflated(message)
    assert PREFIX.unpack(prefix) == (1, len(body))
    assert gzip.decompress(body) == LONG


async def pieces(*some: bytes) -> AsyncIterator[bytes]:
    for piece in some:
        yield piece


async def test_message_that_is_made_meanwhile_is_whole_and_told_of() -> None:
    held: list[int] = []
    prefix, body = await deflated_pieces(pieces(LONG[:100_000], LONG[100_000:]), held.append)
    assert isinstance(body, Pieces)
    assert PREFIX.unpack(prefix) == (1, len(body))
    assert gzip.decompress(bytes(body)) == LONG
    assert len(LONG) // 2 < sum(held) <= len(body)
    prefix, body = await deflated_pieces(pieces(b"short"), held.append)
    assert isinstance(body, bytes)
    assert PREFIX.unpack(prefix) == (1, len(body))
    assert gzip.decompress(body) == b"short"


async def test_a_shorter_message_does_not_wait_for_all_of_a_longer_one() -> None:
    ended: list[str] = []

    async def compress(name: str, message: bytes) -> None:
        await deflated(message)
        ended.append(name)

    await asyncio.gather(compress("long", LONG), compress("short", LONG[:100_000]))
    assert ended == ["short", "long"]


async def test_what_is_cancelled_is_compressed_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def steps(_message: bytes) -> Iterator[None]:
        for number in range(100):
            taken.append(number)
            yield

    monkeypatch.setattr(deflating, "compress_steps", steps)
    work = asyncio.ensure_future(deflated(LONG))
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    for _ in range(3):
        await asyncio.get_running_loop().run_in_executor(deflating._thread(), int)
    assert len(taken) <= STEPS_TOGETHER


async def test_what_many_send_at_a_time_is_compressed_once() -> None:
    sent = await asyncio.gather(
        *[deflated_for_all(b"start", LONG) for _ in range(10)], deflated_for_all(b"other", LONG)
    )
    assert len({id(body) for _, body in sent}) == 2
    for (prefix, body), start in zip(sent, [b"start"] * 10 + [b"other"], strict=True):
        assert PREFIX.unpack(prefix) == (1, len(body))
        assert gzip.decompress(body) == start + LONG
    await asyncio.sleep(0)
    assert not deflating._under_way


async def test_who_gives_up_takes_it_from_nobody_and_the_last_ends_it() -> None:
    first, second = (asyncio.ensure_future(deflated_for_all(b"", LONG)) for _ in range(2))
    await asyncio.sleep(0)
    (work,) = deflating._under_way.values()
    first.cancel()
    _, body = await second
    assert gzip.decompress(body) == LONG
    last = asyncio.ensure_future(deflated_for_all(b"x", LONG))
    await asyncio.sleep(0)
    (work,) = (one for one in deflating._under_way.values() if not one.task.done())
    last.cancel()
    with pytest.raises(asyncio.CancelledError):
        await last
    with pytest.raises(asyncio.CancelledError):
        await work.task
    assert not deflating._under_way
