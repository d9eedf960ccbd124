"""The index on its own: order, counts, pages and compaction."""

from __future__ import annotations

import sys

import pytest

from etcdpy.mvcc import index as index_module
from etcdpy.mvcc import liveness
from etcdpy.mvcc.history import Version
from etcdpy.mvcc.index import Index
from etcdpy.mvcc.revision import RowKey, row_key, tombstone_key


def worked_example() -> Index:
    """Put a at 2, b at 3, c at 4, a at 5; delete b at 6."""
    index = Index()
    assert index.put(b"a", 2, 0) == (2, 1)
    assert index.put(b"b", 3, 0) == (3, 1)
    assert index.put(b"c", 4, 0) == (4, 1)
    assert index.put(b"a", 5, 0) == (2, 2)
    index.delete(b"b", 6, 0)
    return index


ALIVE = {1: [], 2: [b"a"], 3: [b"a", b"b"], 4: [b"a", b"b", b"c"], 6: [b"a", b"c"]}


@pytest.mark.parametrize("revision", ALIVE)
def test_keys_alive_at_a_revision(revision: int) -> None:
    index = worked_example()
    assert index.scan(b"", None, revision, 10) == (ALIVE[revision], None)
    assert index.count(b"", None, revision) == len(ALIVE[revision])


def test_versions_of_a_key() -> None:
    index = worked_example()
    assert index.newest(b"a") == Version(5, 0, 2, 2)
    assert index.at(b"a", 4) == Version(2, 0, 2, 1)
    assert index.newest(b"b") is None
    assert index.at(b"b", 5) == Version(3, 0, 3, 1)
    assert index.newest(b"nobody") is index.at(b"nobody", 9) is None
    assert index.row_key_at(b"b", 5) == row_key(3, 0)


def test_deleted_key_begins_anew() -> None:
    index = worked_example()
    assert index.put(b"b", 7, 0) == (7, 1)
    assert index.scan(b"b", b"c", 7, 9) == ([b"b"], None)
    assert index.at(b"b", 6) is None


@pytest.mark.parametrize(
    ("start", "stop", "keys"),
    [
        (b"a", b"c", [b"a", b"b"]),
        (b"a\0", None, [b"b", b"c"]),
        (b"b", b"b\0", [b"b"]),
        (b"c", b"a", []),
        (b"c", b"c", []),
    ],
)
def test_range_is_half_open(start: bytes, stop: bytes | None, keys: list[bytes]) -> None:
    index = worked_example()
    assert index.scan(start, stop, 5, 9) == (keys, None)
    assert index.count(start, stop, 5) == len(keys)


def test_pages_go_on_where_the_last_ended() -> None:
    index = worked_example()
    assert index.scan(b"", None, 5, 2) == ([b"a", b"b"], b"b\0")
    assert index.scan(b"b\0", None, 5, 2) == ([b"c"], None)


def everything(index: Index, revision: int, limit: int) -> list[bytes]:
    keys: list[bytes] = []
    start: bytes | None = b""
    while start is not None:
        found, start = index.scan(start, None, revision, limit)
        assert len(found) <= limit
        keys += found
    return keys


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_deaths_on_their_way_are_seen_by_nobody_yet(limit: int) -> None:
    index = Index()
    keys = [b"%04d" % number for number in range(2000)]
    for key in keys:
        index.put(key, 2, 0)
    index.made_durable(2)
    for key in keys[100:1900]:
        index.delete(key, 3, 0)
    assert everything(index, 2, limit) == keys
    assert index.count(b"", None, 2) == 2000
    assert everything(index, 3, limit) == keys[:100] + keys[1900:]
    assert index.count(b"0050", b"0150", 3) == 50


def test_below_the_floor_ranges_are_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "LOG_LENGTH", 1)
    monkeypatch.setattr(liveness, "BLOCK", 1)
    monkeypatch.setattr(index_module, "MOST_LOOKED_AT", 2)
    index = worked_example()
    index.made_durable(6)
    assert index.count(b"", None, 3) is None
    for revision, keys in ALIVE.items():
        assert everything(index, revision, 5) == keys


