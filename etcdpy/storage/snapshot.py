"""
A snapshot of a store in use: etcd's file, made while writers go on.

Rows newer than the last checkpoint are in the journal and in memory only. So a checkpoint
comes first, and then one commit of LMDB is held, which has everything acknowledged before.
It is gone through twice on the loop's thread, a slice a turn: see ``WriteTransaction`` for
why a thread of its own would be slower, and stop the loop for longer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from hashlib import sha256

from etcdpy.cooperative import paced
from etcdpy.storage.backend import Backend
from etcdpy.storage.bolt_write import BoltWriter
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit import GroupCommit
from etcdpy.storage.pin import Pin

#: A slice ends after the first leaf by which it has taken this many seconds.
SLICE_SECONDS = 0.001
#: What a message has. (etcd: ``snapshotSendBufferSize``)
CHUNK_BYTES = 32 << 10


class Snapshot:
    """
    A store's file as of one moment; whoever has it closes it.

    Attributes:
        size: Of the file in bytes, the checksum that follows it left out.

    """

    def __init__(self, pin: Pin, writer: BoltWriter) -> None:
        self._pin = pin
        self._writer = writer
        self.size = writer.size

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the file in chunks of ``CHUNK_BYTES``, the last one shorter, then its SHA-256.

        Raises:
            StorageError: If the database was closed meanwhile, or had to move its map.

        """
        checksum = sha256()
        async for chunk in paced(_rechunked(self._writer.pages(), CHUNK_BYTES), SLICE_SECONDS):
            checksum.update(chunk)
            yield chunk
        yield checksum.digest()

    def close(self) -> None:
        """Close the commit that the file shows. Safe to call twice."""
        self._pin.close()


async def take_snapshot(log: GroupCommit, backend: Backend) -> Snapshot:
    """
    Hold everything written before the call, and find out how large its file is.

    Raises:
        TooManyPinsError: If too many are being sent already.
        StorageError: If the store cannot write any more, or is being closed.

    """
    await log.checkpoint()
    pin = backend.pin()
    try:
        shown = [b for b in Bucket if b.is_etcds or next(pin.items(b), None) is not None]
        writer = BoltWriter({b.value.encode(): partial(pin.items, b) for b in shown})
        async for _ in paced(writer.measure(), SLICE_SECONDS):
            pass
    except BaseException:
        pin.close()
        raise
    return Snapshot(pin, writer)


def _rechunked(pages: Iterator[bytes], size: int) -> Iterator[bytes]:
    rest = b""
    for page in pages:
        data = rest + page
        whole = len(data) - len(data) % size
        for start in range(0, whole, size):
            yield data[start : start + size]
        rest = data[whole:]
    if rest:
        yield rest
