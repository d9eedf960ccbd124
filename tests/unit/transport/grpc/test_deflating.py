"""Long messages are compressed by one thread, some of each in turns."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator, Iterator

import pytest

from etcdpy.cooperative import Pieces
from etcdpy.transport.grpc import deflating
from etcdpy.transport.grpc.deflating import STEPS_TOGETHER, deflated, deflated_pieces
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
