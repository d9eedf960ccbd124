"""The Watch service: requests to watchers, watchers to responses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from etcdpy.errors import CompactedError
from etcdpy.mvcc.keyrange import bounds
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.services.node import Node
from etcdpy.watch import Hub, WatchStream
from etcdpy.watch.watcher import Watcher

EMPTY_RANGE = "mvcc: watcher range is empty"
DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream"

#: How much later than the interval a stream's progress ticks may come, as a share of it:
#: drawn once for each stream, so that not all of them tick together.
PROGRESS_JITTER = 0.1


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
        """Serve a stream of watches until the client goes; its half-close ends nothing."""
        call = _WatchCall(self._node, self._hub, context)
        try:
            async for request in requests:
                call.handle(request)
                await call.has_room()
            await asyncio.get_running_loop().create_future()
        finally:
            call.close()


class _WatchCall:
    """A Watch call: reads requests, and writes while there is something to write."""

    def __init__(self, node: Node, hub: Hub, context: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = context
        self._stream = WatchStream(hub, node.max_message_bytes, self._start_writing)
        self._writing: asyncio.Task[None] | None = None
        self._progress: asyncio.TimerHandle | None = None
        jitter = random.random() * PROGRESS_JITTER  # noqa: S311
        self._interval = node.progress_interval * (1 + jitter)

    def handle(self, request: pb.WatchRequest) -> None:
        """Act on a request; one without content is ignored, as in etcd."""
        kind = request.WhichOneof("request_union")
        if kind == "create_request":
            self._create(request.create_request)
        elif kind == "cancel_request":
            self._stream.cancel(request.cancel_request.watch_id)
        elif kind == "progress_request":
            self._stream.send_progress()

    async def has_room(self) -> None:
        """Wait while the client does not read what it has asked for."""
        while self._stream.is_full and self._writing is not None:
            await asyncio.wait((self._writing,))

    def close(self) -> None:
        """End the watchers, and writing."""
        self._stream.close()
        if self._writing is not None:
            self._writing.cancel()
        if self._progress is not None:
            self._progress.cancel()

    def _create(self, request: pb.WatchCreateRequest) -> None:
        stream = self._stream
        if request.start_revision < 0:
            stream.reject(CompactedError.TEXT)
            return
        start, stop = bounds(request.key or b"\0", request.range_end)
        if stop is not None and stop <= start:
            stream.reject(EMPTY_RANGE)
            return
        if request.watch_id in stream.watchers and request.watch_id:
            stream.reject(DUPLICATE_ID)
            return
        watch_id = request.watch_id or stream.free_id()
        watcher = Watcher(stream, watch_id, start, stop, request.start_revision)
        watcher.wants_puts = pb.WatchCreateRequest.NOPUT not in request.filters
        watcher.wants_deletes = pb.WatchCreateRequest.NODELETE not in request.filters
        watcher.wants_previous = request.prev_kv
        watcher.wants_progress = request.progress_notify
        watcher.fragments = request.fragment
        stream.create(watcher)
        if request.progress_notify and self._progress is None:
            self._progress = self._loop.call_later(self._interval, self._tick)

    def _tick(self) -> None:
        self._stream.tick()
        self._progress = self._loop.call_later(self._interval, self._tick)

    def _start_writing(self) -> None:
        if self._writing is None:
            self._writing = self._loop.create_task(self._write())

    async def _write(self) -> None:
        try:
            await self._stream.drain(self._context.write)
        finally:
            self._writing = None
