"""
A snapshot file: pages of bbolt, and the SHA-256 of them behind the last.

The file of a data directory (``member/snap/db``) is one without the checksum.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from etcdpy.storage.errors import StorageError

CHECKSUM_BYTES = sha256().digest_size
# Pages are a multiple of this, so what is left over is the checksum. (etcd: hasChecksum)
_ALIGNMENT = 512
#: Read at once when the file is only summed up.
_PIECE = 1 << 20


class SnapshotFileError(StorageError):
    """The file is not what it has to be; the text is etcdutl's where it has one."""


@contextlib.contextmanager
def open_snapshot(path: Path) -> Iterator[mmap.mmap]:
    """
    Open a file to read, mapped into memory, until the block ends.

    Raises:
        SnapshotFileError: If it cannot be opened, or an etcd is running on it.

    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise SnapshotFileError(f"open {path}: {(error.strerror or '').lower()}") from error
    try:
        # bbolt locks a file it writes in the same way.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    except BlockingIOError:
        raise SnapshotFileError(f"{path} is in use: stop the etcd it belongs to first") from None
    except (OSError, ValueError) as error:
        raise SnapshotFileError(f"{path} is no snapshot file: {error}") from error
    else:
        with data:
            yield data
    finally:
        os.close(descriptor)


def has_checksum(size: int) -> bool:
    """Tell whether a file of this many bytes ends with a checksum."""
    return size % _ALIGNMENT == CHECKSUM_BYTES


def check_checksum(
    data: mmap.mmap, progress: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """
    Compare the checksum at the end of the file with the bytes before it.

    Args:
        data: The file.
        progress: Called with the bytes read so far and all there are.

    Raises:
        SnapshotFileError: If they differ, or there is none.

    """
    if not has_checksum(len(data)):
        raise SnapshotFileError("snapshot missing hash but --skip-hash-check=false")
    end = len(data) - CHECKSUM_BYTES
    found = sha256()
    for start in range(0, end, _PIECE):
        found.update(data[start : min(start + _PIECE, end)])
        progress(start, end)
    if found.digest() != data[end:]:
        stored, computed = _go_bytes(data[end:]), _go_bytes(found.digest())
        raise SnapshotFileError(f"expected sha256 {stored}, got {computed}")


def _go_bytes(data: bytes) -> str:
    return f"[{' '.join(map(str, data))}]"
