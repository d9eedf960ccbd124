"""The transport's side of a Watch stream, as far as its tests need one."""

from __future__ import annotations

import asyncio

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.watch.output import Joined


class FakeWriter:
    """
    Takes responses one by one while its client reads, which it does at first.

    Attributes:
        reads: Set while the client reads.
        responses: What it was sent.

    """

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.reads.set()
        self.responses: list[pb.WatchResponse] = []

    def try_write(self, start: bytes, body: bytes) -> bool:
        if not self.reads.is_set():
            return False
        self.responses.append(pb.WatchResponse.FromString(start + body))
        return True

    def joined(self, responses: list[tuple[bytes, bytes]]) -> Joined:
        return b""

    def try_write_joined(self, joined: Joined) -> bool:
        return False

    def flush(self) -> None:
        return

    async def write(self, start: bytes, body: bytes) -> None:
        await self.reads.wait()
        assert self.try_write(start, body)

    async def room(self) -> None:
        await self.reads.wait()
