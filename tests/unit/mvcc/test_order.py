"""Keys in order are those that Python sorts by the same, in little memory."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from etcdpy.cooperative import finish
from etcdpy.mvcc import order
from etcdpy.mvcc.order import CREATE, MOD, VERSION, by_number, by_value
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.walks import keys_at, rows_at
from etcdpy.pb.kv_pb2 import KeyValue
from tests.unit.mvcc.stores import delete, new_store, put, settle

LIMITS = (None, 1, 2, 9, 40, 60)

NUMBERS: list[tuple[int, Callable[[KeyValue], int]]] = [
    (MOD, lambda kv: kv.mod_revision),
    (CREATE, lambda kv: kv.create_revision),
    (VERSION, lambda kv: kv.version),
]


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five keys are a slice, and ten are gathered before it is looked which of them matter."""
    monkeypatch.setattr(order, "SLICE", 5)
    monkeypatch.setattr(order, "_GATHERED", 10)


def fill(store: Store) -> None:
    """Put, change and delete keys until some sixty are alive, with values that begin alike."""
    rng = random.Random(7)
    values = [b"", b"\0", b"a", b"same" * 9, b"same" * 9 + b"!", *(b"p" * n for n in range(12))]
    for _ in range(250):
        keys = sorted({b"k%02d" % rng.randrange(80) for _ in range(rng.randrange(1, 4))})
        if rng.random() < 0.1:
            delete(store, *(key for key in keys if store.get(key, store.revision)))
        else:
            put(store, *((key, rng.choice(values)) for key in keys))


def keys_of(store: Store) -> list[bytes]:
    return finish(keys_at(store, b"k", b"l", store.revision, None))


def pairs_of(store: Store) -> list[KeyValue]:
    rows = finish(rows_at(store, keys_of(store), store.revision))
    return [KeyValue.FromString(row) for row in rows]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("place", "number_of"), NUMBERS)
async def test_keys_by_their_numbers(
    place: int, number_of: Callable[[KeyValue], int], descending: bool
) -> None:
    async with new_store() as (store, log):
        fill(store)
        await settle(log)
        expected = sorted(pairs_of(store), key=number_of, reverse=descending)
        for limit in LIMITS:
            found = by_number(store, keys_of(store), store.revision, place, descending, limit)
            assert finish(found) == [kv.key for kv in expected][:limit]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("piece", [1, 7, 256])
async def test_keys_by_their_values(
    piece: int, descending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "VALUES_HELD", piece)
    monkeypatch.setattr(order, "LEAST_PIECE", piece)
    async with new_store() as (store, log):
        fill(store)
        await settle(log)
        expected = sorted(pairs_of(store), key=lambda kv: kv.value, reverse=descending)
        for limit in LIMITS:
            found = by_value(store, keys_of(store), store.revision, descending, limit)
            assert finish(found) == [kv.key for kv in expected][:limit]


class Peak:
    """The most that was held at a time."""

    def __init__(self) -> None:
        self.held = self.most = 0

    def hold(self, size: int) -> None:
        self.held += size
        self.most = max(self.most, self.held)


@pytest.mark.parametrize(("limit", "least", "most"), [(None, 400, 600), (3, 1, 60)])
async def test_no_more_is_held_than_may_be_among_the_first(
    limit: int | None, least: int, most: int
) -> None:
    async with new_store() as (store, log):
        for number in range(500):
            put(store, (b"k%03d" % number, b"%04d" % (number * 7 % 500)))
        await settle(log)
        keys, revision = keys_of(store), store.revision
        numbers, values = Peak(), Peak()
        finish(by_number(store, keys, revision, MOD, limit=limit, hold=numbers.hold))
        assert numbers.held == 0
        assert least <= numbers.most // order._NUMBER_BYTES <= most
        finish(by_value(store, keys, revision, limit=limit, hold=values.hold))
        assert values.held == 0
        assert least <= values.most // order._PIECE_BYTES <= most


async def test_values_that_are_all_alike_are_not_looked_at_again_and_again() -> None:
    async with new_store() as (store, log):
        for number in range(100):
            put(store, (b"k%03d" % number, b"v" * 300))
        await settle(log)
        keys = keys_of(store)
        steps = by_value(store, keys.copy(), store.revision, True, 3)
        assert finish(steps) == keys[:3]
