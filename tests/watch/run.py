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
from tests.support.servers import Server
from tests.watch.checker import check, check_history
from tests.watch.history import History
from tests.watch.log import WatcherLog
from tests.watch.reader import Reader, open_channel
from tests.watch.workload import EVERYTHING, INTERESTS, KEYS, random_write

#: How long it may take until some watcher is told of something once nothing happens any more.
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
        auditor = Reader(self, [WatcherLog(EVERYTHING, 1)], is_auditor=True)
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
        await self._wait_for(reading)
        for reader in (auditor, *readers):
            reader.end()

    async def _wait_for(self, reading: list[asyncio.Task[None]]) -> None:
        """Wait until everyone has been told of everything, or nobody is told of anything."""
        told = -1
        late = set(reading)
        while late and told < self.told:
            told = self.told
            _, late = await asyncio.wait(late, timeout=PATIENCE)
        for task in late:
            task.cancel()
        for outcome in await asyncio.gather(*reading, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def check(self) -> int:
        """Check all logs; return how many events they hold."""
        (auditor,) = (log for log in self.logs if log.interest is EVERYTHING and log.since == 1)
        for log in self.logs:
            if log.interest is EVERYTHING:
                for response in log.received:
                    self.history.add(response.events)
        assert auditor.created is not None
        check_history(self.history, 1, self.acknowledged)
        assert self.history.newest == self.newest
        return sum(check(log, self.history) for log in self.logs)

    def _reader(self, number: int) -> Reader:
        watchers = [WatcherLog(self.random.choice(INTERESTS)) for _ in range(self.plan.watchers)]
        return Reader(self, watchers, seed=number)

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
                async with open_channel(self.server) as channel:
                    kv = _stubs.KVStub(channel)
                    while not self.is_over:
                        await self._write_one(kv, random)

    async def _write_one(self, kv: Any, random: Random) -> None:
        request, puts = random_write(random, self.plan.value_bytes)
        reply = await kv.Txn(request)
        changed = puts or any(it.response_delete_range.deleted for it in reply.responses)
        if changed:
            self.acknowledged[reply.header.revision] = puts

    async def _final_write(self) -> None:
        """Get past all start revisions, touch every key, and note which revision is the last."""
        async with open_channel(self.server) as channel:
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
                async with open_channel(self.server) as channel:
                    await _stubs.KVStub(channel).Compact(pb.CompactionRequest(revision=revision))


def describe(run: Run, seconds: float) -> str:
    """Say how much a run has seen."""
    compacted = sum(log.compacted is not None for log in run.logs)
    # One revision is what a synced watcher is told of at a time.
    behind = sum(
        response.events[0].kv.mod_revision != response.events[-1].kv.mod_revision
        for log in run.logs
        for response in log.received
    )
    return (
        f"seed {run.plan.seed}: {run.told:,} events in {seconds:.1f} s, "
        f"{run.history.newest:,} revisions, {len(run.logs)} watchers, {run.crashes} crashes, "
        f"{sum(log.canceled for log in run.logs)} cancelled, {compacted} overtaken by compaction, "
        f"{behind} responses from history, "
        f"{sum(len(log.progress) for log in run.logs)} told of progress"
    )
