"""``Maintenance.Snapshot``: the store as a file of etcd's, streamed."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable

from etcdpy.errors import TooManySnapshotsError
from etcdpy.gostd.durations import go_duration
from etcdpy.gostd.sizes import human_size
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.storage.pin import TooManyPinsError
from etcdpy.storage.snapshot import Snapshot

logger = logging.getLogger(__name__)


async def send_snapshot(
    take: Callable[[], Awaitable[Snapshot]],
    version: str,
    write: Callable[[pb.SnapshotResponse], Awaitable[None]],
) -> None:
    """
    Send a snapshot in the messages of etcd; the last one has the checksum.

    Cancelling it lets go of the snapshot at once.

    Args:
        take: Takes the snapshot.
        version: The storage version, which every message names.
        write: Sends a message; waits while the client does not read.

    Raises:
        TooManySnapshotsError: If too many are being sent already.
        StorageError: If the store cannot give one.

    """
    began = time.monotonic()
    try:
        snapshot = await take()
    except TooManyPinsError as error:
        raise TooManySnapshotsError from error
    try:
        fields: dict[str, object] = {
            "total-bytes": snapshot.size,
            "size": human_size(snapshot.size),
            "storage-version": version,
        }
        logger.info("sending database snapshot to client", fields)
        remaining = snapshot.size
        async for blob in snapshot.chunks():
            remaining = max(remaining - len(blob), 0)
            message = pb.SnapshotResponse(remaining_bytes=remaining, blob=blob, version=version)
            await write(message)
    finally:
        snapshot.close()
    fields["took"] = go_duration(time.monotonic() - began)
    logger.info("successfully sent database snapshot to client", fields)
