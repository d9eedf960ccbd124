"""
Reading a bbolt file, whoever wrote it: a snapshot, or the file of an etcd that is not running.

Nothing in it is believed before it was checked: a file that is cut short or changed gives a
``BoltError``, and neither another exception nor an endless loop, whatever the change.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from etcdpy.storage.bolt_format import (
    BRANCH_ELEMENT,
    BRANCH_PAGE,
    BUCKET,
    BUCKET_ELEMENT,
    FREELIST_PAGE,
    LARGEST_PAGE,
    LEAF_ELEMENT,
    LEAF_PAGE,
    META_BYTES,
    NO_FREELIST,
    PAGE_HEADER,
    SMALLEST_PAGE,
    Meta,
    decode_meta,
)
from etcdpy.storage.errors import StorageError

_HEADER = PAGE_HEADER.size
_ELEMENT = LEAF_ELEMENT.size
_ID = struct.Struct("<Q")

Entry = tuple[bytes, bytes]


class BoltError(StorageError):
    """The file is no bbolt file, or a damaged one."""


class _Element(NamedTuple):
    flags: int
    key: bytes
    value: bytes


class _Place(NamedTuple):
    """A page to visit, and the keys it may have: from ``low`` to before ``high``."""

    page_id: int
    low: bytes
    high: bytes | None


class BoltReader:
    """
    The buckets of a file; holds one leaf of it at a time, and a bit for each page.

    Args:
        data: The file; has to stay open. Bytes behind the last page are ignored.

    Raises:
        BoltError: If there is no valid meta, or pages are missing. Every method raises it
            for the damage it comes across.

    """

    def __init__(self, data: bytes | mmap.mmap) -> None:
        self._data = data
        self._meta = _newest_meta(data)
        if len(data) < self.size:
            raise BoltError(f"file is cut short: {len(data)} of {self.size} bytes")
        self._buckets = {element.key: element for element in self._root_elements()}

    @property
    def size(self) -> int:
        """The bytes of all pages, free ones included."""
        return self._meta.high_water * self._meta.page_size

    @property
    def buckets(self) -> list[bytes]:
        """The names of all buckets, ascending."""
        return list(self._buckets)

    def entries(self, bucket: bytes) -> Iterator[Entry]:
        """Yield the entries of a bucket in ascending key order; none if it is not there."""
        return self._entries(bucket, _Visited(self._meta.high_water))

    def check(self) -> None:
        """
        Read everything there is, and check that no page is used twice.

        Raises:
            BoltError: If anything is wrong.

        """
        visited = _Visited(self._meta.high_water)
        # The two metas, which no tree leads to.
        visited.visit(0, 2)
        for page_id in self._free_pages(visited):
            visited.visit(page_id, 1)
        for _ in self._leaves(self._meta.root, visited):
            pass
        for name in self._buckets:
            for _ in self._entries(name, visited):
                pass

    def _root_elements(self) -> Iterator[_Element]:
        for leaf in self._leaves(self._meta.root, _Visited(self._meta.high_water)):
            for element in leaf:
                if element.flags != BUCKET_ELEMENT or len(element.value) < BUCKET.size:
                    raise BoltError(f"root has an entry that is no bucket: {element.key!r}")
                yield element

    def _entries(self, bucket: bytes, visited: _Visited) -> Iterator[Entry]:
        found = self._buckets.get(bucket)
        if found is None:
            return
        root, _ = BUCKET.unpack_from(found.value)
        leaves = self._leaves(root, visited) if root else iter([_inline(found)])
        for leaf in leaves:
            for flags, key, value in leaf:
                if flags:
                    raise BoltError(f"bucket {bucket!r} has an entry that is no value: {key!r}")
                yield key, value

    def _leaves(self, root: int, visited: _Visited) -> Iterator[list[_Element]]:
        """Yield the elements of every leaf under ``root``, from left to right."""
        # A list and no recursion: in a damaged file branches may nest as deep as it has pages.
        waiting = [_Place(root, b"", None)]
        while waiting:
            place = waiting.pop()
            flags, page = self._page(place.page_id, visited)
            if flags == LEAF_PAGE:
                elements = _leaf_elements(page, f"page {place.page_id}")
                _check_order([element.key for element in elements], place)
                yield elements
            elif flags == BRANCH_PAGE:
                # The leftmost is taken first: keys have to ascend over the whole tree.
                waiting += reversed(_children(page, place))
            else:
                raise BoltError(f"page {place.page_id} is neither leaf nor branch")

    def _page(self, page_id: int, visited: _Visited) -> tuple[int, bytes]:
        """Return a page's flags and all its bytes, once."""
        if not 1 < page_id < self._meta.high_water:
            raise BoltError(f"there is no page {page_id}")
        size = self._meta.page_size
        start = page_id * size
        stored_id, flags, _, overflow = PAGE_HEADER.unpack(self._data[start : start + _HEADER])
        if stored_id != page_id:
            raise BoltError(f"page {page_id} says it is page {stored_id}")
        span = 1 + overflow
        if span > self._meta.high_water - page_id:
            raise BoltError(f"page {page_id} goes on behind the end")
        visited.visit(page_id, span)
        return flags, self._data[start : start + span * size]

    def _free_pages(self, visited: _Visited) -> Iterator[int]:
        place = self._meta.freelist
        if place == NO_FREELIST:
            return
        flags, page = self._page(place, visited)
        if flags != FREELIST_PAGE:
            raise BoltError(f"page {place} is no freelist")
        _, _, count, _ = PAGE_HEADER.unpack_from(page)
        start = _HEADER
        if count == 0xFFFF:  # bbolt: more than fit in; then the number comes first
            ((count,),) = _ID.iter_unpack(page[start : start + _ID.size])
            start += _ID.size
        end = start + count * _ID.size
        if end > len(page):
            raise BoltError("freelist is longer than its page")
        for (page_id,) in _ID.iter_unpack(page[start:end]):
            yield page_id


