"""Ranges as the edge cases of etcd's Range show them."""

from __future__ import annotations

from typing import Any

import pytest

from etcdpy.cooperative import finish
from etcdpy.mvcc import ranges as ranges_module
from etcdpy.mvcc.ranges import RangeResult, select
from etcdpy.mvcc.store import Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import RangeRequest
from tests.unit.mvcc.stores import delete, new_store, put, settle, worked_example

KEY, VERSION, CREATE, MOD, VALUE = range(5)
NONE, ASCEND, DESCEND = range(3)

FROM_A = {"key": b"a", "range_end": b"z"}


def ranged(store: Store, revision: int, **fields: Any) -> RangeResult:
    return finish(select(store, RangeRequest(**fields), revision))


def keys(result: RangeResult) -> bytes:
    return b"".join(KeyValue.FromString(row).key for row in result.rows)


# The keys found, more, and the count; a: create 2, mod 5, version 2, value 9.
CASES: list[tuple[dict[str, Any], bytes, bool, int]] = [
    ({"key": b"a"}, b"a", False, 1),
    ({"key": b"a", "limit": 1}, b"a", False, 1),
    ({"key": b"no"}, b"", False, 0),
    ({"key": b"a", "count_only": True}, b"", False, 1),
    ({"key": b"no", "count_only": True}, b"", False, 0),
    ({"key": b"c", "range_end": b"a"}, b"", False, 0),
    ({"key": b"c", "range_end": b"c"}, b"", False, 0),
    ({"key": b"\0", "range_end": b"\0"}, b"abc", False, 3),
    ({"key": b"b", "range_end": b"\0"}, b"bc", False, 2),
    ({**FROM_A, "limit": 2}, b"ab", True, 3),
    ({**FROM_A, "limit": 3}, b"abc", False, 3),
    ({**FROM_A, "limit": -1}, b"abc", False, 3),
    ({**FROM_A, "limit": (1 << 63) - 1}, b"abc", False, 3),
    ({**FROM_A, "count_only": True, "limit": 2, "min_mod_revision": 6}, b"", False, 3),
    ({**FROM_A, "min_mod_revision": 4, "limit": 1}, b"a", True, 3),
    ({**FROM_A, "min_mod_revision": 4}, b"ac", False, 3),
    ({**FROM_A, "max_mod_revision": -1}, b"", False, 3),
    ({**FROM_A, "max_mod_revision": 4}, b"bc", False, 3),
    ({**FROM_A, "min_create_revision": 3, "max_create_revision": 3}, b"b", False, 3),
    # A target without an order is sorted after the cut.
    ({**FROM_A, "sort_target": MOD, "limit": 2}, b"bc", True, 3),
    ({**FROM_A, "sort_target": MOD, "limit": 1}, b"b", True, 3),
    ({**FROM_A, "sort_target": MOD, "sort_order": ASCEND, "limit": 1}, b"b", True, 3),
    ({**FROM_A, "sort_target": KEY, "sort_order": DESCEND, "limit": 1}, b"c", True, 3),
    ({**FROM_A, "sort_target": VERSION, "sort_order": DESCEND}, b"abc", False, 3),
    ({**FROM_A, "sort_target": VERSION, "sort_order": ASCEND}, b"bca", False, 3),
    ({**FROM_A, "sort_target": CREATE, "sort_order": DESCEND}, b"cba", False, 3),
    ({**FROM_A, "sort_target": VALUE, "sort_order": ASCEND}, b"bca", False, 3),
    ({**FROM_A, "sort_target": VALUE, "sort_order": DESCEND, "limit": 2}, b"ac", True, 3),
]


@pytest.mark.parametrize(("fields", "found", "more", "count"), CASES)
async def test_range(fields: dict[str, Any], found: bytes, more: bool, count: int) -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        result = ranged(store, 5, **fields)
        assert (keys(result), result.more, result.total) == (found, more, count)


@pytest.mark.parametrize(("revision", "values"), [(1, []), (2, [b"1"]), (4, [b"1"]), (5, [b"9"])])
async def test_range_shows_the_revision(revision: int, values: list[bytes]) -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        rows = ranged(store, revision, key=b"a").rows
        assert [KeyValue.FromString(row).value for row in rows] == values


@pytest.mark.parametrize(
    ("target", "lease"), [(KEY, 0), (MOD, 0), (VERSION, 0), (CREATE, 0), (VALUE, 7)]
)
async def test_keys_only_has_a_lease_only_if_rows_were_read(target: int, lease: int) -> None:
    async with new_store() as (store, log):
        put(store, (b"k", b"value"), lease=7)
        await settle(log)
        result = ranged(store, 2, key=b"k", keys_only=True, sort_target=target)
        (row,) = result.rows
        expected = KeyValue(key=b"k", create_revision=2, mod_revision=2, version=1, lease=lease)
        assert KeyValue.FromString(row) == expected


async def test_rows_go_out_as_they_are_stored() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        stored = list(log.disk.key_rows.values())
        assert ranged(store, 5, **FROM_A).rows == [stored[3], stored[1], stored[2]]


async def test_deleted_keys_are_found_before_their_deletion_only() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        revision = delete(store, b"b")
        assert keys(ranged(store, revision, **FROM_A)) == b"ac"
        assert keys(ranged(store, revision - 1, **FROM_A)) == b"abc"


async def test_short_ranges_never_yield() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        with pytest.raises(StopIteration):
            next(select(store, RangeRequest(key=b"a", range_end=b"z", keys_only=True), 5))


@pytest.mark.parametrize("order", [ASCEND, DESCEND])
@pytest.mark.parametrize("bounds", [{}, {"max_create_revision": 3}, {"min_create_revision": 3}])
@pytest.mark.parametrize("keys_only", [False, True])
async def test_key_created_first_or_last_is_the_first_of_all_in_that_order(
    order: Any, bounds: dict[str, int], keys_only: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges_module, "SLICE", 2)
    async with new_store() as (store, log):
        # b and c are created together, behind d; a was made again.
        put(store, (b"d", b"1"))
        put(store, (b"b", b"1"), (b"c", b"1"))
        put(store, (b"a", b"1"))
        delete(store, b"a")
        put(store, (b"a", b"1"), (b"e", b"1"))
        await settle(log)
        asked: dict[str, Any] = {
            "key": b"a",
            "range_end": b"z",
            "sort_target": CREATE,
            "sort_order": order,
            "keys_only": keys_only,
            **bounds,
        }
        everything = ranged(store, store.revision, **asked)
        one = ranged(store, store.revision, limit=1, **asked)
    assert one.rows == everything.rows[:1]
    assert one.more is (len(everything.rows) > 1)
    assert one.total == everything.total == 5


async def test_nothing_is_created_first_where_nothing_is() -> None:
    async with new_store() as (store, log):
        await settle(log)
        found = ranged(
            store, 1, key=b"a", range_end=b"z", sort_target=CREATE, sort_order=ASCEND, limit=1
        )
    assert found == RangeResult([], False, 0)
