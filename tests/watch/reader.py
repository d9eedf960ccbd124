"""A client that watches: it reads fast or slowly, cancels, asks, leaves and resumes."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import grpc.aio

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from tests.support.client import CHANNEL_OPTIONS
from tests.support.servers import Server
from tests.watch.log import StreamLog, WatcherLog
from tests.watch.workload import FUTURE, INTERESTS

if TYPE_CHECKING:
    from tests.watch.run import Run

_stubs: Any = rpc_pb2_grpc


def open_channel(server: Server) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS)


class Reader:
    """A client with one stream of watches, which loses it now and then and resumes."""

    def __init__(
        self, run: Run, watchers: list[WatcherLog], *, seed: int = 0, is_auditor: bool = False
    ) -> None:
        self._run = run
        self._watchers = watchers
        self._random = Random(f"{run.plan.seed}/reader/{seed}")
        self._is_auditor = is_auditor
        # Some clients read as fast as they can, some hardly.
        self._pause = 0.0 if is_auditor else self._random.choice((0.0, 0.0, 0.002, 0.05))
        self._log = StreamLog()
        self._requests: asyncio.Queue[pb.WatchRequest] = asyncio.Queue()

    async def read(self) -> None:
        """Read, resume, read; return when everything was told."""
        done = False
        while not done:
            await self._run.up.wait()
            self._log = StreamLog()
            self._requests = asyncio.Queue()
            for watch_id, watcher in enumerate(self._watchers):
                self._create(watch_id, watcher)
            try:
                async with open_channel(self._run.server) as channel:
                    done = await self._read_stream(_stubs.WatchStub(channel))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                pass  # the server is gone
            if not done:
                self._watchers = [self._resumed(watcher) for watcher in self._log.watchers.values()]

    async def _read_stream(self, stub: Any) -> bool:
        """Return True when all was told, False to resume in another stream."""
        call = stub.Watch()
        while True:
            while not self._requests.empty():
                await call.write(self._requests.get_nowait())
            response = await call.read()
            if response is grpc.aio.EOF:
                return False
            self._take(response)
            if self._is_done():
                return True
            if self._run.is_over:
                continue
            if self._pause:
                await asyncio.sleep(self._pause * self._random.random() * 2)
            if not self._is_auditor and not self._act():
                call.cancel()
                return False

    def _take(self, response: pb.WatchResponse) -> None:
        run = self._run
        run.count(self._log.take(response, run.compacted))
        if self._is_auditor and response.events:
            run.seen = response.events[-1].kv.mod_revision
        if response.compact_revision:
            # Go on where history begins now, as clients do.
            interest = self._log.watchers[response.watch_id].interest
            fresh = WatcherLog(interest, response.compact_revision)
            self._create(max(self._log.watchers) + 1, fresh)

    def _act(self) -> bool:
        """Now and then do something else than reading; return False to leave."""
        chance = self._random.random()
        if chance < 0.002:
            return False
        if chance < 0.01:
            self._requests.put_nowait(_progress())
        elif chance < 0.02:
            watch_id = self._random.choice(list(self._log.watchers))
            self._requests.put_nowait(_cancel(watch_id))
            fresh = WatcherLog(self._random.choice(INTERESTS), self._random_start())
            self._create(max(self._log.watchers) + 1, fresh)
        return True

    def _random_start(self) -> int:
        newest = self._run.seen
        return self._random.choice((0, newest, max(1, newest - 500), newest + FUTURE))

    def _create(self, watch_id: int, watcher: WatcherLog) -> None:
        self._log.watchers[watch_id] = watcher
        self._run.logs.append(watcher)
        self._requests.put_nowait(_creation(watch_id, watcher))

    def _resumed(self, watcher: WatcherLog) -> WatcherLog:
        if watcher.canceled or watcher.compacted is not None:
            return WatcherLog(self._random.choice(INTERESTS))
        return WatcherLog(watcher.interest, watcher.next)

    def _is_done(self) -> bool:
        """Whether everyone who is not cancelled has been told of the last revision."""
        newest = self._run.newest
        return newest > 1 and all(
            (watcher.received and watcher.received[-1].events[-1].kv.mod_revision == newest)
            or (watcher.progress and watcher.progress[-1][1] >= newest)
            for watcher in self._open_watchers()
        )

    def _open_watchers(self) -> list[WatcherLog]:
        return [
            watcher
            for watcher in self._log.watchers.values()
            if not watcher.canceled and watcher.compacted is None
        ]

    def end(self) -> None:
        """Note who was to be told of everything, whether or not that took too long."""
        for watcher in self._open_watchers():
            watcher.is_open = True


def _creation(watch_id: int, watcher: WatcherLog) -> pb.WatchRequest:
    interest = watcher.interest
    # An id of 0 is given by the server, and it is the first of its stream.
    request = pb.WatchCreateRequest(
        key=interest.key,
        range_end=interest.end,
        start_revision=watcher.since,
        prev_kv=interest.prev_kv,
        watch_id=watch_id,
        progress_notify=True,
        fragment=True,
    )
    request.filters.extend(interest.filters)  # type: ignore[arg-type]
    return pb.WatchRequest(create_request=request)


def _cancel(watch_id: int) -> pb.WatchRequest:
    return pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=watch_id))


def _progress() -> pb.WatchRequest:
    return pb.WatchRequest(progress_request=pb.WatchProgressRequest())
