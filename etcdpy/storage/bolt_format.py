"""
The file format of bbolt, in which etcd keeps its backend and hands out snapshots.

All integers are little-endian. A file is pages of one size; page *n* is at *n* times it::

    page    := u64 id | u16 flags | u16 count | u32 overflow | content
    meta    := u32 magic | u32 version | u32 page size | u32 flags | u64 root page |
               u64 root sequence | u64 freelist page | u64 high water | u64 txid | u64 checksum
    leaf    := (u32 flags | u32 pos | u32 key size | u32 value size)[count] | (key | value)[count]
    branch  := (u32 pos | u32 key size | u64 child page)[count] | key[count]
    bucket  := u64 root page | u64 sequence | (if root is 0: one leaf, the bucket is inline)

``overflow`` counts the pages that follow and belong to this one. ``pos`` counts from the
start of its own element. ``high water`` is the number of pages. The pages 0 and 1 are metas;
the valid one with the higher txid counts. The root is a tree whose values are buckets.
(bbolt: internal/common/page.go, meta.go, bucket.go)
"""

from __future__ import annotations

import struct
from typing import NamedTuple

BRANCH_PAGE = 0x01
LEAF_PAGE = 0x02
META_PAGE = 0x04
FREELIST_PAGE = 0x10

#: Flag of a leaf's element: its value is a bucket.
BUCKET_ELEMENT = 1

MAGIC = 0xED0CDAED
VERSION = 2
#: Where the freelist would be, when none is stored.
NO_FREELIST = 0xFFFFFFFFFFFFFFFF

PAGE_HEADER = struct.Struct("<QHHI")
LEAF_ELEMENT = struct.Struct("<IIII")
BRANCH_ELEMENT = struct.Struct("<IIQ")
BUCKET = struct.Struct("<QQ")
_META = struct.Struct("<IIIIQQQQQ")
_CHECKSUM = struct.Struct("<Q")
META_BYTES = _META.size + _CHECKSUM.size

#: What a bbolt compiled for any system uses, and then some.
SMALLEST_PAGE = 1 << 10
LARGEST_PAGE = 1 << 16

_FNV_OFFSET = 0xCBF29CE484222325
_FNV_PRIME = 0x100000001B3
_U64 = 0xFFFFFFFFFFFFFFFF


class Meta(NamedTuple):
    """What is known of a file before any tree is read."""

    page_size: int
    root: int
    sequence: int
    freelist: int
    high_water: int
    txid: int


def encode_meta(meta: Meta) -> bytes:
    """Return a meta's content, checksum included."""
    fixed = (MAGIC, VERSION, meta.page_size, 0)
    data = _META.pack(*fixed, *meta[1:])
    return data + _CHECKSUM.pack(_fnv1a(data))


def decode_meta(data: bytes) -> Meta | None:
    """Return what ``data`` (``META_BYTES``) says, or ``None`` if it is no valid meta."""
    if len(data) < META_BYTES:
        return None
    magic, version, page_size, _, *fields = _META.unpack_from(data)
    (checksum,) = _CHECKSUM.unpack_from(data, _META.size)
    known = magic == MAGIC and version == VERSION
    if not known or checksum != _fnv1a(data[: _META.size]):
        return None
    return Meta(page_size, *fields)


def _fnv1a(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    checksum = _FNV_OFFSET
    for byte in data:
        checksum = (checksum ^ byte) * _FNV_PRIME & _U64
    return checksum
