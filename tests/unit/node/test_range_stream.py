"""Streams in the order of a sort target: what a Range answers, in pages, in little memory."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from etcdpy import errors
from etcdpy.cooperative import finish, outcome
from etcdpy.mvcc import order
from etcdpy.mvcc.store import Store
from etcdpy.node.node import Node
from etcdpy.node.range_stream import open_pages
from etcdpy.pb.rpc_pb2 import CompactionRequest, RangeRequest, RangeResponse, RangeStreamResponse
from tests.unit.mvcc import stores
from tests.unit.mvcc.real_log import fill, opened_store
from tests.unit.mvcc.stalls import least_stall
from tests.unit.mvcc.stores import new_store, settle
from tests.unit.node.nodes import ANYBODY, make_node

TARGETS = RangeRequest.SortTarget.values()
LIMITS = (0, 1, 9, 10, 11, 60, 119, 120, 121)
KEYS = 60_000
BOUND = 0.050

pytestmark = pytest.mark.asyncio(loop_scope="module")


def values() -> list[bytes]:
    """Return values that are alike, begin alike or are the beginnings of each other."""
    some = [b"", b"\0", b"a", b"same" * 300, b"same" * 299 + b"else", b"same" * 301, b"\xff" * 40]
    return [*some, *(b"p" * n for n in range(60))]


def fill_at_random(store: Store) -> None:
    """Put, change and delete keys until about 120 are alive, in one order of many."""
    rng = random.Random(5)
    for _ in range(500):
        keys = [b"k%03d" % rng.randrange(160) for _ in range(rng.randrange(1, 4))]
        if rng.random() < 0.1:
            alive = {key for key in keys if store.get(key, store.revision)}
            stores.delete(store, *sorted(alive))
        else:
            pairs = {key: rng.choice(values()) for key in keys}
            stores.put(store, *pairs.items(), lease=rng.choice((0, 7)))


async def streamed(node: Node, request: RangeRequest) -> RangeResponse:
    """Return the chunks of a stream put together."""
    whole = RangeResponse()
    async for chunk in node.range_stream(request, ANYBODY):
        whole.MergeFrom(RangeStreamResponse.FromString(chunk).range_response)
    return whole


async def ranged(node: Node, request: RangeRequest) -> RangeResponse:
    return RangeResponse.FromString(bytes(await outcome(node.range(request, ANYBODY))))


@pytest.mark.parametrize("keys_only", [False, True])
@pytest.mark.parametrize("target", TARGETS)
async def test_a_stream_with_a_target_has_the_keys_and_the_order_of_a_range(
    target: int, keys_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for piece in (1, 7, 256):
        monkeypatch.setattr(order, "VALUES_HELD", piece)
        monkeypatch.setattr(order, "LEAST_PIECE", piece)
        async with new_store() as (store, log):
            fill_at_random(store)
            await settle(log)
            node = make_node(store, log)
            for limit in (*LIMITS, -1):
                for revision in (0, store.revision - 30):
                    request = RangeRequest(
                        key=b"k",
                        range_end=b"l",
                        limit=limit,
                        revision=revision,
                        keys_only=keys_only,
                        sort_target=target,  # type: ignore[arg-type]
                    )
                    assert await streamed(node, request) == await ranged(node, request)


@pytest.mark.parametrize("target", TARGETS)
async def test_one_key_nothing_and_a_count_have_no_order(target: int) -> None:
    async with new_store() as (store, log):
        await stores.worked_example(store, log)
        node = make_node(store, log)
        for request in (
            RangeRequest(key=b"a"),
            RangeRequest(key=b"x"),
            RangeRequest(key=b"x", range_end=b"z"),
            RangeRequest(key=b"b", range_end=b"a"),
            RangeRequest(key=b"\0", range_end=b"\0", count_only=True, limit=1),
            RangeRequest(key=b"b", range_end=b"\0"),
        ):
            request.sort_target = target  # type: ignore[assignment]
            assert await streamed(node, request) == await ranged(node, request)


async def test_a_sorted_stream_stays_at_its_revision_until_that_is_compacted() -> None:
    async with new_store() as (store, log):
        fill_at_random(store)
        await settle(log)
        node = make_node(store, log)
        request = RangeRequest(key=b"k", range_end=b"l", sort_target=RangeRequest.VALUE)
        whole = await ranged(node, request)
        stream = node.range_stream(request, ANYBODY)
        found = RangeResponse()
        found.MergeFrom(RangeStreamResponse.FromString(await anext(stream)).range_response)
        stores.delete(store, *(kv.key for kv in whole.kvs))
        await settle(log)
        found.MergeFrom(RangeStreamResponse.FromString(await anext(stream)).range_response)
        assert list(found.kvs) == list(whole.kvs[:30])
        compaction = CompactionRequest(revision=store.revision)
        call = asyncio.ensure_future(outcome(node.compact(compaction, ANYBODY)))
        for _ in range(100):
            await settle(log)
        assert call.done()
        with pytest.raises(errors.CompactedError):
            await anext(stream)


# ------------------------------------------------------------- sixty thousand keys


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def large(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    path: Path = tmp_path_factory.mktemp("large")
    async with opened_store(path) as (store, log):
        await fill(store, KEYS, b"v" * 1000)
        yield make_node(store, log)


@pytest.mark.parametrize("target", TARGETS)
async def test_others_run_while_a_large_range_is_put_in_order(large: Node, target: int) -> None:
    request = RangeRequest(
        key=b"k",
        range_end=b"l",
        limit=KEYS - 1,
        sort_target=target,  # type: ignore[arg-type]
    )
    sizes: list[int] = []

    async def read() -> None:
        sizes[:] = [len(chunk) async for chunk in large.range_stream(request, ANYBODY)]

    assert await least_stall(BOUND, read) < BOUND
    assert sum(sizes) > (KEYS - 1) * 1000


async def test_the_values_are_not_held_to_be_put_in_order(large: Node) -> None:
    # Not all of them, as each allocation is traced.
    few = KEYS // 10
    stop = b"k%08d" % few
    request = RangeRequest(key=b"k", range_end=stop, sort_target=RangeRequest.VALUE)
    store = large.parts.store
    tracemalloc.start()
    try:
        pages = finish(open_pages(store, request, store.revision))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(finish(pages.read(few)).result.rows) == few
    assert most < few * 1000 / 2