def test_changes_since_a_revision_come_in_order() -> None:
    index = worked_example()
    assert index.changes(b"a", b"c", 3, most_keys=2, most=10) == (
        [RowKey(3, 0, False), RowKey(5, 0, False), RowKey(6, 0, True)],
        None,
    )
    assert index.changes(b"a", None, 3, most_keys=2, most=10) is None


def test_compaction_keeps_what_its_revision_shows() -> None:
    index = worked_example()
    assert index.compact(b"a", 5, 10) == [row_key(2, 0)]
    assert index.compact(b"c", 5, 10) == []
    assert index.at(b"a", 5) == Version(5, 0, 2, 2)
    assert index.compact(b"b", 5, 10) == []


def test_tombstone_outlives_a_compaction_at_its_own_revision() -> None:
    index = worked_example()
    assert index.compact(b"b", 6, 10) == [row_key(3, 0)]
    assert list(index.every_key()) == [b"a", b"b", b"c"]
    assert index.compact(b"b", 7, 10) == [tombstone_key(6, 0)]
    assert list(index.every_key()) == [b"a", b"c"]


def test_what_is_left_of_many_keys_is_found_where_it_was() -> None:
    index = Index()
    names = [b"%05d" % number for number in range(11_000)]
    index.put_all(names, 2, 0)
    index.settle(2)
    index.delete_all(names[5:], 3, 0)
    before = sys.getsizeof(index._histories)
    for name in names:
        index.compact(name, 4, 10)
    while index.compacted(4):
        pass
    assert sys.getsizeof(index._histories) < before // 100
    assert list(index.every_key()) == names[:5]
    assert [index.newest(name) for name in names[:6]] == [
        *(Version(2, number, 2, 1) for number in range(5)),
        None,
    ]


def test_many_versions_go_in_parts_oldest_first() -> None:
    index = Index()
    for revision in range(2, 12):
        index.put(b"hot", revision, 0)
    parts = [index.compact(b"hot", 10, 4) for _ in range(4)]
    assert parts == [
        [row_key(revision, 0) for revision in range(2, 6)],
        [row_key(revision, 0) for revision in range(6, 10)],
        [],
        [],
    ]
    assert index.at(b"hot", 10) == Version(10, 0, 2, 9)


def test_restored_rows_make_the_same_index() -> None:
    index = Index()
    index.restore(b"a", 5, 0, 2, 2)
    index.restore(b"b", 6, 0, 0, 0)
    index.restore(b"c", 7, 0, 7, 1)
    index.restored(7)
    assert index.scan(b"", None, 7, 9) == ([b"a", b"c"], None)
    assert index.put(b"b", 8, 0) == (8, 1)
    assert index.put(b"a", 9, 0) == (2, 3)
    assert len(index) == 3
    assert everything(index, 7, 9) == [b"a", b"c"]


def test_many_keys_are_deleted_as_one_by_one() -> None:
    one, many = Index(), Index()
    keys = [b"%03d" % number for number in range(60)]
    for index in (one, many):
        for revision, key in enumerate(keys, 2):
            index.put(key, revision, 0)
        index.put(keys[7], 70, 0)
        index.delete(keys[3], 71, 0)
        index.put(keys[3], 72, 0)
        index.delete(keys[9], 73, 0)
    gone = [key for key in keys[2:50] if key != keys[9]]
    many.delete_all(gone, 80, 5)
    for sub, key in enumerate(gone, 5):
        one.delete(key, 80, sub)
    assert list(many.every_key()) == list(one.every_key()) == keys
    for revision in (40, 72, 79, 80):
        assert everything(many, revision, 7) == everything(one, revision, 7)
        assert [many.at(key, revision) for key in keys] == [one.at(key, revision) for key in keys]
    for key in keys:
        assert many.compact(key, 81, 10) == one.compact(key, 81, 10)


def test_number_of_a_version_at_any_revision_is_that_of_the_version() -> None:
    index = Index()
    index.put(b"once", 2, 3)
    for revision in (3, 5, 9):
        index.put(b"often", revision, 1)
        index.put(b"gone", revision, 2)
    index.delete(b"gone", 10, 0)
    for key in (b"once", b"often", b"gone", b"never"):
        for revision in range(1, 12):
            version = index.at(key, revision)
            for place in (0, 2, 3):
                expected = 0 if version is None else version[place]
                assert index.number_at(key, revision, place) == expected
