"""
Changes of a transaction that are written together: a slice of them costs a third of one by one.

Together is the same as one after the other, as long as they are of different keys, as nearly all
are that pass etcd's checks. What is of a key once more, a deletion of a range, or a read, has to
find what came before it.
"""

from __future__ import annotations

from etcdpy.cooperative import Steps
from etcdpy.mvcc.index import Index
from etcdpy.mvcc.slices import SLICE
from etcdpy.mvcc.store import Store, WriteTxn
from etcdpy.mvcc.txn_request import Puts
from etcdpy.mvcc.within import Later

__all__ = ["Gathered"]


class Gathered:
    """
    What a transaction puts, and the single keys that it deletes, until they are written.

    Args:
        store: What they are written to.
        write: The transaction.
        later: Reads what does not have to be read before others go on; None if all has to be.

    Attributes:
        later: As given.

    """

    __slots__ = (
        "_deleted",
        "_has_deletions",
        "_index",
        "_keys",
        "_leases",
        "_put",
        "_values",
        "_write",
        "later",
    )

    def __init__(self, store: Store, write: WriteTxn, later: Later | None = None) -> None:
        self.later = later
        self._index: Index = store.index
        self._write = write
        self._keys: list[bytes] = []
        # None for a deletion.
        self._values: list[bytes | None] = []
        # Of those that hang on any.
        self._leases: dict[bytes, int] = {}
        self._has_deletions = False
        # Those that are not written yet, and those that are not settled.
        self._put: set[bytes] = set()
        self._deleted: set[bytes] = set()

    @property
    def changes(self) -> int:
        """How many changes were made up to this point."""
        return self._write.sub + len(self._keys)

    @property
    def shown(self) -> int:
        """The revision a reply names at this point."""
        return self._write.revision if self._keys else self._write.shown

    def look_at(self, key: bytes) -> None:
        """Have a key be as it is, before it is looked at and put."""
        if key in self._put:
            self.write()
        if key in self._deleted:
            self._settle_deleted()

    def _settle_deleted(self) -> None:
        # Keys that are put are settled before those that are deleted.
        self.write()
        self._write.settle()
        self._deleted.clear()

    def put(self, key: bytes, value: bytes, lease: int) -> None:
        """Add the put of a key that was looked at."""
        self._keys.append(key)
        self._values.append(value)
        self._put.add(key)
        if lease:
            self._leases[key] = lease

    def put_all(self, puts: Puts) -> Steps[None]:
        """Add many, no two of which are of one key, and write them in slices."""
        keys, values = puts
        if not self._deleted.isdisjoint(keys):
            self._settle_deleted()
        if not self._put.isdisjoint(keys):
            self.write()
        for first in range(0, len(keys), SLICE):
            end = min(first + SLICE, len(keys))
            some = keys[first:end]
            self._keys += some
            self._put.update(some)
            self._values += values[first:end]
            yield from self.did(end - first)

    def delete(self, key: bytes) -> bool:
        """Add the deletion of a key; return False if it is not there."""
        if key in self._put or key in self._deleted:
            self.write()
        if not self._index.is_alive(key):
            return False
        self._keys.append(key)
        self._values.append(None)
        self._deleted.add(key)
        self._has_deletions = True
        return True

    def did(self, operations: int) -> Steps[None]:
        """Note that so many operations more are done; write, and yield, if that is a slice."""
        write = self._write
        slices = write.operations // SLICE
        write.operations += operations
        if write.operations // SLICE != slices:
            self.write()
            yield

    def write(self) -> None:
        """Write what there is, which may still be found by nobody."""
        keys, values = self._keys, self._values
        if not keys:
            return
        self._keys, self._values = [], []
        self._put.clear()
        if self._has_deletions or self._leases:
            leases = [self._leases.get(key, 0) for key in keys]
            self._write.change_all(keys, values, leases)
            self._has_deletions = False
            self._leases.clear()
        else:
            # Without deletions there is a value for each.
            self._write.put_all(keys, values)  # type: ignore[arg-type]

    def settle(self) -> Steps[None]:
        """Write what there is, and have all that was written found."""
        self.write()
        self._deleted.clear()
        yield from self._write.settle_all()
