"""What is in a type of message."""

from __future__ import annotations

from etcdpy.http.json_fields import RANGES, fields_by_name, fields_of, message_type_of
from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb


def test_fields_come_in_the_order_of_the_protocol() -> None:
    assert [field.name for field in fields_of(pb.RangeResponse)] == [
        "header",
        "kvs",
        "more",
        "count",
    ]


def test_field_tells_which_messages_it_holds() -> None:
    header, kvs, more, _ = fields_of(pb.RangeResponse)
    assert message_type_of(header) is pb.ResponseHeader
    assert message_type_of(kvs) is kv_pb2.KeyValue
    assert message_type_of(more) is None


def test_ranges_are_those_of_whole_numbers() -> None:
    assert sorted(RANGES.values()) == [
        (-(2**63), 2**63 - 1),
        (-(2**31), 2**31 - 1),
        (0, 2**32 - 1),
        (0, 2**64 - 1),
    ]


def test_field_has_the_name_of_the_protocol_and_one_of_json() -> None:
    fields = fields_by_name(pb.RangeRequest)
    assert fields["range_end"] is fields["rangeEnd"]
    assert "RangeEnd" not in fields
    assert fields_by_name(pb.LeaseGrantRequest).keys() == {"TTL", "ID"}
