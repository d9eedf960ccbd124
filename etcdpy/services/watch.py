"""The Watch service: requests to watchers, watchers to responses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from etcdpy.errors import CompactedError, DuplicateWatchIdError, EmptyWatchRangeError
from etcdpy.mvcc.keyrange import bounds
from etcdpy.node.state import Node
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.services.codes import text_of
from etcdpy.transport import join_messages
from etcdpy.watch import Hub, Watcher, WatchStream

#: How much longer than the interval a stream's progress ticks may be apart, as a share of it:
#: drawn once for each stream, so that not all of them tick together.
PROGRESS_JITTER = 0.1

#: Requests of one stream handled between two turns of the loop: a client may send thousands.
REQUESTS_PER_TURN = 256


class WatchService(rpc_pb2_grpc.WatchServicer):
    """
    Watch.

    Args:
        node: Holds the settings.
        hub: Feeds the watchers.

    """

    def __init__(self, node: Node, hub: Hub) -> None:
        self._node = node
        self._hub = hub

    async def Watch(self, requests: AsyncIterator[pb.WatchRequest], context: Any) -> None:
        """
        Serve a stream of watches until the client goes; its half-close ends nothing.

        A request without content is ignored, as in etcd.
        """
        call = _WatchCall(self._node, self._hub, context)
        handled = 0
        try:
            async for request in requests:
                kind = request.WhichOneof("request_union")
                if kind == "create_request":
                    call.create(request.create_request)
                elif kind == "cancel_request":
                    call.stream.cancel(request.cancel_request.watch_id)
                elif kind == "progress_request":
                    if told := self._hub.passed():
                        await told  # of all that was durable when this was asked
                    call.stream.send_progress()
                handled += 1
                if call.output.is_full:
                    await call.output.room()
                elif handled % REQUESTS_PER_TURN == 0:
                    await asyncio.sleep(0)
            await asyncio.get_running_loop().create_future()
        finally:
            call.close()


class _WatchCall:
    """A Watch call: its requests, its progress ticks, and a task while responses wait."""

    __slots__ = ("_interval", "_loop", "_opened", "_ticking", "_writing", "output", "stream")

    def __init__(self, node: Node, hub: Hub, context: Any) -> None:
        self._loop = asyncio.get_running_loop()
        writer = _NativeWriter(context) if hasattr(context, "try_write") else _PlainWriter(context)
        self.stream = WatchStream(hub, node.max_message_bytes, writer, self._start_writing)
        self.output = self.stream.output
        self._writing: asyncio.Task[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._opened = self._loop.time()
        jitter = random.random() * PROGRESS_JITTER  # noqa: S311
        self._interval = node.progress_interval * (1 + jitter)

    def create(self, request: pb.WatchCreateRequest) -> None:
        """Create a watcher, or say why not."""
        # The order of the checks is etcd's.
        stream = self.stream
        if request.start_revision < 0:
            stream.reject(text_of(CompactedError()))
            return
        start, stop = bounds(request.key or b"\0", request.range_end)
        if stop is not None and stop <= start:
            stream.reject(text_of(EmptyWatchRangeError()))
            return
        if request.watch_id in stream.watchers and request.watch_id:
            stream.reject(text_of(DuplicateWatchIdError()))
            return
        watch_id = request.watch_id or stream.free_id()
        watcher = Watcher(stream, watch_id, start, stop, request.start_revision)
        if filters := request.filters:
            watcher.wants_puts = pb.WatchCreateRequest.NOPUT not in filters
            watcher.wants_deletes = pb.WatchCreateRequest.NODELETE not in filters
        watcher.wants_previous = request.prev_kv
        watcher.wants_progress = request.progress_notify
        watcher.fragments = request.fragment
        stream.create(watcher)
        if request.progress_notify and self._ticking is None:
            self._start_ticking()

    def close(self) -> None:
        """End the watchers, and writing."""
        self.stream.close()
        if self._writing is not None:
            self._writing.cancel()
        if self._ticking is not None:
            self._ticking.cancel()

    def _start_ticking(self) -> None:
        # etcd: ticks count from when the stream was opened.
        passed = (self._loop.time() - self._opened) // self._interval
        self._schedule_tick(self._opened + (passed + 1) * self._interval)

    def _schedule_tick(self, at: float) -> None:
        self._ticking = self._loop.call_at(at, self._tick, at)

    def _tick(self, at: float) -> None:
        self.stream.tick()
        self._schedule_tick(at + self._interval)

    def _start_writing(self) -> None:
        if self._writing is None:
            self._writing = self._loop.create_task(self._write())

    async def _write(self) -> None:
        try:
            await self.output.drain()
        except Exception:  # noqa: BLE001 - each transport has its own for a call that has ended
            self.stream.close()
        finally:
            self._writing = None


class _NativeWriter:
    """Writes at once where there is room, without a task."""

    __slots__ = ("_context", "flush", "room", "try_write", "try_write_joined")
    joined = staticmethod(join_messages)

    def __init__(self, context: Any) -> None:
        self._context = context
        self.try_write = context.try_write
        self.try_write_joined = context.try_write_joined
        self.flush = context.flush
        self.room = context.room

    async def write(self, start: bytes, body: bytes) -> None:
        await self._context.room()
        if not self.try_write(start, body):
            raise RuntimeError("the call has ended")


class _PlainWriter:
    """Writes by what every ServicerContext has."""

    __slots__ = ("_write",)

    def __init__(self, context: Any) -> None:
        self._write = context.write

    def joined(self, responses: list[tuple[bytes, bytes]]) -> bytes:
        return b""

    def try_write(self, start: bytes, body: bytes) -> bool:
        return False

    def try_write_joined(self, joined: bytes) -> bool:
        return False

    def flush(self) -> None:
        return

    async def write(self, start: bytes, body: bytes) -> None:
        await self._write(start + body)

    async def room(self) -> None:
        return
