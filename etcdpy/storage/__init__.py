"""Durable storage: etcd's buckets in LMDB, written in groups."""

from etcdpy.storage.backend import Backend
from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit import GroupCommit
from etcdpy.storage.errors import DataDirError, DataDirLocked, RowMissingError, StorageError

__all__ = [
    "Backend",
    "Batch",
    "Bucket",
    "DataDirError",
    "DataDirLocked",
    "GroupCommit",
    "RowMissingError",
    "StorageError",
]
