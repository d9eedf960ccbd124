"""The compares of a transaction, one rule at a time."""

from __future__ import annotations

from typing import Any

import pytest

from etcdpy.cooperative import finish
from etcdpy.mvcc import compare as compare_module
from etcdpy.mvcc.compare import holds
from etcdpy.pb.rpc_pb2 import Compare
from tests.unit.mvcc.stores import new_store, put, settle, worked_example

EQUAL, GREATER, LESS, NOT_EQUAL = 0, 1, 2, 3
VERSION, CREATE, MOD, VALUE, LEASE = range(5)

CASES: list[tuple[dict[str, Any], bool]] = [
    # a: create 2, mod 5, version 2, value 9; b, c: created at 3 and 4.
    ({"key": b"a", "target": VERSION, "version": 2}, True),
    ({"key": b"a", "target": VERSION, "version": 3}, False),
    ({"key": b"a", "target": CREATE, "result": LESS, "create_revision": 3}, True),
    ({"key": b"a", "target": MOD, "result": GREATER, "mod_revision": 5}, False),
    ({"key": b"a", "target": VALUE, "value": b"9"}, True),
    ({"key": b"a", "target": VALUE, "result": NOT_EQUAL, "value": b"9"}, False),
    ({"key": b"a", "target": VALUE, "result": GREATER, "value": b"8\xff"}, True),
    ({"key": b"l", "target": LEASE, "lease": 7}, True),
    ({"key": b"a", "target": LEASE, "lease": 0}, True),
    # No such key: numbers are 0, and no compare of the value holds.
    ({"key": b"no", "target": VERSION}, True),
    ({"key": b"no", "target": MOD, "result": LESS, "mod_revision": 1}, True),
    ({"key": b"no", "target": LEASE}, True),
    ({"key": b"no", "target": VALUE, "value": b""}, False),
    ({"key": b"no", "target": VALUE, "result": NOT_EQUAL, "value": b"x"}, False),
    # Ranges: all have to hold; an empty one is a missing key.
    ({"key": b"a", "range_end": b"d", "target": VERSION, "result": GREATER}, True),
    (
        {"key": b"a", "range_end": b"d", "target": CREATE, "result": LESS, "create_revision": 4},
        False,
    ),
    ({"key": b"a", "range_end": b"\0", "target": VALUE, "result": NOT_EQUAL, "value": b"3"}, False),
    ({"key": b"x", "range_end": b"z", "target": VERSION}, True),
    ({"key": b"c", "range_end": b"a", "target": VERSION}, True),
    ({"key": b"x", "range_end": b"z", "target": VALUE, "result": NOT_EQUAL}, False),
    # An operand of another kind is 0; what etcd does not know passes, or is equal.
    ({"key": b"a", "target": VERSION, "value": b"2"}, False),
    ({"key": b"no", "target": VERSION, "value": b"2"}, True),
    ({"key": b"a", "target": VERSION, "result": 9, "version": 77}, True),
    ({"key": b"no", "target": VALUE, "result": 9}, False),
    ({"key": b"a", "target": 9}, True),
    ({"key": b"a", "target": 9, "result": LESS}, False),
]


@pytest.mark.parametrize("size", [1, 512])
@pytest.mark.parametrize(("fields", "expected"), CASES)
async def test_compare(
    fields: dict[str, Any], expected: bool, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare_module, "SLICE", size)
    async with new_store() as (store, log):
        await worked_example(store, log)
        put(store, (b"l", b"leased"), lease=7)
        await settle(log)
        assert finish(holds(store, Compare(**fields), store.revision)) is expected


async def test_compare_looks_at_the_revision_it_is_given() -> None:
    async with new_store() as (store, log):
        await worked_example(store, log)
        compare = Compare(key=b"a", target=Compare.VALUE, value=b"1")
        assert [finish(holds(store, compare, revision)) for revision in (1, 2, 4, 5)] == [
            False,
            True,
            True,
            False,
        ]


@pytest.mark.parametrize(("target", "low", "high"), [(MOD, 3, 5), (CREATE, 2, 4), (VERSION, 1, 2)])
async def test_compares_of_one_range_share_what_was_found(target: Any, low: int, high: int) -> None:
    field = {MOD: "mod_revision", CREATE: "create_revision", VERSION: "version"}[target]
    known: compare_module.Extremes = {}
    async with new_store() as (store, log):
        await worked_example(store, log)

        def held(result: Any, number: int) -> bool:
            fields: dict[str, Any] = {field: number}
            asked = Compare(key=b"a", range_end=b"z", target=target, result=result, **fields)
            return finish(holds(store, asked, 5, known))

        for number in range(low - 1, high + 2):
            assert held(GREATER, number) == (number < low)
            assert held(LESS, number) == (number > high)
            assert not held(EQUAL, number)
    assert list(known.values()) == [(low, high)]
