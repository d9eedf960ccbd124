"""
Compaction: forgetting history, in slices.

From the moment a compaction is accepted, reads below its revision are refused; that it was
begun is on the disk before anyone is told so. The rows then go key by key, a thousand in
each batch, the oldest of a key first, so that the store a crash leaves behind is one from
which the same compaction can simply be run again. ``node.Compactor`` decides when.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import islice

from etcdpy.errors import CompactedError, FutureRevisionError
from etcdpy.mvcc.restore import FINISHED_COMPACTION, SCHEDULED_COMPACTION
from etcdpy.mvcc.revision import row_key
from etcdpy.mvcc.store import Store
from etcdpy.storage.buckets import Bucket

#: Keys looked at in a slice.
KEYS_PER_SLICE = 512


def begin(store: Store, revision: int) -> int:
    """
    Decide that a store is compacted at ``revision``: nobody reads below it any more.

    Returns:
        The sequence of the batch with the decision, which is durable before anyone is told.

    Raises:
        CompactedError: If the store was compacted there, or later, already.
        FutureRevisionError: If the revision is not there yet.

    """
    # etcd: kvstore.go, updateCompactRev
    if revision <= store.compact_revision:
        raise CompactedError
    if revision > store.revision:
        raise FutureRevisionError
    store.compact_revision = revision
    store.applied_index += 1
    batch = store.log.batch
    batch.puts[Bucket.META, SCHEDULED_COMPACTION] = row_key(revision, 0)
    store.log.flush_soon()
    return batch.sequence


def drop_rows(
    store: Store, revision: int, batch_limit: int
) -> Generator[int | None, None, tuple[int, int]]:
    """
    Drop what a compaction at ``revision`` forgets, of a store that nobody reads below it.

    Stopping half way, by a crash or by closing the generator, does no harm: it can be run again.

    Args:
        batch_limit: Rows dropped in one batch at most.

    Yields:
        None where others may run; or the sequence of a batch, which has to be durable before
        it goes on.

    Returns:
        How many rows were dropped, and the sequence of the batch that ends the compaction.

    """
    dropped = 0
    cursor: bytes | None = b""
    while cursor is not None:
        batch = store.log.batch
        before = len(batch.drops)
        cursor = _drop_some(store, cursor, revision, batch_limit)
        dropped += len(batch.drops) - before
        if cursor is None:
            break
        if len(batch.drops) >= batch_limit:
            store.log.flush_soon()
            yield batch.sequence
        else:
            yield None
    while store.index.compacted(revision):
        yield None
    # As in etcd, the last rows go together with the mark (kvstore_compaction.go,
    # scheduleCompaction).
    batch = store.log.batch
    batch.puts[Bucket.META, FINISHED_COMPACTION] = row_key(revision, 0)
    store.log.flush_soon()
    return dropped, batch.sequence


def _drop_some(store: Store, cursor: bytes, revision: int, batch_limit: int) -> bytes | None:
    """Look at some keys from ``cursor`` on, and return where the next slice begins."""
    index, drops = store.index, store.log.batch.drops
    keys = list(islice(index.every_key(cursor), KEYS_PER_SLICE))
    for key in keys:
        drops += index.compact(key, revision, batch_limit - len(drops))
        if len(drops) >= batch_limit:
            return key  # of which there may be more
    return keys[-1] + b"\0" if len(keys) == KEYS_PER_SLICE else None
