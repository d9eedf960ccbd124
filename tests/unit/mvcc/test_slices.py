"""Work in slices: nothing lost, nothing held on to, ties in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.cooperative import Steps, finish
from etcdpy.mvcc import slices
from etcdpy.mvcc.slices import chunks, sort


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