class _Visited:
    """Which pages were seen: a bit for each, as a file may have very many."""

    def __init__(self, pages: int) -> None:
        self._bits = bytearray(pages // 8 + 1)
        self._pages = pages

    def visit(self, page_id: int, span: int) -> None:
        if page_id + span > self._pages:
            raise BoltError(f"there is no page {page_id}")
        for number in range(page_id, page_id + span):
            place, bit = number >> 3, 1 << (number & 7)
            if self._bits[place] & bit:
                raise BoltError(f"page {number} is used twice")
            self._bits[place] |= bit


def _newest_meta(data: bytes | mmap.mmap) -> Meta:
    metas = [meta for start in _meta_places(data) if (meta := _meta_at(data, start))]
    if not metas:
        raise BoltError("no valid meta page: not a bbolt file, or a damaged one")
    return max(metas, key=lambda meta: meta.txid)


def _meta_places(data: bytes | mmap.mmap) -> list[int]:
    """Return where metas may be: the second is one page behind the first."""
    first = _meta_at(data, 0)
    if first is not None:
        return [0, first.page_size]
    # The first meta is damaged, and with it the size of a page: each that there could be is tried.
    sizes = range(SMALLEST_PAGE.bit_length() - 1, LARGEST_PAGE.bit_length())
    return [1 << bits for bits in sizes]


def _meta_at(data: bytes | mmap.mmap, start: int) -> Meta | None:
    meta = decode_meta(data[start + _HEADER : start + _HEADER + META_BYTES])
    if meta is None or not SMALLEST_PAGE <= meta.page_size <= LARGEST_PAGE:
        return None
    power_of_two = meta.page_size & (meta.page_size - 1) == 0
    return meta if power_of_two and start in (0, meta.page_size) else None


def _inline(bucket: _Element) -> list[_Element]:
    """Return the elements of a bucket that is written into its parent's leaf."""
    where = f"inline bucket {bucket.key!r}"
    page = bucket.value[BUCKET.size :]
    if len(page) < _HEADER:
        raise BoltError(f"{where} is cut short")
    _, flags, _, _ = PAGE_HEADER.unpack_from(page)
    if flags != LEAF_PAGE:
        raise BoltError(f"{where} is no leaf")
    elements = _leaf_elements(page, where)
    _check_order([element.key for element in elements], _Place(0, b"", None))
    return elements


def _leaf_elements(page: bytes, where: str) -> list[_Element]:
    _, _, count, _ = PAGE_HEADER.unpack_from(page)
    data = _HEADER + count * _ELEMENT
    size = len(page)
    if data > size:
        raise BoltError(f"{where} is too small for its entries")
    elements = []
    start = _HEADER
    for flags, pos, key_size, value_size in LEAF_ELEMENT.iter_unpack(page[_HEADER:data]):
        key = start + pos
        value = key + key_size
        end = value + value_size
        # bbolt stores no empty key (``ErrKeyRequired``).
        if key < data or end > size or not key_size:
            raise BoltError(f"{where} has an entry that is not in it")
        elements.append(_Element(flags, page[key:value], page[value:end]))
        start += _ELEMENT
    return elements


def _children(page: bytes, place: _Place) -> list[_Place]:
    _, _, count, _ = PAGE_HEADER.unpack_from(page)
    data = _HEADER + count * _ELEMENT
    if not count or data > len(page):
        raise BoltError(f"page {place.page_id} is too small for its children")
    keys, ids = [], []
    start = _HEADER
    for pos, key_size, child in BRANCH_ELEMENT.iter_unpack(page[_HEADER:data]):
        key = start + pos
        if key < data or key + key_size > len(page):
            raise BoltError(f"page {place.page_id} has a key that is not in it")
        keys.append(page[key : key + key_size])
        ids.append(child)
        start += _ELEMENT
    _check_order(keys, place)
    return [
        _Place(child, low, high)
        for child, low, high in zip(ids, keys, [*keys[1:], place.high], strict=True)
    ]


def _check_order(keys: list[bytes], place: _Place) -> None:
    if not keys:
        return
    ascending = all(one < other for one, other in pairwise(keys))
    inside = keys[0] >= place.low and (place.high is None or keys[-1] < place.high)
    if not (ascending and inside):
        raise BoltError(f"keys of page {place.page_id} are not in order")
