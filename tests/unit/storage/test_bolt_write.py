from __future__ import annotations

import random

import pytest

from etcdpy.storage.bolt_format import (
    BRANCH_PAGE,
    BUCKET,
    LEAF_PAGE,
    META_PAGE,
    PAGE_HEADER,
    decode_meta,
)
from etcdpy.storage.bolt_read import BoltReader
from etcdpy.storage.bolt_write import NODE_BYTES, PAGE_BYTES, BoltWriter
from tests.support.seeds import SEED
from tests.unit.storage.bolt_material import Content, make_file, read_file, rows


def pages(file: bytes) -> list[tuple[int, int]]:
    """Kind and number of elements of every page, in order; overflow belongs to the page before."""
    found = []
    place = 0
    while place < len(file) // PAGE_BYTES:
        page_id, kind, count, overflow = PAGE_HEADER.unpack_from(file, place * PAGE_BYTES)
        assert page_id == place
        found.append((kind, count))
        place += 1 + overflow
    assert place == len(file) // PAGE_BYTES
    return found


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({}, id="no bucket"),
        pytest.param({b"a": []}, id="an empty bucket"),
        pytest.param({b"a": rows(range(3), 10), b"b": []}, id="inline"),
        pytest.param({b"a": rows(range(20), 100)}, id="one leaf"),
        pytest.param({b"a": rows(range(2_000), 100), b"b": rows(range(900), 90)}, id="branches"),
        pytest.param({b"a": rows(range(5), 100_000)}, id="large values"),
        pytest.param({b"a": [(b"k", b"")]}, id="an empty value"),
        pytest.param({b"a": [(b"%04d" % n * 500, b"v") for n in range(200)]}, id="long keys"),
        pytest.param({b"%03d" % n: rows(range(n), 9) for n in range(99)}, id="many buckets"),
    ],
)
def test_what_is_written_reads_back(content: Content) -> None:
    assert read_file(make_file(content)) == content


def test_random_content_reads_back() -> None:
    rng = random.Random(SEED)
    for _ in range(30):
        content = {
            b"bucket %d" % bucket: [
                (b"%06d" % key + b"k" * rng.choice((0, 1, 40, 3000)), rng.randbytes(size))
                for key in sorted(rng.sample(range(1_000_000), rng.choice((0, 1, 2, 30, 700))))
                for size in [rng.choice((0, 1, 20, 300, 9_000))]
            ]
            for bucket in range(rng.randrange(5))
        }
        assert read_file(make_file(content)) == content, f"seed {SEED}"


def test_the_first_meta_is_the_newer_and_both_name_the_whole_file() -> None:
    file = make_file({b"a": rows(range(500), 100)})
    first, second = (decode_meta(file[at + 16 : at + 80]) for at in (0, PAGE_BYTES))
    assert first is not None
    assert second is not None
    assert first.txid == second.txid + 1
    assert first.high_water * first.page_size == len(file)
    assert first._replace(txid=0) == second._replace(txid=0)


def test_pages_come_in_order_metas_first_and_the_root_last() -> None:
    file = make_file({b"a": rows(range(1_000), 100), b"b": rows(range(30), 100)})
    kinds = [kind for kind, _ in pages(file)]
    leaves = [LEAF_PAGE] * (1_000 * 128 // NODE_BYTES + 1)
    assert kinds == [META_PAGE] * 2 + leaves + [BRANCH_PAGE, LEAF_PAGE, LEAF_PAGE]
    meta = decode_meta(file[16:80])
    assert meta is not None
    assert meta.root == len(file) // PAGE_BYTES - 1


def test_no_branch_has_a_single_child() -> None:
    # Each key fills a page of its own, so that few fit on a branch and levels are many.
    for number in range(2, 60):
        content = {b"a": [(b"%02d" % n + b"k" * 20_000, b"v") for n in range(number)]}
        file = make_file(content)
        assert all(count >= 2 for kind, count in pages(file) if kind == BRANCH_PAGE)
        assert read_file(file) == content


def test_a_bucket_is_inline_up_to_a_quarter_of_a_page() -> None:
    # 16 bytes of header, 16 of the element, 1 of the key
    for size, inline in ((1024 - 33, True), (1024 - 32, False)):
        file = make_file({b"a": [(b"k", b"v" * size)]})
        assert (len(pages(file)) == 3) is inline


def test_an_empty_bucket_takes_32_bytes() -> None:
    file = make_file({b"a": []})
    value = BUCKET.pack(0, 0) + PAGE_HEADER.pack(0, LEAF_PAGE, 0, 0)
    assert len(value) == 32
    assert b"a" + value in file


def test_sources_are_asked_twice_and_one_leaf_at_a_time() -> None:
    asked = []

    def source() -> object:
        for row in rows(range(2_000), 100):
            asked.append(row)
            yield row

    writer = BoltWriter({b"a": source})  # type: ignore[dict-item]
    measuring = writer.measure()
    next(measuring)
    assert len(asked) <= NODE_BYTES // 100
    for _ in measuring:
        pass
    assert len(asked) == 2_000
    written = writer.pages()
    assert [len(next(written)), len(next(written))] == [PAGE_BYTES, PAGE_BYTES]
    next(written)
    assert len(asked) - 2_000 <= NODE_BYTES // 100


def test_a_source_that_gives_something_else_the_second_time_is_noticed() -> None:
    given = iter([rows(range(2_000), 100), rows(range(100), 100)])
    writer = BoltWriter({b"a": lambda: iter(next(given))})
    for _ in writer.measure():
        pass
    with pytest.raises(AssertionError, match="measured"):
        list(writer.pages())


def test_the_reader_knows_the_size_that_the_writer_foretold() -> None:
    file = make_file({b"a": rows(range(700), 100)})
    assert BoltReader(file).size == len(file)
