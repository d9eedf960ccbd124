from __future__ import annotations

import google_crc32c
import pytest

from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage.bolt_read import BoltError, BoltReader
from etcdpy.storage.bolt_write import Entry
from etcdpy.storage.snapshot_status import Status, read_status
from tests.unit.storage.bolt_material import make_file
from tests.unit.storage.material import row_key


def put(revision: int, key: bytes) -> Entry:
    return row_key(revision), KeyValue(key=key, mod_revision=revision).SerializeToString()


def delete(revision: int, key: bytes) -> Entry:
    return row_key(revision) + b"t", KeyValue(key=key).SerializeToString()


def status_of(**buckets: list[Entry]) -> Status:
    content = {name.encode(): entries for name, entries in buckets.items()}
    return read_status(BoltReader(make_file(content)))


def test_an_empty_store_is_at_revision_zero() -> None:
    crc = google_crc32c.value(b"key" + b"meta")
    assert status_of(key=[], meta=[]) == Status(crc, 0, 0, 3 * 4096, "")


def test_the_hash_covers_names_keys_and_values_in_order() -> None:
    row = put(2, b"a")
    status = status_of(meta=[(b"term", b"1")], key=[row])
    assert status.hash == google_crc32c.value(b"key" + b"".join(row) + b"meta" + b"term1")


def test_keys_are_counted_once_and_deleted_ones_not() -> None:
    rows = [put(2, b"a"), put(3, b"a"), put(4, b"b"), put(5, b"c"), delete(6, b"c")]
    status = status_of(key=rows)
    assert status.total_key == 2
    assert status.revision == 6


def test_a_key_that_came_back_counts() -> None:
    assert status_of(key=[put(2, b"a"), delete(3, b"a"), put(4, b"a")]).total_key == 1


def test_the_version_is_the_one_written_in_the_file() -> None:
    assert status_of(meta=[(b"storageVersion", b"3.7.0")]).version == "3.7.0"


def test_a_row_that_is_no_key_value_pair_is_refused() -> None:
    with pytest.raises(BoltError, match="no key-value pair"):
        status_of(key=[(row_key(2), b"\xff\xff\xff")])
