"""What is prepared of a deletion is what it does when it has its turn, or is not used."""

from __future__ import annotations

import pytest

from etcdpy.cooperative import finish
from etcdpy.mvcc import prepared, slices, store
from etcdpy.mvcc.prepared import is_large, prepare_deletion, still_holds
from etcdpy.pb.rpc_pb2 import DeleteRangeRequest
from tests.unit.mvcc.stores import delete, new_store, put

KEYS = [b"k%d" % number for number in range(8)]
ALL = DeleteRangeRequest(key=b"k", range_end=b"l")


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (slices, store, prepared):
        monkeypatch.setattr(module, "SLICE", 3)


async def test_a_range_of_more_keys_than_a_slice_is_large() -> None:
    async with new_store() as (store, _):
        put(store, *((key, b"") for key in KEYS))
        assert is_large(store, ALL)
        assert not is_large(store, DeleteRangeRequest(key=b"k0", range_end=b"k3"))
        assert not is_large(store, DeleteRangeRequest(key=b"k0"))


async def test_a_prepared_deletion_writes_what_any_other_does() -> None:
    async with new_store() as (one, first), new_store() as (other, second):
        for store in (one, other):
            put(store, *((key, b"1") for key in KEYS))
            put(store, *((key, b"2") for key in KEYS[:3]))
        delete(one, *KEYS)
        made = finish(prepare_deletion(other, ALL))
        assert made.keys == KEYS
        write = other.begin()
        finish(write.delete_all(*made[:2]))
        write.commit()
        assert list(first.batch.rows.items()) == list(second.batch.rows.items())
        for revision in range(1, one.revision + 1):
            for key in KEYS:
                assert one.index.at(key, revision) == other.index.at(key, revision)


async def test_it_shows_nobody_anything() -> None:
    async with new_store() as (store, _):
        put(store, *((key, b"1") for key in KEYS))
        before = [store.index.at(key, 2) for key in KEYS]
        finish(prepare_deletion(store, ALL))
        assert [store.index.at(key, 2) for key in KEYS] == before


async def test_it_holds_until_a_key_of_the_range_comes_or_goes() -> None:
    async with new_store() as (store, _):
        put(store, *((key, b"1") for key in KEYS))
        made = finish(prepare_deletion(store, ALL))
        put(store, (b"k1", b"2"))
        put(store, (b"a", b"new"))
        assert still_holds(made, store, ALL)
        put(store, (b"k10", b"new"))
        assert not still_holds(made, store, ALL)
        made = finish(prepare_deletion(store, ALL))
        assert still_holds(made, store, ALL)
        delete(store, b"k10")
        assert not still_holds(made, store, ALL)
