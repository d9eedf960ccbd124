"""Rows are what protobuf makes of the same fields."""

from __future__ import annotations

import pytest

from etcdpy.mvcc.rows import born_at, new_row, row, rows_of, tombstone, tombstones
from etcdpy.pb.kv_pb2 import KeyValue

KEYS = [b"a", b"k" * 127, b"k" * 128, b"k" * 20_000]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("value", [b"", b"v", bytes(127), bytes(128), bytes(70_000)])
@pytest.mark.parametrize("revision", [2, 128, 1 << 14, (1 << 21) - 1, 1 << 40])
def test_row_of_a_new_key(key: bytes, value: bytes, revision: int) -> None:
    message = KeyValue(
        key=key, create_revision=revision, mod_revision=revision, version=1, value=value
    )
    assert new_row(key, value, born_at(revision)) == message.SerializeToString()


def test_any_other_row() -> None:
    message = KeyValue(key=b"a", create_revision=2, mod_revision=9, version=3, value=b"v", lease=-7)
    assert row(b"a", b"v", -7, 2, 9, 3) == message.SerializeToString()


def test_rows_of_deletions() -> None:
    assert tombstones(KEYS) == [tombstone(key) for key in KEYS]
    assert tombstones(KEYS) == [KeyValue(key=key).SerializeToString() for key in KEYS]


def test_rows_of_many_puts() -> None:
    versions = [None, (2, 7), (2, 8), (500, 200)]
    values = [b"", b"v", b"", bytes(300)]
    expected = [
        new_row(key, value, born_at(9000))
        if known is None
        else row(key, value, 0, known[0], 9000, known[1])
        for key, value, known in zip(KEYS, values, versions, strict=True)
    ]
    assert rows_of(KEYS, values, versions, 9000) == expected
