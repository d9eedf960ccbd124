"""
Long work does not hold up the loop.

The bound is generous; what these take in one go is hundreds of milliseconds. (Measured on
two idle cores with 200,000 keys: 0.5 to 4 ms, and 5 to 10 when 100,000 deletions are handed
to the disk.)
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from etcdpy.clock import SystemClock
from etcdpy.cooperative import outcome
from etcdpy.mvcc.slices import SLICE
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.compactor import Compactor
from etcdpy.pb.rpc_pb2 import (
    CompactionRequest,
    Compare,
    DeleteRangeRequest,
    DeleteRangeResponse,
    PutRequest,
    RangeRequest,
    RangeResponse,
    RequestOp,
    TxnRequest,
)
from etcdpy.storage import GroupCommit
from tests.unit.mvcc.fake_log import turns
from tests.unit.mvcc.real_log import fill, opened_store
from tests.unit.mvcc.stalls import TRIES, least_stall, probed
from tests.unit.node.nodes import ANYBODY, make_node

KEYS = 60_000
BOUND = 0.050

EVERYTHING: dict[str, Any] = {"key": b"\0", "range_end": b"\0"}


class Large:
    """A store of ``KEYS`` keys and the service over it."""

    def __init__(self, store: Store, log: GroupCommit) -> None:
        self.store = store
        self.compactor = Compactor(store, None, SystemClock())
        self.kv = make_node(store, log, compactor=self.compactor)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def large(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Large]:
    path: Path = tmp_path_factory.mktemp("large")
    async with opened_store(path) as (store, log):
        await fill(store, KEYS)
        large = Large(store, log)
        yield large
        await large.compactor.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")

READS: dict[str, Callable[[Store], RangeRequest]] = {
    "everything": lambda store: RangeRequest(**EVERYTHING),
    "sorted by revision": lambda store: RangeRequest(
        **EVERYTHING, sort_target=RangeRequest.MOD, sort_order=RangeRequest.DESCEND
    ),
    "sorted by value": lambda store: RangeRequest(
        **EVERYTHING, sort_target=RangeRequest.VALUE, sort_order=RangeRequest.ASCEND
    ),
    "filtered": lambda store: RangeRequest(**EVERYTHING, min_mod_revision=3),
    "keys only": lambda store: RangeRequest(**EVERYTHING, keys_only=True),
    "counted long ago": lambda store: RangeRequest(
        **EVERYTHING, count_only=True, revision=max(30, store.compact_revision)
    ),
}


@pytest.mark.parametrize("name", READS)
async def test_large_ranges_let_others_run(large: Large, name: str) -> None:
    replies: list[Any] = []

    async def read() -> None:
        replies.append(await large.kv.range_in_slices(READS[name](large.store), ANYBODY))

    stall = await least_stall(BOUND, read)
    assert RangeResponse.FromString(bytes(replies[-1])).count > KEYS // 3
    assert stall < BOUND


@pytest.mark.parametrize("kind", ["reading", "writing"])
async def test_compares_over_large_ranges_let_others_run(large: Large, kind: str) -> None:
    compare = Compare(
        **EVERYTHING, target=Compare.VALUE, result=Compare.NOT_EQUAL, value=b"nobody's"
    )
    request = TxnRequest(compare=[compare])
    if kind == "writing":
        request.success.append(RequestOp(request_put=PutRequest(key=b"k", value=b"v")))
    stall = await least_stall(BOUND, lambda: outcome(large.kv.txn(Txn.of(request), ANYBODY)))
    assert stall < BOUND


async def test_large_deletion_lets_reads_run_and_writes_wait(large: Large) -> None:
    for _ in range(TRIES):
        stall = await stall_of_a_deletion(large)
        if stall < BOUND:
            break
        await fill(large.store, KEYS)
    assert stall < BOUND


async def stall_of_a_deletion(large: Large) -> float:
    """Delete half of the keys, with reads and a write beside that."""
    store, kv = large.store, large.kv
    middle = b"k%08d" % (KEYS // 2)
    with probed() as probe:
        deletion = asyncio.ensure_future(
            outcome(
                kv.delete_range(
                    DeleteRangeRequest(key=b"k0", range_end=middle, prev_kv=True), ANYBODY
                )
            )
        )
        while not store.is_busy:  # it is prepared first
            await turns()
        revision = store.durable_revision
        put = asyncio.ensure_future(
            outcome(kv.put(PutRequest(key=b"k00000001", value=b"new"), ANYBODY))
        )
        reads = 0
        while store.is_busy:
            page = RangeRequest(key=b"k0", range_end=b"l", limit=10)
            reply = RangeResponse.FromString(
                bytes(await outcome(kv.range_in_slices(page, ANYBODY)))
            )
            assert (reply.header.revision, reply.count) == (revision, KEYS)
            assert [kv.key for kv in reply.kvs] == [b"k%08d" % n for n in range(10)]
            reads += 1
            await asyncio.sleep(0)
        deleted = DeleteRangeResponse.FromString(bytes(await deletion))
    assert reads > 10
    assert (deleted.deleted, len(deleted.prev_kvs)) == (KEYS // 2, KEYS // 2)
    assert deleted.header.revision == revision + 1
    await put
    left = RangeResponse.FromString(
        bytes(await outcome(kv.range_in_slices(RangeRequest(key=b"k00000001"), ANYBODY)))
    )
    assert left.kvs[0].create_revision == revision + 2
    return probe.longest


async def test_compaction_lets_others_run(large: Large) -> None:
    for _ in range(TRIES):
        with probed() as probe:
            request = CompactionRequest(revision=large.store.revision, physical=True)
            await large.kv.compact(request, ANYBODY)
        if probe.longest < BOUND:
            break
        await fill(large.store, KEYS)
    assert probe.longest < BOUND
    assert len(list(large.store.index.every_key())) == len(large.store.index)


async def test_many_long_reads_at_once_share_each_turn(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = 0
    read = Counter[int]()
    rows = large.store.log.rows

    def noted(keys: Any) -> list[bytes]:
        read[turn] += len(keys)
        return rows(keys)

    monkeypatch.setattr(large.store.log, "rows", noted)
    request = RangeRequest(key=b"k0", range_end=b"l", limit=20_000)
    tasks = [asyncio.ensure_future(large.kv.range_in_slices(request, ANYBODY)) for _ in range(10)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        turn += 1
    assert all(len(task.result()) > 2_000_000 for task in tasks)
    # Once each has begun one of them reads in a turn, and no more rows than it does by itself.
    began = min(read)
    assert len(read) > 150
    assert max(number for at, number in read.items() if at != began) <= SLICE
