from __future__ import annotations

import pytest

from etcdpy.storage.bolt_format import META_BYTES, NO_FREELIST, Meta, decode_meta, encode_meta

META = Meta(page_size=4096, root=7, sequence=0, freelist=NO_FREELIST, high_water=9, txid=3)

#: Magic, version, page size 4096, flags, root 3, its sequence, freelist 2, four pages, txid 1.
FIELDS = bytes.fromhex(
    "edda0ced 02000000 00100000 00000000 0300000000000000 0000000000000000"
    "0200000000000000 0400000000000000 0100000000000000"
)


def test_a_meta_reads_back_as_it_was() -> None:
    data = encode_meta(META)
    assert len(data) == META_BYTES
    assert decode_meta(data) == META


def test_a_meta_is_laid_out_as_bbolts() -> None:
    meta = Meta(page_size=4096, root=3, sequence=0, freelist=2, high_water=4, txid=1)
    assert encode_meta(meta)[:56] == FIELDS


@pytest.mark.parametrize("place", range(META_BYTES))
def test_a_meta_with_a_changed_byte_is_none(place: int) -> None:
    data = bytearray(encode_meta(META))
    data[place] ^= 1
    assert decode_meta(bytes(data)) is None


def test_a_short_meta_is_none() -> None:
    assert decode_meta(encode_meta(META)[:-1]) is None
