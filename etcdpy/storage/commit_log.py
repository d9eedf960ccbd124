"""
The commit log, as those above storage see it: what they read from, and where their changes go.

``GroupCommit`` is the real one. Each batch has a number, its sequence, so whoever made a change
can say which batch it is in without holding a future, and ask for one only where it has to wait.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterator, Sequence
from typing import Protocol

from etcdpy.storage.batch import Batch
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.errors import StorageError


class RowSource(Protocol):
    """Rows and small buckets to be read: a ``Backend``, or a ``CommitLog`` at its newest state."""

    def row(self, row_key: bytes) -> bytes | None:
        """Return a row of the key bucket, or None."""

    def rows(self, row_keys: Sequence[bytes]) -> list[bytes]:
        """
        Return rows in the order asked for.

        Raises:
            RowMissingError: If one of them is not there.

        """

    def scan_rows(self, start: bytes, stop: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over the rows of [start, stop), in order; the caller may pause."""

    def get(self, bucket: Bucket, key: bytes) -> bytes | None:
        """Return a value of one of the small buckets, or None."""

    def items(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        """Return the pairs of one of the small buckets, in key order."""


class CommitLog(RowSource, Protocol):
    """
    Gathers changes in batches, makes these durable in order, and shows them at once.

    All calls are the loop thread's.

    Attributes:
        batch: The one gathering, which changes are put into.

    """

    batch: Batch

    def flush_soon(self) -> None:
        """Hand the gathering batch to the disk at the end of this loop turn."""

    def hold(self) -> None:
        """Hand nothing over from now on: half a transaction is in the gathering batch."""

    def prepare(self) -> None:
        """Do part of the work of handing the batch over now, while it is held."""

    def release(self) -> None:
        """Hand over again: the transaction is complete."""

    def fail(self, error: StorageError) -> None:
        """Let nothing more become durable: what is in memory is not to be trusted."""

    def written(self) -> int:
        """Return the sequence of the newest batch with a change in it, 0 if there is none."""

    def until(self, sequence: int) -> Future[None] | None:
        """
        Return what resolves when a batch, and so all before it, is durable; None if it is.

        Once the log has failed, that is a future which fails, for every batch that is not.

        Args:
            sequence: Of the gathering batch, or of one before it.

        """

    def unsettled(self) -> Future[None] | None:
        """Return what resolves when all changes made so far are durable; None if they are."""
