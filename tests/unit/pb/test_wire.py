"""The hand-made pieces of protobuf encoding are protobuf's own."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.pb.rpc_pb2 import PutRequest, ResponseHeader
from etcdpy.pb.wire import REMEMBERED, Prefixes, delimited, number, read_varint, varint

U64 = st.integers(0, (1 << 64) - 1) | st.sampled_from([127, 128, 16383, 16384, (1 << 64) - 1])
I64 = st.integers(-(1 << 63), (1 << 63) - 1)


@given(U64)
def test_unsigned_number(value: int) -> None:
    assert number(1, value) == ResponseHeader(cluster_id=value).SerializeToString()


@given(I64)
def test_signed_number(value: int) -> None:
    assert number(3, value) == KeyValue(mod_revision=value).SerializeToString()


@given(U64)
def test_varint_has_seven_bits_a_byte(value: int) -> None:
    encoded = varint(value)
    assert sum((byte & 0x7F) << 7 * i for i, byte in enumerate(encoded)) == value
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]


@given(U64, st.binary(max_size=3), st.binary(max_size=3))
def test_number_is_read_from_where_it_stands(value: int, before: bytes, behind: bytes) -> None:
    encoded = before + varint(value)
    assert read_varint(encoded + behind, len(before)) == (value, len(encoded))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 9, b"\x80" * 10 + b"\x01"])
def test_number_without_an_end_is_none(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_varint(data, 0)


@given(st.binary(min_size=1, max_size=300), st.sampled_from([bytes, bytearray]))
def test_bytes(value: bytes, kind: type[bytes]) -> None:
    assert delimited(2, kind(value)) == PutRequest(value=value).SerializeToString()


def test_long_bytes() -> None:
    value = bytes(1 << 21)
    assert delimited(1, value) == PutRequest(key=value).SerializeToString()


def test_empty_field_is_there_all_the_same() -> None:
    assert delimited(1, b"") == b"\x0a\x00"


def test_prefixes_are_those_of_any_length_and_only_short_ones_are_remembered() -> None:
    prefixes = Prefixes(5)
    for length in (1, 127, 128, REMEMBERED - 1, REMEMBERED, 1 << 21):
        assert prefixes[length] + bytes(length) == delimited(5, bytes(length))
    assert max(prefixes) == REMEMBERED - 1
