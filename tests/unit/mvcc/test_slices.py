"""Work in slices: nothing lost, nothing held on to, ties in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.cooperative import Steps, finish
from etcdpy.mvcc import slices
from etcdpy.mvcc.slices import SLICE_BYTES, by_size, chunks, in_order, sort


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "SLICE", 4)


def test_finish_runs_to_the_end() -> None:
    def steps() -> Steps[str]:
        yield
        yield
        return "done"

    assert finish(steps()) == "done"


@given(st.lists(st.integers()))
def test_chunks_are_the_list_in_order(items: list[int]) -> None:
    parts = list(chunks(items.copy()))
    assert [item for part in parts for item in part] == items
    assert all(0 < len(part) <= 4 for part in parts)


@pytest.mark.parametrize("number", [0, 1, 4, 5, 200])
def test_keys_come_in_order(number: int) -> None:
    keys = [b"%d" % (place * 7919 % 1000) for place in range(number)]
    assert finish(in_order(keys.copy())) == sorted(keys)


def test_many_keys_are_put_in_order_in_turns() -> None:
    steps, turns = in_order([b"%03d" % number for number in range(100)]), 0
    for _ in steps:
        turns += 1
    assert turns > 100 / 4 / 4


def test_keys_are_cut_where_they_would_be_too_much_together() -> None:
    few = [b"k" * 10] * 100
    assert by_size(few) == [few]
    long = [bytes([n]) * (SLICE_BYTES // 3 + 1) for n in range(10)]
    parts = by_size([*few, *long])
    assert [key for part in parts for key in part] == [*few, *long]
    assert max(len(part) for part in parts[1:]) == 3


def test_long_list_is_emptied_on_the_way() -> None:
    items = list(range(10))
    left = [len(items) for _ in chunks(items)]
    assert left == [6, 2, 0]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers())),
    st.booleans(),
    st.none() | st.integers(1, 9),
)
def test_sort_is_stable_both_ways(
    items: list[tuple[int, int]], descending: bool, limit: int | None
) -> None:
    expected = sorted(items, key=lambda item: item[0], reverse=descending)[:limit]
    assert finish(sort(items, lambda item: item[0], descending, limit)) == expected
