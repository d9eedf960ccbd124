"""Batches that contradict the index are found before they reach the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from etcdpy.mvcc import invariants
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.store import Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage import Batch, StorageError
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.mvcc.real_log import opened_store
from tests.unit.mvcc.stores import delete, new_store, put, settle


@pytest.fixture(autouse=True)
def _switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants.switch, "are_checked", True)


def rewrite(batch: Batch, **fields: object) -> None:
    """Change the newest row of a batch behind the back of its store."""
    key, row = batch.rows.popitem()
    kv = KeyValue.FromString(row)
    for name, value in fields.items():
        setattr(kv, name, value)
    batch.rows[key] = kv.SerializeToString()


DAMAGE: dict[str, Callable[[Store, FakeLog], object]] = {
    "another version": lambda store, log: rewrite(log.batch, version=9),
    "another creation": lambda store, log: rewrite(log.batch, create_revision=1),
    "another modification": lambda store, log: rewrite(log.batch, mod_revision=2),
    "another key": lambda store, log: rewrite(log.batch, key=b"b"),
    "another lease": lambda store, log: rewrite(log.batch, lease=7),
    "a key that is not attached": lambda store, log: store.attachments.attach(b"a", 8),
    "a key that is deleted": lambda store, log: store.index.delete(b"a", 3, 1),
    "a row dropped at once": lambda store, log: log.batch.drops.append(row_key(3, 0)),
}


def check(store: Store, log: FakeLog) -> None:
    invariants.check_batch(store.index, store.attachments, log.batch)


@pytest.mark.parametrize("damage", DAMAGE)
async def test_contradiction_is_found(damage: str) -> None:
    async with new_store() as (store, log):
        put(store, (b"a", b"1"))
        await settle(log)
        put(store, (b"a", b"2"))
        check(store, log)
        DAMAGE[damage](store, log)
        with pytest.raises(AssertionError):
            check(store, log)
        log.batch = Batch(log.batch.durable.get_loop(), log.batch.sequence)


async def test_only_the_last_of_several_changes_of_a_key_is_asked_for() -> None:
    async with new_store() as (store, log):
        put(store, (b"a", b"1"), (b"a", b"2"), lease=5)
        put(store, (b"b", b"1"))
        delete(store, b"a", b"b")
        check(store, log)


async def test_switched_off_it_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with new_store() as (store, log):
        put(store, (b"a", b"1"))
        rewrite(log.batch, version=9)
        monkeypatch.setattr(invariants.switch, "are_checked", False)
        store.seal(log.batch)
        log.batch = Batch(log.batch.durable.get_loop(), log.batch.sequence)


async def test_batch_that_contradicts_the_index_ends_the_log(tmp_path: Path) -> None:
    async with opened_store(tmp_path) as (store, log):
        sequence = store.begin().commit()
        put(store, (b"a", b"1"))
        rewrite(log.batch, version=9)
        pending = log.until(sequence + 1)
        assert pending is not None
        with pytest.raises(AssertionError, match="the index has"):
            await pending
        assert isinstance(log.failed, StorageError)


@pytest.mark.parametrize(
    ("value", "asserts", "storage"),
    [
        ("all", True, True),
        ("All", True, True),
        ("assert", True, False),
        ("storage_wal", False, True),
        ("", False, False),
        ("1", False, False),
    ],
)
def test_etcds_variable_asks_for_one_kind_of_check_or_for_all(
    value: str, asserts: bool, storage: bool
) -> None:
    environment = {"ETCD_VERIFY": value}
    assert invariants.is_wanted("assert", environment) is asserts
    assert invariants.is_wanted("storage_wal", environment) is storage


def test_nothing_is_wanted_by_an_empty_environment() -> None:
    assert not invariants.is_wanted("assert", {})
