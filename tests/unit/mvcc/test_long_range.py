"""A range that is encoded as it is read is, byte for byte, what a reply of its rows is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from etcdpy.cooperative import Pieces, finish
from etcdpy.mvcc import long_range
from etcdpy.mvcc.long_range import Measured, Reading, encode
from etcdpy.mvcc.ranges import choose, has_many, is_in_key_order, read_chosen, select
from etcdpy.mvcc.replies import range_reply
from etcdpy.mvcc.slices import SLICE_BYTES
from etcdpy.mvcc.store import Store
from etcdpy.pb.rpc_pb2 import RangeRequest
from tests.unit.mvcc.stores import delete, new_store, put, settle

HEADER = b"\x0a\x02\x18\x07"
KEYS = 40


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven keys are looked for at a time, and a slice ends after two or so."""
    monkeypatch.setattr(long_range, "_SCANNED", 7)
    monkeypatch.setattr(long_range, "SLICE_BYTES", 1000)
    monkeypatch.setattr(long_range, "PIECE_BYTES", 300)


async def filled(store: Store, log: Any) -> int:
    """Put many keys, delete a run of them, change some; return the revision before that."""
    for number in range(KEYS):
        put(store, (b"k%02d" % number, b"v" * (number % 11)))
    revision = store.revision
    delete(store, *(b"k%02d" % number for number in range(5, 25)))
    put(store, (b"k30", b"x" * 200), (b"m", b"another"))
    await settle(log)
    return revision


REQUESTS: list[dict[str, Any]] = [
    {"key": b"k", "range_end": b"l"},
    {"key": b"\0", "range_end": b"\0"},
    {"key": b"k03", "range_end": b"k27", "limit": 3},
    {"key": b"k", "range_end": b"l", "limit": 20},
    {"key": b"k", "range_end": b"l", "limit": 19},
    {"key": b"k", "range_end": b"l", "limit": 7},
    {"key": b"k", "range_end": b"l", "limit": -5},
    {"key": b"k", "range_end": b"l", "limit": 1000},
    {"key": b"k05", "range_end": b"k25"},
    {"key": b"n", "range_end": b"o"},
    {"key": b"l", "range_end": b"k"},
    {"key": b"k39", "range_end": b"l"},
]

_K: dict[str, Any] = {"key": b"k", "range_end": b"l"}
CHOSEN: list[dict[str, Any]] = [
    {**_K, "keys_only": True},
    {**_K, "keys_only": True, "limit": 5},
    {**_K, "sort_order": RangeRequest.DESCEND},
    {**_K, "sort_order": RangeRequest.DESCEND, "limit": 9},
    {**_K, "sort_target": RangeRequest.MOD},
    {**_K, "sort_target": RangeRequest.VERSION, "sort_order": RangeRequest.DESCEND},
    {**_K, "sort_target": RangeRequest.CREATE, "sort_order": RangeRequest.DESCEND, "limit": 1},
    {**_K, "sort_target": RangeRequest.VALUE, "sort_order": RangeRequest.ASCEND},
    {**_K, "sort_target": RangeRequest.VALUE, "keys_only": True, "limit": 12},
    {**_K, "min_mod_revision": 20, "max_mod_revision": 41},
    {**_K, "max_create_revision": 12, "limit": 3},
    {**_K, "min_mod_revision": 1000},
]


@pytest.mark.parametrize("fields", REQUESTS + CHOSEN)
@pytest.mark.parametrize("when", ["now", "then"])
async def test_reply_is_that_of_its_rows(fields: dict[str, Any], when: str) -> None:
    async with new_store() as (store, log):
        then = await filled(store, log)
        revision = store.revision if when == "now" else then
        request = RangeRequest(**fields)
        assert is_in_key_order(request) is (fields in REQUESTS)
        expected = range_reply(HEADER, finish(select(store, request, revision)))
        chosen = None if fields in REQUESTS else finish(choose(store, request, revision))
        reading = Reading(store, request, revision, chosen)
        assert reading.held == (0 if chosen is None else 8 * len(chosen.keys))
        held: list[int] = []
        made = finish(encode(reading, HEADER, held.append))
        assert isinstance(made, (bytes, Pieces))
        assert bytes(made) == expected
        assert not isinstance(made, Pieces) or all(made.pieces)
        assert sum(held) <= len(expected)
        # The same, but that it becomes too long at the first opportunity.
        made = finish(encode(reading, HEADER, None, lambda: True))
        if isinstance(made, Measured):
            assert made.size == len(expected)
            assert HEADER + b"".join(reading.pieces()) + made.end == expected
        else:
            assert bytes(made) == expected
            assert not held


async def test_long_reply_is_told_of_in_slices_and_measured_from_when_it_is_too_long() -> None:
    async with new_store() as (store, log):
        await filled(store, log)
        reading = Reading(store, RangeRequest(key=b"\0", range_end=b"\0"), store.revision - 2)
        held: list[int] = []
        steps = encode(reading, HEADER, held.append, lambda: len(held) == 2)
        slices = sum(1 for _ in steps) + 1
        assert slices > 3
        assert len(held) == 2


def test_one_key_and_a_count_are_not_many() -> None:
    assert not has_many(RangeRequest(key=b"k"))
    assert not has_many(RangeRequest(key=b"k", range_end=b"l", count_only=True))
    assert has_many(RangeRequest(key=b"k", range_end=b"l", limit=1))


class Noting(Reading):
    """Notes the lists of rows that it has yielded."""

    __slots__ = ("yielded",)

    def slices(self, first: int = 2) -> Iterator[list[bytes]]:
        self.yielded: list[list[bytes]] = []
        for rows in super().slices(first):
            self.yielded.append(rows)
            yield rows


async def test_rows_are_not_held_when_they_are_encoded() -> None:
    async with new_store() as (store, log):
        await filled(store, log)
        reading = Noting(store, RangeRequest(key=b"k", range_end=b"l"), store.revision)
        assert next(reading.pieces())
        assert reading.yielded == [[]]
        next(encode(reading, HEADER))
        assert reading.yielded == [[]]


async def test_long_keys_without_values_are_read_some_at_a_time() -> None:
    async with new_store() as (store, log):
        long = [b"long%02d" % number + bytes(SLICE_BYTES // 3) for number in range(7)]
        put(store, *[(key, b"") for key in long])
        await settle(log)
        request = RangeRequest(key=b"l", range_end=b"m", keys_only=True)
        chosen = finish(choose(store, request, store.revision))
        reading = Reading(store, request, store.revision, chosen)
        slices = [len(rows) for rows in reading.slices()]
        assert sum(slices) == 7
        assert max(slices) <= 3
        steps = read_chosen(store, request, chosen.keys, store.revision)
        assert sum(1 for _ in steps) >= 2
