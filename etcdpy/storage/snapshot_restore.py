"""
A snapshot file into a new data directory, as etcdutl restores one.

All is built in a directory beside the final one and put in place last: a restore that is
interrupted leaves nothing a server would start on.

::

    <data-dir>/restoring/member/    while it runs
    <data-dir>/member/              afterwards
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from etcdpy.storage.backend import Backend
from etcdpy.storage.bolt_read import BoltError, BoltReader
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.datadir import PRIVATE_DIR, make_directory, sync_directory
from etcdpy.storage.errors import DataDirError
from etcdpy.storage.transaction import LARGEST_KEY

#: Committed at once: LMDB holds the pages of a transaction in memory until then.
LOAD_BYTES = 8 << 20

_ROW_KEY_BYTES = (17, 18)
_SEPARATOR = b"_"
_MAIN_BYTES = 8

_CONSISTENT_INDEX = b"consistent_index"
_TERM = b"term"
_SCHEDULED_COMPACTION = b"scheduledCompactRev"
#: etcdutl writes a log of one entry, of term 1, for each founding member.
_FIRST = (1).to_bytes(8, "big")

Progress = Callable[[int], None]


class _Load(NamedTuple):
    """What is committed at once: a ``WriteSet``."""

    rows: dict[bytes, bytes]
    puts: dict[tuple[Bucket, bytes], bytes | None]
    drops: list[bytes]


def restore_snapshot(
    reader: BoltReader,
    data_dir: Path,
    members: Mapping[bytes, bytes],
    *,
    bump_revision: int = 0,
    progress: Progress = lambda done: None,
) -> None:
    """
    Make ``data_dir`` of a file; the members in it give way to ``members``.

    Args:
        reader: The file.
        data_dir: Empty, or not there yet.
        members: The rows of the ``members`` bucket.
        bump_revision: Go on this many revisions above the newest, all before that compacted,
            so that no client ever sees a revision it knows with another content; 0 for none.
        progress: Called with the bytes of keys and values done so far.

    Raises:
        BoltError: If the file is damaged, or has what no etcd would have written.
        DataDirError: If the directory is not empty, or cannot be written.

    """
    try:
        with _staged(data_dir) as staging, contextlib.closing(Backend.open(staging)) as backend:
            for load in _loads(reader, members, bump_revision, progress):
                backend.write([load], 0)
            backend.directory.mark_used()
    except OSError as error:
        raise DataDirError(f"cannot restore into {data_dir}: {error}") from error


def check_new(data_dir: Path) -> None:
    """
    Require a directory that can be restored into: an empty one, or none yet.

    Raises:
        DataDirError: It is neither; the text is etcdutl's.

    """
    if data_dir.exists() and not (data_dir.is_dir() and not any(data_dir.iterdir())):
        raise DataDirError(f'data-dir "{data_dir}" not empty or could not be read')


@contextlib.contextmanager
def _staged(data_dir: Path) -> Iterator[Path]:
    """Give a directory to build in; at the end what is in it becomes ``data_dir``'s."""
    is_new = not data_dir.exists()
    check_new(data_dir)
    staging = data_dir / "restoring"
    try:
        make_directory(data_dir)
        staging.mkdir(PRIVATE_DIR)
        yield staging
        # One step: before it there is no member for a server to start as, after it a whole one.
        (staging / "member").rename(data_dir / "member")
        staging.rmdir()
        # fsync(2): a name is durable only with the directory that it is in.
        sync_directory(data_dir)
        sync_directory(data_dir.parent)
    except BaseException:
        # Ctrl-C as well leaves nothing behind.
        shutil.rmtree(staging, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):
                data_dir.rmdir()
        raise


def _loads(
    reader: BoltReader, members: Mapping[bytes, bytes], bump_revision: int, progress: Progress
) -> Iterator[_Load]:
    """Divide everything the new store has into loads, in an order in which rows ascend."""
    load = _Load({}, {}, [])
    size = done = 0
    for bucket, key, value in _entries(reader, members, bump_revision):
        if bucket is Bucket.KEY:
            load.rows[key] = value
        else:
            load.puts[bucket, key] = value
        size += len(key) + len(value)
        if size >= LOAD_BYTES:
            yield load
            done += size
            progress(done)
            load, size = _Load({}, {}, []), 0
    yield load
    progress(done + size)


def _entries(
    reader: BoltReader, members: Mapping[bytes, bytes], bump_revision: int
) -> Iterator[tuple[Bucket, bytes, bytes]]:
    row_key = b""
    for row_key, row in _entries_of(reader, Bucket.KEY):
        if len(row_key) not in _ROW_KEY_BYTES or row_key[_MAIN_BYTES:9] != _SEPARATOR:
            raise BoltError(f"key bucket has a key that is no revision: {row_key!r}")
        yield Bucket.KEY, row_key, row
    # etcdutl does the same: only the revision of this row is wanted. (v3_snapshot.go)
    if bump_revision:
        main = int.from_bytes(row_key[:_MAIN_BYTES], "big") + bump_revision
        bumped = main.to_bytes(_MAIN_BYTES, "big") + _SEPARATOR + bytes(8)
        yield Bucket.KEY, bumped, b""
    for bucket in Bucket:
        # The old members stay behind: they are those of the cluster that was saved.
        if bucket not in (Bucket.KEY, Bucket.MEMBERS, Bucket.MEMBERS_REMOVED):
            for key, value in _entries_of(reader, bucket):
                yield bucket, key, value
    if bump_revision:
        # Scheduled and not finished, so the first start compacts.
        yield Bucket.META, _SCHEDULED_COMPACTION, bumped
    # Behind the rows of the file's own ``meta``, which they replace.
    yield Bucket.META, _CONSISTENT_INDEX, _FIRST
    yield Bucket.META, _TERM, _FIRST
    for key, value in members.items():
        yield Bucket.MEMBERS, key, value


def _entries_of(reader: BoltReader, bucket: Bucket) -> Iterator[tuple[bytes, bytes]]:
    for key, value in reader.entries(bucket.value.encode()):
        # bbolt takes keys of 32 KB, LMDB does not: found here it is no failure of the disk.
        if len(key) > LARGEST_KEY:
            raise BoltError(f"bucket {bucket.value} has a key longer than {LARGEST_KEY} bytes")
        yield key, value
