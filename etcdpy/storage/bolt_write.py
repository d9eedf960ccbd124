"""
A bbolt file, page by page in the order of the file, without a copy of it anywhere.

The metas come first and name the root, which comes last. So the entries are gone through
twice: for their sizes, from which every page's place follows, then for their bytes. What
is kept in between is a few dozen bytes for each leaf::

    0  1 | leaves of bucket a | its branches, level by level | leaves of b ... | root tree
    metas

A bucket whose only leaf is small is written into the root's leaf instead, as bbolt does.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice

from etcdpy.storage.bolt_format import (
    BRANCH_ELEMENT,
    BRANCH_PAGE,
    BUCKET,
    BUCKET_ELEMENT,
    LEAF_ELEMENT,
    LEAF_PAGE,
    META_PAGE,
    NO_FREELIST,
    PAGE_HEADER,
    Meta,
    encode_meta,
)

PAGE_BYTES = 4096
#: Where one page ends and the next begins, overflow included. More than one page's worth:
#: an eighth of the pages to keep the places of. bbolt splits what it rewrites.
NODE_BYTES = 8 * PAGE_BYTES
#: What bbolt writes into the parent's leaf. (bbolt: ``Bucket.inlineable``)
LARGEST_INLINE = PAGE_BYTES // 4

_HEADER = PAGE_HEADER.size
_ELEMENT = LEAF_ELEMENT.size
_FIRST_PAGE = 2
_TXID = 1

Entry = tuple[bytes, bytes]
#: Begins to go through a bucket's entries, in ascending key order.
Source = Callable[[], Iterator[Entry]]


class BoltWriter:
    """
    Makes a file of the buckets in ``sources``.

    Run ``measure`` to its end, then ``pages``. Each asks every source once, and both times
    must be given the same entries. Does no I/O; a caller that shares its thread may pause
    after each item of either.
    """

    def __init__(self, sources: Mapping[bytes, Source]) -> None:
        self._sources = dict(sorted(sources.items()))
        self._trees = {name: _Tree() for name in self._sources}
        self._root = _Tree()
        self._high_water = 0

    @property
    def size(self) -> int:
        """The bytes that ``pages`` will give, once measured."""
        return self._high_water * PAGE_BYTES

    def measure(self) -> Iterator[None]:
        """Go through all entries for their sizes: one leaf for each item asked for."""
        place = _FIRST_PAGE
        for name, tree in self._trees.items():
            yield from tree.measure(self._sources[name]())
            if not tree.is_inline:
                place = tree.put_at(place)
        for _ in self._root.measure(self._buckets()):
            pass
        self._high_water = self._root.put_at(place)

    def pages(self) -> Iterator[bytes]:
        """Yield the file: whole pages, those of one leaf or branch for each item asked for."""
        yield from self._metas()
        for name, tree in self._trees.items():
            if not tree.is_inline:
                yield from tree.pages(self._sources[name](), 0)
        yield from self._root.pages(self._buckets(), BUCKET_ELEMENT)

    def _buckets(self) -> Iterator[Entry]:
        return ((name, tree.as_bucket()) for name, tree in self._trees.items())

    def _metas(self) -> Iterator[bytes]:
        # As in a snapshot made by bbolt, the second is one transaction older.
        for page_id in (0, 1):
            meta = Meta(
                page_size=PAGE_BYTES,
                root=self._root.root,
                sequence=0,
                freelist=NO_FREELIST,
                high_water=self._high_water,
                txid=_TXID - page_id,
            )
            yield _padded(PAGE_HEADER.pack(page_id, META_PAGE, 0, 0) + encode_meta(meta))


class _Tree:
    """The places of one tree's pages; its entries are not kept, save a small bucket's."""

    def __init__(self) -> None:
        self.root = 0
        # By leaf: how many entries it has, of how many pages it is, and its first key.
        self._counts = array("Q")
        self._spans = array("Q")
        self._keys: list[bytes] = []
        self._levels: list[list[Sequence[bytes]]] = []
        self._start = 0
        self._small: list[Entry] | None = []

    @property
    def is_inline(self) -> bool:
        """Whether this bucket goes into its parent's leaf."""
        return self._small is not None

    def measure(self, entries: Iterator[Entry]) -> Iterator[None]:
        """Divide entries into leaves, one for each item asked for."""
        small: list[Entry] = []
        count, filled = 0, _HEADER
        for entry in entries:
            key, value = entry
            size = _ELEMENT + len(key) + len(value)
            if count and filled + size > NODE_BYTES:
                self._close_leaf(count, filled)
                yield
                count, filled = 0, _HEADER
            if not count:
                self._keys.append(key)
            count += 1
            filled += size
            if filled <= LARGEST_INLINE and len(self._keys) == 1:
                small.append(entry)
        # An empty bucket still is a tree, of one leaf without entries.
        if not self._keys:
            self._keys.append(b"")
        self._close_leaf(count, filled)
        fits = len(self._keys) == 1 and filled <= LARGEST_INLINE
        self._small = small if fits else None
        yield

    def put_at(self, start: int) -> int:
        """Give every page a place from page ``start`` on; return the place behind them."""
        self._start = start
        keys: Sequence[bytes] = self._keys
        end = start + sum(self._spans)
        self.root = start
        while len(keys) > 1:
            level = _divide(keys)
            self._levels.append(level)
            spans = [_span(_branch_size(group)) for group in level]
            keys = [group[0] for group in level]
            self.root, end = end, end + sum(spans)
        return end

    def as_bucket(self) -> bytes:
        """Return the bucket as a value of the root: where it is, or all of it."""
        if self._small is None:
            return BUCKET.pack(self.root, 0)
        return BUCKET.pack(0, 0) + _leaf(0, self._small, 0, 0)

    def pages(self, entries: Iterator[Entry], flags: int) -> Iterator[bytes]:
        """Yield the leaves, then the branches above them, in the order of their places."""
        place = self._start
        for count, span in zip(self._counts, self._spans, strict=True):
            leaf = _leaf(place, list(islice(entries, count)), span - 1, flags)
            page = _padded(leaf)
            assert len(page) == span * PAGE_BYTES, "the entries are not those that were measured"
            yield page
            place += span
        spans: Iterable[int] = self._spans
        below = self._start
        for level in self._levels:
            children = accumulate(spans, initial=below)
            below = place
            spans = [_span(_branch_size(group)) for group in level]
            for group, span in zip(level, spans, strict=True):
                yield _padded(_branch(place, group, children, span - 1))
                place += span

    def _close_leaf(self, count: int, size: int) -> None:
        self._counts.append(count)
        self._spans.append(_span(size))


