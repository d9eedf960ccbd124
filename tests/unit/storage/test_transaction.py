from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdpy.storage import Backend, Bucket, StorageError
from etcdpy.storage.transaction import SLICE_BYTES, SLICE_ROWS
from tests.unit.storage.material import batch_of, revisions_in, row_key


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Backend]:
    backend = Backend.open(tmp_path)
    yield backend
    backend.close()


def test_nothing_is_seen_before_the_commit_and_all_of_it_after(backend: Backend) -> None:
    batch = batch_of(1, 2)
    batch.puts = {(Bucket.META, b"term"): b"2"}
    txn = backend.begin()
    list(txn.fill([batch], 1))
    backend.refresh()
    assert revisions_in(backend) == []
    txn.commit()
    backend.refresh()
    assert revisions_in(backend) == [1, 2]
    assert backend.get(Bucket.META, b"term") == b"2"


def test_an_aborted_transaction_leaves_nothing(backend: Backend) -> None:
    txn = backend.begin()
    list(txn.fill([batch_of(1)], 1))
    txn.abort()
    backend.refresh()
    assert revisions_in(backend) == []
    backend.write([batch_of(2)], 1)
    assert revisions_in(backend) == [2]


def test_drops_and_deletions_take_effect_in_batch_order(backend: Backend) -> None:
    first, second = batch_of(1, 2), batch_of(3)
    first.puts = {(Bucket.LEASE, b"a"): b"1", (Bucket.LEASE, b"b"): b"1"}
    second.drops = [row_key(1), row_key(99)]
    second.puts = {(Bucket.LEASE, b"a"): None, (Bucket.LEASE, b"none"): None}
    backend.write([first, second], 1)
    assert revisions_in(backend) == [2, 3]
    assert list(backend.items(Bucket.LEASE)) == [(b"b", b"1")]


def test_rows_come_in_slices_that_do_not_hold_the_loop(backend: Backend) -> None:
    txn = backend.begin()
    slices = sum(1 for _ in txn.fill([batch_of(*range(1, 2 * SLICE_ROWS + 2))], 1))
    txn.commit()
    assert slices == 3


def test_large_rows_come_in_slices_of_fewer(backend: Backend) -> None:
    txn = backend.begin()
    large = batch_of(*range(1, 5), value=b"x" * (SLICE_BYTES // 2))
    assert sum(1 for _ in txn.fill([large], 1)) >= 2
    txn.abort()


def test_many_drops_come_in_slices_too(backend: Backend) -> None:
    backend.write([batch_of(*range(1, SLICE_ROWS + 2))], 1)
    batch = batch_of()
    batch.drops = [row_key(revision) for revision in range(1, SLICE_ROWS + 2)]
    txn = backend.begin()
    assert sum(1 for _ in txn.fill([batch], 2)) == 2
    txn.commit()
    backend.refresh()
    assert revisions_in(backend) == []


@pytest.mark.parametrize("revision", [4, 5])
def test_a_row_not_above_all_others_is_refused(backend: Backend, revision: int) -> None:
    backend.write([batch_of(4, 5)], 1)
    with pytest.raises(StorageError, match="ascending"):
        backend.write([batch_of(revision)], 2)
    assert revisions_in(backend) == [4, 5]
