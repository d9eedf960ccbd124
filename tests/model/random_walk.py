"""A server's store and services beside the model: each request goes to both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from google.protobuf.message import Message

from etcdpy.cooperative import outcome
from etcdpy.errors import CompactedError, EtcdError
from etcdpy.mvcc.check import verify_source
from etcdpy.mvcc.restore import SCHEDULED_COMPACTION, restore
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.caller import Internal
from etcdpy.node.compactor import Compactor
from etcdpy.pb.rpc_pb2 import (
    CompactionRequest,
    CompactionResponse,
    RangeRequest,
    RangeResponse,
    RangeStreamResponse,
    ResponseHeader,
)
from etcdpy.storage import Bucket
from etcdpy.testing.clock import MovableClock
from tests.model.model import LEASES, Model
from tests.model.requests import KEYS, Requests
from tests.unit.mvcc.fake_log import Disk, FakeLog, turns
from tests.unit.node.nodes import IDENTITY, make_node

Outcome = Message | type[EtcdError]


@dataclass
class _Call:
    """A request on its way, and what it has to come to."""

    name: str
    request: Message | Txn
    expected: Outcome
    task: asyncio.Task[Any]

    def check(self) -> None:
        error = self.task.exception()
        if isinstance(self.expected, Message):
            if error is not None:
                raise AssertionError(f"{self} failed") from error
            _same(self.task.result(), self.expected, str(self))
        else:
            assert type(error) is self.expected, f"{self} came to {error or self.task.result()!r}"

    def __str__(self) -> str:
        return f"{self.name}({str(self.request).strip()!r})"


def _same(reply: bytes | bytearray | Message, expected: Message, call: str) -> None:
    encoded = reply.SerializeToString() if isinstance(reply, Message) else bytes(reply)
    if encoded != expected.SerializeToString():
        decoded = type(expected).FromString(encoded)
        raise AssertionError(f"{call}: expected\n{expected}\ngot\n{decoded}")


class RandomWalk:
    """Drives both sides; every method is one step of a random walk."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.requests = Requests(random)
        self.model = Model()
        self.checked = 0
        self._calls: list[_Call] = []
        self._clients = 0
        self._start(Disk())

    def _start(self, disk: Disk) -> None:
        self.log = FakeLog(disk)
        self.store = Store(self.log)
        unfinished = restore(self.store, self.log)
        self.log.serve(self.store)
        self.compactor = Compactor(self.store, None, MovableClock())
        if unfinished:
            self.compactor.resume(unfinished)
        self.service = make_node(
            self.store,
            self.log,
            compactor=self.compactor,
            max_request_bytes=600,  # small, so that streamed chunks shrink, too
            leases=LEASES,
        )

    # ---------------------------------------------------------------- requests

    async def put(self) -> None:
        request = self.requests.put()
        await self._write(self.service.put, request, lambda: self.model.put(request))

    async def delete_range(self) -> None:
        request = self.requests.delete_range()
        await self._write(
            self.service.delete_range, request, lambda: self.model.delete_range(request)
        )

    async def txn(self) -> None:
        request = self.requests.txn()
        durable = self.store.durable_revision
        taken_apart = Txn.of(request)
        await self._write(self.service.txn, taken_apart, lambda: self.model.txn(request, durable))

    async def range(self) -> None:
        await self._range(self.requests.range())

    async def page(self) -> None:
        await self._range(self.requests.page())

    async def compact(self) -> None:
        behind = self.random.choice([0, 1, 5, 20, self.random.randint(-1, 60)])
        revision = self.model.revision - behind
        physical = self.random.random() < 0.3
        request = CompactionRequest(revision=revision, physical=physical)
        header = CompactionResponse(header=ResponseHeader(revision=self.model.revision))

        def compact() -> CompactionResponse:
            self.model.compact(revision)
            return header

        await self._write(self.service.compact, request, compact)

    async def _range(self, request: RangeRequest) -> None:
        newest = self.store.durable_revision
        self._call(self.service.range, request, lambda: self.model.range(request, newest))
        await self._pause()

    async def stream(self) -> None:
        """Stream a range while nothing else happens: the chunks make up the Range's reply."""
        request = self.requests.range()
        request.ClearField("sort_order")
        request.ClearField("sort_target")
        for name in ("min_mod", "max_mod", "min_create", "max_create"):
            request.ClearField(name + "_revision")  # type: ignore[arg-type]
        outcome = self._outcome(lambda: self.model.range(request, self.store.durable_revision))
        try:
            reply: Outcome = await self._streamed(request)
        except EtcdError as error:
            reply = type(error)
        if isinstance(reply, Message) and isinstance(outcome, Message):
            _same(reply, outcome, f"RangeStream({request})")
        elif reply is not outcome:
            assert self._is_late(reply, request), f"{request} came to {reply}"

    async def _streamed(self, request: RangeRequest) -> RangeResponse:
        reply = RangeResponse()
        async for chunk in self.service.range_stream(request, self._somebody()):
            part = RangeStreamResponse.FromString(chunk).range_response
            assert not reply.HasField("header")
            assert part.kvs or part.HasField("header")
            reply.MergeFrom(part)
        return reply

    def _is_late(self, reply: Outcome, request: RangeRequest) -> bool:
        # A compaction above the durable revision leaves it readable, though not for long.
        behind = self.store.durable_revision < self.store.compact_revision
        return reply is CompactedError and request.revision <= 0 and behind

    async def _write(
        self,
        method: Callable[[Any, Any], Any],
        request: Message | Txn,
        apply: Callable[[], Message],
    ) -> None:
        await self._writes_end()
        self._call(method, request, apply)
        self.requests.revision = self.model.revision
        await self._pause()

    async def _writes_end(self) -> None:
        """Let a write that is prepared, or goes in slices, end: then it comes before others."""
        while self.store.is_busy or self.service.preparing.going:
            await self._pause()

    def _call(
        self,
        method: Callable[[Any, Any], Any],
        request: Message | Txn,
        apply: Callable[[], Message],
    ) -> None:
        async def call() -> Any:
            return await outcome(method(request, self._somebody()))

        task = asyncio.ensure_future(call())
        self._calls.append(_Call(method.__name__, request, self._outcome(apply), task))

    def _somebody(self) -> Internal:
        """Return a client of its own: long reads of the same one wait for each other."""
        self._clients += 1
        return Internal(f"client {self._clients}")

    def _outcome(self, apply: Callable[[], Message]) -> Outcome:
        try:
            reply = apply()
        except EtcdError as error:
            return type(error)
        header = reply.header  # type: ignore[attr-defined]
        header.cluster_id = IDENTITY.cluster_id
        header.member_id = IDENTITY.member_id
        header.raft_term = IDENTITY.raft_term
        return reply

    # -------------------------------------------------------------------- time

    async def settle(self) -> None:
        """Let some of what was handed over become durable."""
        self.log.settle(self.random.randint(0, len(self.log.on_their_way)))
        await self._pause()

    async def settle_all(self) -> None:
        """Let everything end that can."""
        for _ in range(10_000):
            self.log.settle()
            await self._pause()
            if not self._calls and self.log.unsettled() is None:
                return
        raise AssertionError(f"{self._calls} never end")

    async def _pause(self) -> None:
        await turns(self.random.choice([1, 1, 2, 5]))
        self._check_calls()

    def _check_calls(self) -> None:
        store = self.store
        for call in self._calls:
            if call.task.done():
                call.check()
                self.checked += 1
                if isinstance(call.expected, Message):
                    header = call.expected.header  # type: ignore[attr-defined]
                    assert header.revision <= store.durable_revision, f"{call} answered too early"
        self._calls = [call for call in self._calls if not call.task.done()]

    # ---------------------------------------------------------------- restarts

    async def restart(self) -> None:
        """Stop in an orderly way and start again."""
        await self.settle_all()
        before = self._everything()
        await self._crash()
        assert self._everything() == before

    async def crash(self) -> None:
        """Lose everything that is not durable and start again."""
        durable = self.store.durable_revision
        model = self.model
        await self._crash()
        assert self.store.revision == durable
        del model.states[durable + 1 :]
        mark = self.log.disk.get(Bucket.META, SCHEDULED_COMPACTION)
        model.compact_revision = int.from_bytes(mark[:8], "big") if mark else -1
        self.requests.revision = model.revision

    async def _crash(self) -> None:
        for call in self._calls:
            call.task.cancel()
        self.log.lose()
        await asyncio.gather(*(call.task for call in self._calls), return_exceptions=True)
        self._calls.clear()
        await self.compactor.close()
        verify_source(self.log.disk)
        self._start(self.log.disk)

    def _everything(self) -> dict[str, object]:
        store = self.store
        return {
            "revision": store.revision,
            "durable": store.durable_revision,
            "compacted": store.compact_revision,
            "keys": list(store.index.every_key()),
            "leases": {lease: set(store.attachments.on(lease)) for lease in LEASES},
            "versions": [
                [store.index.at(key, revision) for revision in range(self._oldest, store.revision)]
                for key in KEYS
            ],
        }

    @property
    def _oldest(self) -> int:
        return max(self.store.compact_revision, 1)

    async def read_everything(self) -> None:
        """Read the whole store at every revision there is, and whom leases hold."""
        for revision in range(self._oldest, self.store.durable_revision + 1):
            await self._range(RangeRequest(key=b"\0", range_end=b"\0", revision=revision))
        await self._writes_end()
        for lease in LEASES:
            newest = self.model.states[-1]
            held = {key for key, kv in newest.items() if kv.lease == lease}
            assert set(self.store.attachments.on(lease)) == held

    async def __aenter__(self) -> RandomWalk:
        return self

    async def __aexit__(self, *_: object) -> None:
        # After a failure, too: nobody can cancel what waits for the disk.
        self.log.lose()
        await self.compactor.close()
