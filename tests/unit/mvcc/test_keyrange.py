"""etcd's range rules, and unions of ranges against a plain list of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.mvcc.keyrange import Covered, Ranges, bounds


@pytest.mark.parametrize(
    ("key", "range_end", "interval"),
    [
        (b"a", b"", (b"a", b"a\0")),
        (b"a", b"c", (b"a", b"c")),
        (b"a", b"\0", (b"a", None)),
        (b"\0", b"\0", (b"\0", None)),
        (b"c", b"a", (b"c", b"a")),
        (b"a", b"\0\0", (b"a", b"\0\0")),
    ],
)
def test_bounds(key: bytes, range_end: bytes, interval: tuple[bytes, bytes | None]) -> None:
    assert bounds(key, range_end) == interval


SHORT = st.binary(max_size=2)


@given(st.lists(st.tuples(SHORT, SHORT), max_size=12), st.lists(SHORT))
def test_union_holds_what_any_of_its_ranges_holds(
    added: list[tuple[bytes, bytes]], keys: list[bytes]
) -> None:
    ranges = Ranges()
    for start, stop in added:
        ranges.add(start, stop)
    for key in (*keys, *(edge for pair in added for edge in pair)):
        assert (key in ranges) == any(start <= key < stop for start, stop in added)


@given(st.lists(st.tuples(SHORT, SHORT), max_size=12))
def test_union_is_kept_in_order_and_apart(added: list[tuple[bytes, bytes]]) -> None:
    ranges = Ranges()
    for start, stop in added:
        ranges.add(start, stop)
    edges = [edge for pair in ranges for edge in pair]
    assert edges == sorted(set(edges))


@given(st.lists(st.tuples(SHORT, st.one_of(SHORT, st.just(b"\0"))), max_size=12), st.lists(SHORT))
def test_what_requests_cover_is_what_any_of_them_selects(
    requests: list[tuple[bytes, bytes]], keys: list[bytes]
) -> None:
    covered = Covered()
    for key, range_end in requests:
        covered.add(key, range_end)
    for key in keys:
        selected = [bounds(*request) for request in requests]
        assert (key in covered) == any(
            start <= key and (stop is None or key < stop) for start, stop in selected
        )
