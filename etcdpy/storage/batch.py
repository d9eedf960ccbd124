"""
The unit of durability: changes that reach the disk together or not at all.

A batch after two transactions, the second of which moved the lease of ``b``::

    rows      {…0002_…0000: KeyValue(a), …0003_…0000: KeyValue(b)}
    puts      {(LEASE, 00000000000004d2): Lease(1234)}
    drops     []
    revision  3
"""

from __future__ import annotations

import asyncio

from etcdpy.storage.buckets import Bucket
from etcdpy.storage.durable import Durable


class Batch:
    """
    Changes gathered on the loop, in the order in which they were made.

    The store fills the fields directly; the committer only reads them, and
    only once the batch was handed over. ``durable`` is resolved on the loop
    when the batch is on disk, or gets the ``StorageError`` that kept it off.
    Any number of calls may await it, and be cancelled.

    Args:
        loop: Where it gathers.
        sequence: 1 for the first batch of a log, one more for each that follows.

    """

    __slots__ = ("drops", "durable", "put_bytes", "puts", "revision", "rows", "sequence")

    def __init__(self, loop: asyncio.AbstractEventLoop, sequence: int) -> None:
        self.sequence = sequence
        #: New rows of the key bucket: ascending row keys, above all earlier ones.
        self.rows: dict[bytes, bytes] = {}
        #: Bytes of the rows that are no tombstones: what it will add to the database, about.
        #: Once it is handed over, the most that all of it adds.
        self.put_bytes = 0
        #: Changes of the other buckets; ``None`` deletes.
        self.puts: dict[tuple[Bucket, bytes], bytes | None] = {}
        #: Row keys that compaction takes out of the key bucket.
        self.drops: list[bytes] = []
        #: The store's revision once this batch is applied; never falls.
        self.revision = 0
        self.durable: asyncio.Future[None] = Durable(loop=loop)

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.rows or self.puts or self.drops)
