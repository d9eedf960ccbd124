"""
Writers that remember every acknowledgement, and what has to be true after a crash.

Each writer has keys of its own and one call at a time, so that the order of the changes to
a key is the order of its acknowledgements, and at most one call a writer is in doubt when
the server dies: sent, and never answered.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest

from etcdpy.pb import kv_pb2, rpc_pb2, rpc_pb2_grpc
from tests.locks.connection import PATIENCE, is_away
from tests.support.servers import Server

KEYS_PER_WRITER = 8
#: etcd: no more operations in one transaction by default.
RANGES_PER_TXN = 128
#: Acknowledged in each round before the server is killed, however slow the machine.
LEAST = 20

#: What a change made of a key: its value, or None when it was deleted.
Outcome = dict[bytes, bytes | None]

# Generated service stubs carry no types.
_stubs: Any = rpc_pb2_grpc


@dataclass
class Writer:
    """What one writer knows about its keys."""

    keys: list[bytes]
    #: The newest acknowledged change of each key, and its revision.
    state: dict[bytes, tuple[int, bytes | None]] = field(default_factory=dict)
    #: The call that was not answered.
    doubt: Outcome | None = None


@dataclass
class Ledger:
    """All that was acknowledged to all writers, over all crashes."""

    writers: list[Writer]
    #: Those that are not compacted.
    changes: list[tuple[int, Outcome]] = field(default_factory=list)
    #: How many writes and compactions were acknowledged, and who waits for more.
    written: int = 0
    compactions: int = 0
    waiting: list[tuple[Callable[[], bool], asyncio.Event]] = field(default_factory=list)
    #: The highest revision any reply has shown.
    revision: int = 1
    compacted: int = 0
    #: Sent to be compacted; above ``compacted`` nobody knows whether it was.
    compacting: int = 0

    @classmethod
    def for_writers(cls, number: int) -> Ledger:
        return cls(
            [
                Writer([b"writer%d/%d" % (n, key) for key in range(KEYS_PER_WRITER)])
                for n in range(number)
            ]
        )

    async def wait_for(self, seen: Callable[[], bool]) -> None:
        """Wait until something is the case of what was acknowledged."""
        if not seen():
            happened = asyncio.Event()
            self.waiting.append((seen, happened))
            await happened.wait()

    def acknowledged(self) -> None:
        """Wake up who has waited for what was just noted."""
        for one in [one for one in self.waiting if one[0]()]:
            self.waiting.remove(one)
            one[1].set()


async def work_until_killed(
    server: Server,
    ledger: Ledger,
    chance: random.Random,
    *,
    longest: float,
    until: Callable[[], Awaitable[object]] | None = None,
    compactions: int = 0,
) -> None:
    """
    Have every writer work, and kill the server at some moment after enough was acknowledged.

    Args:
        longest: Seconds for which it may go on then.
        until: What is begun then, and has to come to its end first.
        compactions: How many have to be acknowledged, too.

    """
    written, compacted = ledger.written + LEAST, ledger.compactions + compactions

    async def enough() -> None:
        await ledger.wait_for(lambda: ledger.written >= written and ledger.compactions >= compacted)
        if until is not None:
            await until()

    work = asyncio.create_task(write_until_killed(server.address, ledger, chance))
    waiting = asyncio.create_task(enough())
    try:
        await asyncio.wait({work, waiting}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()  # raises what has ended it
        assert waiting.done(), f"{ledger.written} writes, {ledger.compactions} compactions"
        waiting.result()
        await asyncio.sleep(chance.uniform(0, longest))
    finally:
        waiting.cancel()
        server.kill()
    await work


async def write_until_killed(address: str, ledger: Ledger, chance: random.Random) -> None:
    """Let every writer work, four to a connection, until the server is gone."""
    connections = [connect(address) for _ in range((len(ledger.writers) + 3) // 4)]
    stubs = [_stubs.KVStub(connection) for connection in connections]
    writing = asyncio.gather(
        *(
            _write(stubs[n // 4], ledger, writer, random.Random(chance.random()))
            for n, writer in enumerate(ledger.writers)
        )
    )
    await asyncio.gather(writing, _compact(stubs[0], ledger, chance, writing.done))
    for connection in connections:
        await connection.close(None)


def connect(address: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(
        address,
        options=(
            ("grpc.enable_retries", 0),
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ),
    )


async def _write(stub: Any, ledger: Ledger, writer: Writer, chance: random.Random) -> None:
    while True:
        outcome = _plan(writer, chance)
        writer.doubt = outcome
        try:
            revision = await _apply(stub, outcome)
        except grpc.aio.AioRpcError as error:
            if not is_away(error):
                raise
            return
        writer.doubt = None
        _note(ledger, writer, revision, outcome)


def _plan(writer: Writer, chance: random.Random) -> Outcome:
    """Choose a change: a put, a deletion of what is there, or several in a transaction."""
    number = chance.choice((1, 1, 1, 3))
    outcome: Outcome = {}
    for key in chance.sample(writer.keys, number):
        there = writer.state.get(key, (0, None))[1] is not None
        deletes = there and chance.random() < 0.2
        outcome[key] = None if deletes else chance.randbytes(chance.choice((8, 200, 3000)))
    return outcome


async def _apply(stub: Any, outcome: Outcome) -> int:
    operations = [_operation(key, value) for key, value in outcome.items()]
    if len(operations) > 1:
        reply = await stub.Txn(rpc_pb2.TxnRequest(success=operations))
    elif operations[0].HasField("request_put"):
        reply = await stub.Put(operations[0].request_put)
    else:
        reply = await stub.DeleteRange(operations[0].request_delete_range)
    return int(reply.header.revision)


def _operation(key: bytes, value: bytes | None) -> rpc_pb2.RequestOp:
    if value is None:
        return rpc_pb2.RequestOp(request_delete_range=rpc_pb2.DeleteRangeRequest(key=key))
    return rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=key, value=value))


def _note(ledger: Ledger, writer: Writer, revision: int, outcome: Outcome) -> None:
    ledger.changes.append((revision, outcome))
    ledger.revision = max(ledger.revision, revision)
    for key, value in outcome.items():
        writer.state[key] = (revision, value)
    ledger.written += 1
    ledger.acknowledged()


async def _compact(
    stub: Any, ledger: Ledger, chance: random.Random, is_over: Callable[[], bool]
) -> None:
    # What is compacted already may be all there is, so not every turn asks the server.
    while not is_over():
        await asyncio.sleep(chance.uniform(0.02, 0.2))
        revision = ledger.revision - chance.randrange(200)
        if revision <= max(ledger.compacting, 1):
            continue
        ledger.compacting = revision
        try:
            await stub.Compact(
                rpc_pb2.CompactionRequest(revision=revision, physical=chance.random() < 0.3)
            )
        except grpc.aio.AioRpcError as error:
            if not is_away(error):
                raise
            return
        ledger.compacted = revision
        ledger.compactions += 1
        ledger.acknowledged()


async def verify(address: str, ledger: Ledger) -> None:
    """
    Hold what the server says against everything it ever acknowledged.

    Calls in doubt are settled: what became of them is from now on known.
    """
    connection = connect(address)
    stub = _stubs.KVStub(connection)
    reply = await stub.Range(rpc_pb2.RangeRequest(key=b"writer", range_end=b"writes"))
    assert reply.header.revision >= ledger.revision, "the revision fell"
    ledger.revision = reply.header.revision
    await _settle_compaction(stub, ledger)
    stored = {kv.key: kv for kv in reply.kvs}
    for writer in ledger.writers:
        _settle(ledger, writer, stored)
        for key, (revision, value) in writer.state.items():
            _check(key, stored.pop(key, None), revision, value)
    assert not stored, "keys nobody wrote"
    await _verify_history(stub, ledger)
    await connection.close(None)


async def _settle_compaction(stub: Any, ledger: Ledger) -> None:
    """Find out how far the store is compacted: no less than acknowledged, no more than asked."""
    if ledger.compacting > ledger.compacted:
        try:
            await _read(stub, b"writer", ledger.compacting - 1)
            ledger.compacting = ledger.compacted
        except grpc.aio.AioRpcError as error:
            _assert_compacted(error)
            ledger.compacted = ledger.compacting
    if ledger.compacted:
        await _read(stub, b"writer", ledger.compacted)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await _read(stub, b"writer", ledger.compacted - 1)
        _assert_compacted(refused.value)


async def _read(stub: Any, key: bytes, revision: int) -> rpc_pb2.RangeResponse:
    reply: rpc_pb2.RangeResponse = await stub.Range(
        rpc_pb2.RangeRequest(key=key, revision=revision)
    )
    return reply


def _assert_compacted(error: grpc.aio.AioRpcError) -> None:
    assert error.details() == "etcdserver: mvcc: required revision has been compacted"


def _settle(ledger: Ledger, writer: Writer, stored: dict[bytes, kv_pb2.KeyValue]) -> None:
    """Find out whether the writer's unanswered call was done: wholly, or not at all."""
    outcome, writer.doubt = writer.doubt, None
    if outcome is None:
        return
    puts = {key: value for key, value in outcome.items() if value is not None}
    done = {
        stored[key].mod_revision
        for key, value in puts.items()
        if key in stored and stored[key].value == value
    }
    if puts:
        happened = bool(done)
        revision = max(done, default=0)
    else:
        happened = not any(key in stored for key in outcome)
        revision = ledger.revision
    if not happened:
        return
    # The revision of a deletion that was never answered is not known, so it is not looked
    # for in history; the puts of a transaction share theirs, which _check compares.
    for key, value in outcome.items():
        writer.state[key] = (revision, value)
    if puts:
        ledger.changes.append((revision, outcome))


