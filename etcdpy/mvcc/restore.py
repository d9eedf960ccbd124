"""Start-up: the store's memory, rebuilt from its rows (etcd: kvstore.go, restore)."""

from __future__ import annotations

from struct import Struct

from etcdpy.mvcc.revision import ROW_KEY_LENGTH, parse_row_key
from etcdpy.mvcc.store import CONSISTENT_INDEX, Store
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit_log import RowSource

SCHEDULED_COMPACTION = b"scheduledCompactRev"
FINISHED_COMPACTION = b"finishedCompactRev"


_U64_PAIR = Struct(">QxQ")


def restore(store: Store, source: RowSource) -> int:
    """
    Fill an empty store.

    The current revision is the highest of the last row's and of the compactions begun
    and finished, so that it never falls even when the newest rows
    were tombstones that a compaction took away.

    Returns:
        The revision of a compaction that was begun and must be finished, 0 if none.

    """
    revision = _restore_rows(store, source)
    finished = _revision(source, FINISHED_COMPACTION)
    scheduled = _revision(source, SCHEDULED_COMPACTION)
    newest = max(revision, finished, scheduled, 1)
    store.revision = store.durable_revision = newest
    store.index.restored(newest)
    index = source.get(Bucket.META, CONSISTENT_INDEX)
    store.applied_index = int.from_bytes(index, "big") if index else 0
    # Reads below a compaction that was begun were refused before the crash already.
    known = [
        parse_row_key(key).main
        for name in (FINISHED_COMPACTION, SCHEDULED_COMPACTION)
        if (key := source.get(Bucket.META, name)) is not None
    ]
    store.compact_revision = max(known, default=-1)
    return scheduled if scheduled > finished else 0


def _restore_rows(store: Store, source: RowSource) -> int:
    # Runs once per row of the store: what it calls is looked up before the loop.
    decode = KeyValue.FromString
    note = store.index.restore
    unpack = _U64_PAIR.unpack_from
    attach, detach = store.attachments.attach, store.attachments.detach
    has_leases = False
    main = 0
    for row_key, row in source.scan_rows(b""):
        kv = decode(row)
        main, sub = unpack(row_key)
        if len(row_key) == ROW_KEY_LENGTH:
            # An empty row is what bumping the revision puts at the new one. etcd takes it for a
            # put of the empty key, which nobody can read, but which hashes and compactions see.
            note(kv.key, main, sub, kv.create_revision or main, kv.version or 1)
            if kv.lease or has_leases:
                has_leases = True
                attach(kv.key, kv.lease)
        else:
            note(kv.key, main, sub, 0, 0)
            detach(kv.key)
    return main


def _revision(source: RowSource, name: bytes) -> int:
    key = source.get(Bucket.META, name)
    return parse_row_key(key).main if key else 0
