from __future__ import annotations

import random
import struct

import pytest

from etcdpy.storage.bolt_format import (
    FREELIST_PAGE,
    PAGE_HEADER,
    Meta,
    decode_meta,
    encode_meta,
)
from etcdpy.storage.bolt_read import BoltError, BoltReader
from etcdpy.storage.bolt_write import PAGE_BYTES
from tests.support.seeds import SEED
from tests.unit.storage.bolt_material import make_file, read_file, rows

CONTENT = {
    b"empty": [],
    b"inline": rows(range(3), 10),
    b"large": rows(range(2), 20_000),
    b"tree": rows(range(700), 100),
}
FILE = make_file(CONTENT)


def meta_of(file: bytes) -> Meta:
    meta = decode_meta(file[16:80])
    assert meta is not None
    return meta


def with_metas(file: bytes, first: Meta | None, second: Meta | None) -> bytes:
    """Replace the metas; ``None`` makes one invalid."""
    changed = bytearray(file)
    for at, meta in ((0, first), (PAGE_BYTES, second)):
        changed[at + 16 : at + 80] = encode_meta(meta) if meta else bytes(64)
    return bytes(changed)


def with_bytes(file: bytes, at: int, data: bytes) -> bytes:
    return file[:at] + data + file[at + len(data) :]


def root_at(file: bytes) -> int:
    return meta_of(file).root * PAGE_BYTES


def test_a_bucket_that_is_not_there_has_no_entries() -> None:
    assert list(BoltReader(FILE).entries(b"other")) == []


def test_the_valid_meta_with_the_higher_transaction_counts() -> None:
    meta = meta_of(FILE)
    wrong = meta._replace(root=2)
    for first, second in (
        (meta._replace(txid=5), wrong._replace(txid=4)),
        (wrong._replace(txid=4), meta._replace(txid=5)),
        (meta, None),
        (None, meta),
    ):
        assert read_file(with_metas(FILE, first, second)) == CONTENT


def test_bytes_behind_the_last_page_are_ignored() -> None:
    assert read_file(FILE + bytes(PAGE_BYTES)) == CONTENT
    assert read_file(FILE + b"checksum") == CONTENT


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"no bbolt" * 4096])
def test_what_is_no_bbolt_file_is_refused(data: bytes) -> None:
    with pytest.raises(BoltError, match="no valid meta"):
        BoltReader(data)


def test_a_file_that_is_cut_short_is_refused() -> None:
    with pytest.raises(BoltError, match="cut short"):
        BoltReader(FILE[:-1])


def test_a_tree_that_leads_back_to_itself_is_refused() -> None:
    file = make_file({b"tree": CONTENT[b"tree"]})
    # The branch comes just before the root, which is the last page.
    branch = root_at(file) - PAGE_BYTES
    looped = with_bytes(file, branch + 16 + 8, struct.pack("<Q", branch // PAGE_BYTES))
    with pytest.raises(BoltError, match="used twice"):
        list(BoltReader(looped).entries(b"tree"))


def test_a_page_of_two_buckets_is_found_by_the_check_alone() -> None:
    content = {b"a": rows(range(20), 100), b"b": rows(range(20), 100)}
    file = make_file(content)
    # Both buckets' values are (root, sequence) in the root's leaf: give b the page of a.
    at = file.index(b"b" + struct.pack("<QQ", 3, 0), root_at(file))
    shared = with_bytes(file, at + 1, struct.pack("<Q", 2))
    reader = BoltReader(shared)
    assert list(reader.entries(b"b")) == content[b"a"]
    with pytest.raises(BoltError, match="used twice"):
        reader.check()


def test_keys_out_of_order_are_refused() -> None:
    at = FILE.index(b"row 00000005")
    with pytest.raises(BoltError, match="not in order"):
        read_file(with_bytes(FILE, at, b"row 00000003"))


def freelist_file(ids: list[int], count: int | None = None) -> bytes:
    """A file with one page that no bucket uses, and behind it a freelist."""
    meta = meta_of(FILE)
    free = meta.high_water
    numbers = ids if count is None else [len(ids), *ids]
    header = PAGE_HEADER.pack(free + 1, FREELIST_PAGE, len(ids) if count is None else count, 0)
    page = header + struct.pack(f"<{len(numbers)}Q", *numbers)
    meta = meta._replace(freelist=free + 1, high_water=free + 2)
    body = FILE + bytes(PAGE_BYTES) + page + bytes(PAGE_BYTES - len(page))
    return with_metas(body, meta, None)


@pytest.mark.parametrize("count", [None, 0xFFFF])
def test_a_stored_freelist_is_read(count: int | None) -> None:
    assert read_file(freelist_file([meta_of(FILE).high_water], count)) == CONTENT


@pytest.mark.parametrize("page_id", [0, 2, 1 << 40])
def test_a_page_that_is_free_and_used_is_refused(page_id: int) -> None:
    reader = BoltReader(freelist_file([page_id]))
    with pytest.raises(BoltError):
        reader.check()


def test_changed_bytes_give_nothing_but_the_documented_error() -> None:
    rng = random.Random(SEED)
    # Where a change has consequences: headers and elements, not values.
    places = [
        place
        for page in range(len(FILE) // PAGE_BYTES)
        for place in range(page * PAGE_BYTES, page * PAGE_BYTES + 200)
    ]
    refused = 0
    for _ in range(1_500):
        changed = bytearray(FILE)
        for _ in range(rng.choice((1, 1, 3, 20))):
            changed[rng.choice(places)] = rng.choice((0, 1, 0x7F, 0xFF, rng.randrange(256)))
        try:
            read_file(bytes(changed))
        except BoltError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {SEED}") from error
    assert refused > 500


def test_files_cut_short_anywhere_give_nothing_but_the_documented_error() -> None:
    for size in (*range(300), *range(300, len(FILE), 997)):
        with pytest.raises(BoltError):
            read_file(FILE[:size])


def test_noise_with_valid_metas_gives_nothing_but_the_documented_error() -> None:
    rng = random.Random(SEED)
    for _ in range(200):
        root = rng.randrange(8)
        meta = Meta(PAGE_BYTES, root, 0, rng.choice((0, 3, (1 << 64) - 1)), 8, 1)
        body = bytearray(rng.randbytes(8 * PAGE_BYTES))
        for page in range(8):
            header = PAGE_HEADER.pack(page, rng.choice((1, 2, 16)), rng.randrange(4), 0)
            body[page * PAGE_BYTES : page * PAGE_BYTES + 16] = header
        try:
            read_file(with_metas(bytes(body), meta, None))
        except BoltError:
            continue
        except Exception as error:
            raise AssertionError(f"seed {SEED}") from error
