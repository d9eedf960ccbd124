"""
Is what a test leaves behind consistent? To be asked at the end of whatever has a store.

    with consistent(data_dir):      # checked once the block has ended well
        ...

Only small stores are checked unless it is asked for: everything is computed a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etcdpy.mvcc.check import CheckReport, verify, verify_source
from etcdpy.storage.commit_log import RowSource

#: A larger database is not checked in passing: a megabyte takes about a tenth of a second.
LARGEST = 4 << 20

_DATABASE = Path("member", "lmdb", "data.mdb")


def check_data_dir(data_dir: Path, *, however_large: bool = False) -> CheckReport | None:
    """
    Check the data directory of a server that has ended, or of a ``Backend`` that is closed.

    Returns:
        What it holds; None if there is no database yet, or a large one.

    Raises:
        InconsistentError: If it contradicts itself.
        StorageError: If it cannot be opened.

    """
    database = data_dir / _DATABASE
    if not database.exists() or (database.stat().st_size > LARGEST and not however_large):
        return None
    return verify(data_dir, fsync=False)


def check_rows(source: RowSource) -> CheckReport:
    """
    Check what a fake disk holds.

    Raises:
        InconsistentError: If it contradicts itself.

    """
    return verify_source(source)


@contextmanager
def consistent(data_dir: Path) -> Iterator[None]:
    """Check a data directory at the end of a block that does not raise."""
    yield
    check_data_dir(data_dir)