def _divide(keys: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Divide a level's first keys among branches, of which none may have a single child."""
    groups: list[Sequence[bytes]] = []
    start, filled = 0, _HEADER
    for place, key in enumerate(keys):
        size = _ELEMENT + len(key)
        if filled + size > NODE_BYTES and place - start > 1:
            groups.append(keys[start:place])
            start, filled = place, _HEADER
        filled += size
    # Too few for a branch of its own: the one before gets it, and one key more than is usual.
    if groups and len(keys) - start == 1:
        groups[-1] = [*groups[-1], keys[start]]
    else:
        groups.append(keys[start:])
    return groups


def _leaf(page_id: int, entries: Sequence[Entry], overflow: int, flags: int) -> bytes:
    pack = LEAF_ELEMENT.pack
    parts = [PAGE_HEADER.pack(page_id, LEAF_PAGE, len(entries), overflow)]
    data: list[bytes] = []
    pos = _ELEMENT * len(entries)
    for entry in entries:
        key, value = entry
        key_size, value_size = len(key), len(value)
        parts.append(pack(flags, pos, key_size, value_size))
        data += entry
        # Counted from the start of the next element, which is that much nearer to the data.
        pos += key_size + value_size - _ELEMENT
    return b"".join(parts + data)


def _branch(page_id: int, keys: Sequence[bytes], children: Iterator[int], overflow: int) -> bytes:
    parts = [PAGE_HEADER.pack(page_id, BRANCH_PAGE, len(keys), overflow)]
    pos = _ELEMENT * len(keys)
    for key in keys:
        parts.append(BRANCH_ELEMENT.pack(pos, len(key), next(children)))
        pos += len(key) - _ELEMENT
    return b"".join([*parts, *keys])


def _branch_size(keys: Sequence[bytes]) -> int:
    return _HEADER + _ELEMENT * len(keys) + sum(map(len, keys))


def _span(size: int) -> int:
    return -(-size // PAGE_BYTES)


def _padded(page: bytes) -> bytes:
    return page + bytes(-len(page) % PAGE_BYTES)
