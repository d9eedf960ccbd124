"""Row keys are etcd's, byte for byte, and sort in the order things happened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.mvcc.revision import (
    RowKey,
    parse_row_key,
    row_key,
    row_keys,
    tombstone_key,
    tombstone_keys,
)

U64 = st.integers(0, (1 << 64) - 1)


def test_row_key_is_main_and_sub_in_big_endian() -> None:
    assert row_key(0x0102, 3) == bytes.fromhex("0000000000000102 5f 0000000000000003")


def test_tombstone_ends_in_t() -> None:
    assert tombstone_key(1, 0) == row_key(1, 0) + b"t"


def test_keys_of_many_rows_follow_each_other() -> None:
    assert row_keys(9, 255, 3) == [row_key(9, sub) for sub in (255, 256, 257)]
    assert tombstone_keys(9, 255, 3) == [tombstone_key(9, sub) for sub in (255, 256, 257)]
    assert tombstone_keys(9, 0, 0) == []


@given(U64, U64, st.booleans())
def test_row_key_is_read_back(main: int, sub: int, tombstone: bool) -> None:
    key = RowKey(main, sub, tombstone)
    assert parse_row_key(key.encoded()) == key


@given(U64, U64, U64, U64)
def test_row_keys_sort_by_revision(main: int, sub: int, other_main: int, other_sub: int) -> None:
    ascending = (main, sub) < (other_main, other_sub)
    assert (row_key(main, sub) < row_key(other_main, other_sub)) == ascending
    if (main, sub) != (other_main, other_sub):
        assert (tombstone_key(main, sub) < row_key(other_main, other_sub)) == ascending


@pytest.mark.parametrize(
    "key",
    [b"", row_key(1, 2)[:-1], row_key(1, 2) + b"x", tombstone_key(1, 2) + b"t", b"-" * 17],
)
def test_other_bytes_are_no_row_key(key: bytes) -> None:
    with pytest.raises(ValueError, match="not a row key"):
        parse_row_key(key)
