"""Whatever goes between processes arrives as what it was."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing.codec import bytes_of, request_of, sent
from etcdpy.testing.requests import Request, on_keys


@pytest.mark.parametrize("data", [b"", b"abc", "ä".encode(), b"\xff\x00"])
def test_bytes_are_each_others(data: bytes) -> None:
    assert bytes_of(json.loads(json.dumps(sent(data)))) == data


def test_requests_keep_their_message() -> None:
    put = pb.PutRequest(key=b"\xff", value=b"v", lease=7)
    request = Request(1.5, "KV/Put", put, "ipv4:127.0.0.1:1", "alice", "OK", "", "http")
    told = json.loads(json.dumps(sent(request)))
    assert told["message"] == {"key": "/w==", "value": "dg==", "lease": "7"}
    assert vars(request_of(told)) == vars(request)
    http = Request(1.5, "GET /health", object(), "peer", status="200")
    assert request_of(sent(http)).message is None


def test_what_stays_where_it_is_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be sent to a server in another process"):
        sent({"method": lambda request: True})


def test_collections_and_records_are_sent_as_a_whole() -> None:
    class Record(NamedTuple):
        key: bytes
        others: list[Any]

    assert sent(Record(b"a", [None, 1.5, on_keys("b*")])) == {
        "key": "a",
        "others": [None, 1.5, {"method": "*", "keys": ["b*"]}],
    }
    assert sent({b"k": (True,)}) == {"k": [True]}
