"""
A store begins: its database is made aside, synced, and put in place by a rename.

LMDB makes its file in several writes, and a power cut between them leaves one that it cannot
open ever again, or that ends the process by SIGBUS. So no unfinished file gets the name: a
``data.mdb`` is whole, or is not there. What comes in what order::

    directories made, each synced into the one above . database made aside, synced .
    renamed . its directory synced . the first write to the journal . the first acknowledgement

Hence the journal tells a store that was used from one that never was. While its files are
empty nothing was acknowledged, and what is left of an attempt is not there. Once one is not,
the database was in place before, so if that is missing or damaged, it is lost, and that is
reported. A restored store, which has data, is given such a file.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import struct
from pathlib import Path

from etcdpy.storage.datadir import DATABASE, DataDir
from etcdpy.storage.environment import NEW_PAGES, Environment
from etcdpy.storage.errors import DataDirError

logger = logging.getLogger(__name__)

#: LMDB's page is the system's, up to this. (LMDB: ``MAX_PAGESIZE``)
_PAGE = min(mmap.PAGESIZE, 1 << 15)
#: How a page begins: its number, and what it is. (LMDB: ``MDB_page``)
_HEAD = struct.Struct("<QHHHH")
_META, _LEAF = 8, 2
_FLAGS = (_META, _META, _LEAF)
#: What follows in a meta: who it is, page size, last page and transaction. (LMDB: ``MDB_meta``)
_BODY = struct.Struct("<I20xI92xQQ")
_MAGIC = 0xBEEFC0DE
#: That which makes the tables is the first; the next one writes data.
_FIRST_TRANSACTION = 1


def found(directory: DataDir, map_size: int) -> None:
    """
    Make the database, unless it is there, so that it is in place whole or not at all.

    What a cut left of an earlier attempt gives way to it.

    Raises:
        DataDirError: If it is gone though the store was used.
        lmdb.Error: If it cannot be made.
        OSError: If it cannot be put in place.

    """
    file = directory.lmdb / DATABASE
    is_there = file.exists()
    if directory.was_used():
        if not is_there:
            raise DataDirError(f"the database is missing: {file} (its journal is there)")
        return
    if is_there and not _is_unfinished(file):
        return
    if is_there and file.stat().st_size:
        logger.info("a database that was never used is made anew: %s", file)
    # Whoever made them may have been killed before they were synced.
    directory.sync_way()
    place = directory.place_for_new()
    try:
        Environment.open(place, map_size=map_size).close()
        _sync(place / DATABASE)
        directory.put_in_place(place)
    finally:
        directory.discard(place)


def fill_up(file: Path) -> None:
    """
    Make a database that was cut short as long as it says it is.

    LMDB maps it and believes it: reading a page behind the end would end the process by SIGBUS.
    One of zeros is an error instead. Where only pages that nobody refers to are missing, which
    LMDB never wrote, it stays sound.

    Raises:
        OSError: If that cannot be done.

    """
    with file.open("rb") as opened:
        data = opened.read(2 * _PAGE)
    size = file.stat().st_size
    metas = [meta for meta in map(_meta, (data[:_PAGE], data[_PAGE:])) if meta is not None]
    if metas:
        page, last, _ = max(metas, key=lambda meta: meta[2])
        if size < (last + 1) * page:
            os.truncate(file, (last + 1) * page)


def _is_unfinished(file: Path) -> bool:
    """Tell whether there is nothing but what the making of a database writes, or less of it."""
    if file.stat().st_size > NEW_PAGES * _PAGE:
        return False
    data = file.read_bytes()
    for number, flags in enumerate(_FLAGS):
        page = data[number * _PAGE : (number + 1) * _PAGE]
        if not any(page[: _HEAD.size]):
            continue  # Not written.
        if len(page) < _HEAD.size:
            return False
        found_number, _, found_flags, _, _ = _HEAD.unpack_from(page)
        if (found_number, found_flags) != (number, flags):
            return False
        if flags == _META and len(page) >= _HEAD.size + _BODY.size:
            meta = _meta(page)
            if meta is None or meta[2] > _FIRST_TRANSACTION:
                return False
    return True


def _meta(page: bytes) -> tuple[int, int, int] | None:
    """Return the page size, last page and transaction that a meta names; None: it is none."""
    if len(page) < _HEAD.size + _BODY.size:
        return None
    magic, size, last, transaction = _BODY.unpack_from(page, _HEAD.size)
    return (size, last, transaction) if magic == _MAGIC else None


def _sync(file: Path) -> None:
    with contextlib.closing(file.open("rb")) as opened:
        os.fsync(opened.fileno())
