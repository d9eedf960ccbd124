"""One commit of the database, held while others follow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import lmdb

from etcdpy.storage.buckets import Bucket
from etcdpy.storage.errors import StorageError, TooManyPinsError


class Pin:
    """
    Everything in LMDB as of when this was made. Loop thread only.

    While it is open the space of what is deleted or replaced is not used again: close it soon.
    It is closed for its user when the map moves or the database is closed.

    Args:
        env: The environment.
        databases: Its tables.
        on_close: Called with this when it is closed, once.

    Raises:
        TooManyPinsError: If as many are open as the database has readers for.
        StorageError: If the database is closed.

    """

    def __init__(
        self,
        env: lmdb.Environment,
        databases: Mapping[Bucket, lmdb._Database],
        on_close: Callable[[Pin], None],
    ) -> None:
        self._databases = databases
        self._on_close = on_close
        self._is_closed = False
        try:
            self._txn = env.begin()
        except lmdb.ReadersFullError as error:
            raise TooManyPinsError(str(error)) from error
        except lmdb.Error as error:
            raise StorageError(f"cannot read the database: {error}") from error

    def items(self, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
        """
        Yield all pairs of a bucket in key order; the caller may pause for as long as it likes.

        Raises:
            StorageError: If the pin is closed.

        """
        try:
            yield from self._txn.cursor(self._databases[bucket])
        except lmdb.Error as error:
            raise StorageError(f"the view of the database is gone: {error}") from error

    def close(self) -> None:
        """End the view, so that its space may be used again. Safe to call twice."""
        if not self._is_closed:
            self._is_closed = True
            self._txn.abort()
            self._on_close(self)