def _check(key: bytes, kv: kv_pb2.KeyValue | None, revision: int, value: bytes | None) -> None:
    if value is None:
        assert kv is None, f"{key!r}: deleted at {revision}, yet there"
    else:
        assert kv is not None, f"{key!r}: written at {revision}, and lost"
        assert (kv.mod_revision, kv.value) == (revision, value), f"{key!r} at {revision}"


async def _verify_history(stub: Any, ledger: Ledger) -> None:
    """Read every change again, at its revision; forget those compacted."""
    ledger.changes = [change for change in ledger.changes if change[0] >= ledger.compacted]
    reads = [
        (revision, key, value)
        for revision, outcome in ledger.changes
        for key, value in outcome.items()
    ]
    pages = [reads[n : n + RANGES_PER_TXN] for n in range(0, len(reads), RANGES_PER_TXN)]
    await asyncio.gather(*(_verify_page(stub, page) for page in pages))


async def _verify_page(stub: Any, page: list[tuple[int, bytes, bytes | None]]) -> None:
    reply = await stub.Txn(
        rpc_pb2.TxnRequest(
            success=[
                rpc_pb2.RequestOp(request_range=rpc_pb2.RangeRequest(key=key, revision=revision))
                for revision, key, _ in page
            ]
        )
    )
    for (revision, key, value), response in zip(page, reply.responses, strict=True):
        kvs = response.response_range.kvs
        _check(key, kvs[0] if kvs else None, revision, value)
