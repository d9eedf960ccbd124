"""
A random run: writers, watchers of many kinds, a compactor, and crashes, all at once.

Everything that watchers are told is logged, and checked when the run is over.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import grpc.aio

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from tests.support.client import CHANNEL_OPTIONS
from tests.support.servers import Server
from tests.watch.checker import check, check_history
from tests.watch.history import NODELETE, NOPUT, History, Interest
from tests.watch.log import StreamLog, WatcherLog

KEYS = [b"k/%02d" % number for number in range(40)]
INTERESTS = [
    *(Interest(key) for key in KEYS[:8]),
    *(Interest(key, prev_kv=True) for key in KEYS[8:12]),
    Interest(b"k/1", b"k/2", prev_kv=True),
    Interest(b"k/0", b"k/1"),
    Interest(b"k/05", b"k/23", (NOPUT,)),
    Interest(b"k/05", b"k/23", (NODELETE,), prev_kv=True),
    Interest(b"k/20", b"\0"),
    Interest(b"\0", b"\0"),
    Interest(b"\0", b"\0", prev_kv=True),
]
# How far ahead watchers may start: less than what is written last.
FUTURE = len(KEYS) // 2
EVERYTHING = Interest(b"\0", b"\0", prev_kv=True)
#: How long watchers may take to be told of everything once nothing happens any more.
PATIENCE = 60.0

_stubs: Any = rpc_pb2_grpc


@dataclass(frozen=True)
class Plan:
    """How much happens in a run."""

    events: int
    seed: int
    crashes: int = 2
    writers: int = 3
    streams: int = 10
    watchers: int = 4
    value_bytes: int = 1500


class Run:
    """One run against one server."""

    def __init__(self, server: Server, plan: Plan) -> None:
        self.server = server
        self.plan = plan
        self.random = Random(plan.seed)
        self.history = History(1)
        self.acknowledged: dict[int, dict[bytes, bytes]] = {}
        self.compacted = -1
        #: The last revision of all, once it is known, and the last the auditor was told of.
        self.newest = 1
        self.seen = 1
        self.told = 0
        self._goal = 0
        self._reached = asyncio.Event()
        self.crashes = 0
        self.is_over = False
        self.logs: list[WatcherLog] = []
        self.up = asyncio.Event()
        self.up.set()

    async def perform(self) -> None:
        """Run until enough was told, then until everyone has been told everything."""
        auditor = _Reader(self, [WatcherLog(EVERYTHING, 1)], is_auditor=True)
        readers = [self._reader(number) for number in range(self.plan.streams)]
        reading = [asyncio.create_task(reader.read()) for reader in (auditor, *readers)]
        writing = [asyncio.create_task(self._write(n)) for n in range(self.plan.writers)]
        writing.append(asyncio.create_task(self._compact()))
        for crash in range(1, self.plan.crashes + 1):
            await self._until(self.plan.events * crash // (self.plan.crashes + 1))
            await self._crash()
        await self._until(self.plan.events)
        self.is_over = True
        await asyncio.gather(*writing)
        await self._final_write()
        try:
            await asyncio.wait_for(asyncio.gather(*reading), PATIENCE)
        except asyncio.TimeoutError:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)

    def check(self) -> int:
        """Check all logs; return how many events they hold."""
        (auditor,) = (log for log in self.logs if log.interest is EVERYTHING and log.since == 1)
        for log in self.logs:
            if log.interest is EVERYTHING:
                for told in log.told:
                    self.history.add(told.events)
        assert auditor.created is not None
        check_history(self.history, 1, self.acknowledged)
        assert self.history.newest == self.newest
        return sum(check(log, self.history) for log in self.logs)

    def _reader(self, number: int) -> _Reader:
        watchers = [WatcherLog(self.random.choice(INTERESTS)) for _ in range(self.plan.watchers)]
        return _Reader(self, watchers, seed=number)

    def count(self, events: int) -> None:
        """Note that some watcher was told of so many events."""
        self.told += events
        if self.told >= self._goal:
            self._reached.set()

    async def _until(self, events: int) -> None:
        self._goal = events
        self._reached.clear()
        self.count(0)
        await self._reached.wait()

    async def _crash(self) -> None:
        self.up.clear()
        await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(self.server.start)
        self.crashes += 1
        self.up.set()

    # -------------------------------------------------------------------- writing

    async def _write(self, number: int) -> None:
        random = Random(f"{self.plan.seed}/writer/{number}")
        while not self.is_over:
            await self.up.wait()
            with suppress(grpc.aio.AioRpcError):
                async with _channel(self.server) as channel:
                    kv = _stubs.KVStub(channel)
                    while not self.is_over:
                        await self._write_one(kv, random)

    async def _write_one(self, kv: Any, random: Random) -> None:
        request = pb.TxnRequest()
        puts: dict[bytes, bytes] = {}
        for key in random.sample(KEYS, random.choice((1, 1, 1, 2, 5))):
            if random.random() < 0.8:
                puts[key] = random.randbytes(2) * random.randrange(self.plan.value_bytes)
                request.success.add().request_put.MergeFrom(pb.PutRequest(key=key, value=puts[key]))
            else:
                request.success.add().request_delete_range.key = key
        reply = await kv.Txn(request)
        changed = puts or any(it.response_delete_range.deleted for it in reply.responses)
        if changed:
            self.acknowledged[reply.header.revision] = puts

    async def _final_write(self) -> None:
        """Get past all start revisions, touch every key, and note which revision is the last."""
        async with _channel(self.server) as channel:
            kv = _stubs.KVStub(channel)
            for key in KEYS:
                reply = await kv.Put(pb.PutRequest(key=key))
                self.acknowledged[reply.header.revision] = {key: b""}
            everything = pb.DeleteRangeRequest(key=b"\0", range_end=b"\0")
            self.newest = (await kv.DeleteRange(everything)).header.revision

    async def _compact(self) -> None:
        random = Random(f"{self.plan.seed}/compactor")
        while not self.is_over:
            await asyncio.sleep(random.random() * 0.5)
            revision = self.seen - random.randrange(100, 1000)
            if revision <= max(self.compacted, 1) or not self.up.is_set():
                continue
            # From now on it may have happened.
            self.compacted = revision
            with suppress(grpc.aio.AioRpcError):
                async with _channel(self.server) as channel:
                    await _stubs.KVStub(channel).Compact(pb.CompactionRequest(revision=revision))


def _channel(server: Server) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(server.address, options=CHANNEL_OPTIONS)


class _Reader:
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
                async with _channel(self._run.server) as channel:
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
        open_watchers = [
            watcher
            for watcher in self._log.watchers.values()
            if not watcher.canceled and watcher.compacted is None
        ]
        done = newest > 1 and all(
            (watcher.told and watcher.told[-1].events[-1].kv.mod_revision == newest)
            or (watcher.progress and watcher.progress[-1][1] >= newest)
            for watcher in open_watchers
        )
        if done:
            for watcher in open_watchers:
                watcher.is_open = True
        return done


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


def describe(run: Run, seconds: float) -> str:
    """Say how much a run has seen."""
    compacted = sum(log.compacted is not None for log in run.logs)
    return (
        f"seed {run.plan.seed}: {run.told:,} events in {seconds:.1f} s, "
        f"{run.history.newest:,} revisions, {len(run.logs)} watchers, {run.crashes} crashes, "
        f"{sum(log.canceled for log in run.logs)} cancelled, {compacted} overtaken by compaction, "
        f"{sum(len(log.progress) for log in run.logs)} told of progress"
    )
