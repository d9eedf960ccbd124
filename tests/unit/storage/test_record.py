from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.storage import Batch, Bucket, StorageError
from etcdpy.storage.record import Record, decode, encode
from tests.unit.storage.material import batch_of, row_key

row_keys = st.binary(min_size=17, max_size=18)
values = st.binary(max_size=300)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    batch = batch_of()
    batch.revision = draw(st.integers(0, 2**63 - 1))
    batch.rows = draw(st.dictionaries(row_keys, values, max_size=5))
    batch.puts = draw(
        st.dictionaries(
            st.tuples(st.sampled_from(Bucket), st.binary(max_size=40)),
            st.none() | values,
            max_size=5,
        )
    )
    batch.drops = draw(st.lists(row_keys, max_size=5))
    return batch


@given(batches())
def test_a_decoded_batch_is_the_encoded_one(batch: Batch) -> None:
    record = decode(encode(batch))
    assert record == Record(batch.revision, batch.rows, batch.puts, batch.drops)
    assert list(record.rows) == list(batch.rows)


def test_an_empty_value_is_not_a_deletion() -> None:
    batch = batch_of()
    batch.puts = {(Bucket.ALARM, b"on"): b"", (Bucket.ALARM, b"off"): None}
    assert decode(encode(batch)).puts == batch.puts


def test_a_batch_cut_short_anywhere_is_refused() -> None:
    data = encode(_every_kind())
    for length in range(len(data)):
        with pytest.raises(StorageError):
            decode(data[:length])


def test_a_batch_with_bytes_behind_it_is_refused() -> None:
    with pytest.raises(StorageError):
        decode(encode(_every_kind()) + b"\0")


@given(st.integers(0, len(encode(batch_of(1))) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_decoded_as_what_it_says(place: int, flip: int) -> None:
    data = bytearray(encode(batch_of(1)))
    data[place] ^= flip
    with contextlib.suppress(StorageError):
        assert isinstance(decode(bytes(data)), Record)


def _every_kind() -> Batch:
    batch = batch_of(7, 8)
    batch.puts = {(Bucket.META, b"term"): b"\0\1", (Bucket.LEASE, b"gone"): None}
    batch.drops = [row_key(3), row_key(4) + b"t"]
    return batch
