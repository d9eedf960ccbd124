"""How large a reply will be is known before the transaction is applied."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from etcdpy.cooperative import finish
from etcdpy.mvcc.reply_size import ROW_OVERHEAD, UNWEIGHED, weigh
from etcdpy.mvcc.slices import SLICE_BYTES
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.txn_request import DELETE, PUT, RANGE
from etcdpy.pb.rpc_pb2 import DeleteRangeRequest, PutRequest, RangeRequest
from tests.unit.mvcc.stores import new_store

#: Keys that are there, each with a value of so many bytes.
NUMBER, SIZE = 1000, 1000
#: What is weighed of each at least, and at most.
ROW = range(SIZE, SIZE + 40 + ROW_OVERHEAD)

EVERYTHING: dict[str, Any] = {"key": b"k", "range_end": b"l"}


@pytest_asyncio.fixture
async def store() -> AsyncIterator[Store]:
    async with new_store() as (opened, log):
        write = opened.begin()
        for i in range(NUMBER):
            write.put(b"k%04d" % i, bytes(SIZE), 0)
        write.commit()
        log.settle()
        yield opened


def weighed(store: Store, *ops: tuple[str, Any]) -> int:
    told: list[int] = []
    finish(weigh(store, ops, store.revision, told.append))
    assert all(one < SLICE_BYTES + 2 * SIZE for one in told)
    return sum(told)


async def test_range_weighs_what_it_reads(store: Store) -> None:
    assert weighed(store, (RANGE, RangeRequest(**EVERYTHING))) // NUMBER in ROW


async def test_each_operation_is_weighed_by_itself(store: Store) -> None:
    one = (RANGE, RangeRequest(**EVERYTHING))
    assert weighed(store, one, one, one) // (3 * NUMBER) in ROW


async def test_limit_is_one_of_what_is_weighed(store: Store) -> None:
    assert weighed(store, (RANGE, RangeRequest(**EVERYTHING, limit=100))) // 100 in ROW


async def test_deletion_weighs_what_was_there_if_that_is_asked_for(store: Store) -> None:
    asked = DeleteRangeRequest(**EVERYTHING, prev_kv=True)
    assert weighed(store, (DELETE, asked)) // NUMBER in ROW
    assert weighed(store, (DELETE, DeleteRangeRequest(**EVERYTHING))) == 0


async def test_puts_weigh_what_was_there_if_that_is_asked_for(store: Store) -> None:
    puts = [(PUT, PutRequest(key=b"k%04d" % i, prev_kv=True)) for i in range(100)]
    assert weighed(store, *puts) // (100 - UNWEIGHED) in ROW
    assert weighed(store, *[(PUT, PutRequest(key=b"k%04d" % i)) for i in range(100)]) == 0


async def test_what_shows_no_values_and_a_few_keys_weigh_nothing(store: Store) -> None:
    cheap: list[dict[str, Any]] = [{"count_only": True}, {"keys_only": True}, {"limit": UNWEIGHED}]
    for asked in cheap:
        assert weighed(store, (RANGE, RangeRequest(**EVERYTHING, **asked))) == 0


async def test_older_revision_weighs_what_was_there_then(store: Store) -> None:
    asked = RangeRequest(**EVERYTHING, revision=store.revision - 1)
    assert weighed(store, (RANGE, asked)) == 0


async def test_others_have_their_turn_meanwhile(store: Store) -> None:
    ops = [(RANGE, RangeRequest(**EVERYTHING))] * 3
    assert sum(1 for _ in weigh(store, ops, store.revision, lambda _: None)) >= 10


async def test_what_is_raised_ends_it(store: Store) -> None:
    def refuse(_: int) -> None:
        raise MemoryError

    steps = weigh(store, [(RANGE, RangeRequest(**EVERYTHING))], store.revision, refuse)
    with pytest.raises(MemoryError):
        finish(steps)
