"""What a line says of a request: which keys, and nothing of what they hold."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest
from google.protobuf.message import Message

from etcdpy.cooperative import finish
from etcdpy.mvcc.txn_request import LongTxn, Txn
from etcdpy.node.audit_lines import (
    MOST_OF_A_KEY,
    MOST_OF_OPS,
    Ops,
    bytes_field,
    describe,
    lease_name,
)
from etcdpy.pb import auth_pb2, kv_pb2
from etcdpy.pb import rpc_pb2 as pb


def told(members: str) -> Any:
    return json.loads(f"{{{members}}}")


@pytest.mark.parametrize(
    ("key", "members"),
    [
        (b"", {"key": ""}),
        (b"a/b", {"key": "a/b"}),
        ("ключ 🔑".encode(), {"key": "ключ 🔑"}),
        (b'"\\\n\x00\x1b[2J', {"key": '"\\\n\x00\x1b[2J'}),
        (b"\xff\x00", {"key_base64": "/wA="}),
        (b"a\xff", {"key_base64": "Yf8="}),
        # No UTF-8: half of a pair, and a letter in more bytes than it needs.
        (b"\xed\xa0\x80", {"key_base64": "7aCA"}),
        (b"\xc0\x80", {"key_base64": "wIA="}),
    ],
)
def test_key_is_text_if_it_is_utf8_and_else_base64(key: bytes, members: dict[str, str]) -> None:
    assert told(bytes_field("key", key)) == members


def test_no_line_is_broken_by_a_key() -> None:
    assert "\n" not in bytes_field("key", b"a\nb\r")


def test_long_key_is_cut_and_says_how_long_it_is() -> None:
    key = b"k" * (1 << 20)
    assert told(bytes_field("key", key)) == {"key": "k" * MOST_OF_A_KEY, "key_bytes": 1 << 20}
    # Where a letter is cut in two, it is left out.
    letters = "я".encode() * 1000
    assert told(bytes_field("key", b"x" + letters))["key"] == "x" + "я" * 511
    cut = told(bytes_field("key", b"\xff" * 5000))
    assert b64decode(cut["key_base64"]) == b"\xff" * MOST_OF_A_KEY
    assert cut["key_bytes"] == 5000


def test_key_of_just_as_many_bytes_is_whole() -> None:
    assert told(bytes_field("key", b"k" * MOST_OF_A_KEY)) == {"key": "k" * MOST_OF_A_KEY}


@pytest.mark.parametrize(
    ("lease", "name"),
    [(1, "0000000000000001"), (2**63 - 1, "7fffffffffffffff"), (-1, "-0000000000000001")],
)
def test_lease_has_the_name_that_etcdctl_gives_it(lease: int, name: str) -> None:
    assert lease_name(lease) == name


def test_refused_transaction_is_told_of_with_all_it_names() -> None:
    get = pb.RequestOp(request_range=pb.RangeRequest(key=b"r", range_end=b"s"))
    put = pb.RequestOp(request_put=pb.PutRequest(key=b"p", value=b"v"))
    delete = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=b"d"))
    inner = pb.RequestOp(request_txn=pb.TxnRequest(failure=[delete]))
    request = pb.TxnRequest(compare=[pb.Compare(key=b"c")], success=[get, put], failure=[inner])
    assert told(describe(Txn.of(request)))["ops"] == [
        {"op": "compare", "key": "c"},
        {"op": "range", "key": "r", "range_end": "s"},
        {"op": "put", "key": "p"},
        {"op": "delete", "key": "d"},
    ]


def test_operations_beyond_the_room_for_them_are_counted() -> None:
    puts = [pb.PutRequest(key=b"%02d" % n + b"x" * 2000) for n in range(100)]
    request = pb.TxnRequest(success=[pb.RequestOp(request_put=put) for put in puts])
    members = describe(Txn.of(request))
    line = told(members)
    assert len(members) < MOST_OF_OPS + 1000
    assert len(line["ops"]) + line["ops_cut"] == 100
    assert [op["key"][:2] for op in line["ops"]] == [f"{n:02}" for n in range(len(line["ops"]))]


def test_all_that_there_is_no_room_for_is_counted_whatever_it_is() -> None:
    get = pb.RequestOp(request_range=pb.RangeRequest(key=b"r" * 100))
    put = pb.RequestOp(request_put=pb.PutRequest(key=b"p" * 100))
    delete = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=b"d" * 100))
    inner = pb.RequestOp(
        request_txn=pb.TxnRequest(compare=[pb.Compare(key=b"c")] * 3, failure=[delete] * 500)
    )
    request = pb.TxnRequest(
        compare=[pb.Compare(key=b"c")] * 2, success=[get] * 500, failure=[put] * 500 + [inner]
    )
    line = told(describe(Txn.of(request)))
    assert len(line["ops"]) + line["ops_cut"] == 2 + 500 + 500 + 3 + 500


def test_a_long_transaction_is_described_as_any_other() -> None:
    put = pb.RequestOp(request_put=pb.PutRequest(key=b"p" * 100))
    inner = pb.RequestOp(request_txn=pb.TxnRequest(success=[put] * 500, failure=[put]))
    request = pb.TxnRequest(success=[inner] * 3)
    long = LongTxn(request.SerializeToString())
    finish(long.read(2000))
    assert describe(long) == describe(Txn.of(request))


def test_keys_are_looked_at_only_as_long_as_there_is_room() -> None:
    ops = Ops()
    looked_at = 0

    def keys() -> Any:
        nonlocal looked_at
        for _ in range(100_000):
            looked_at += 1
            yield b"k" * 100

    ops.add_keys("delete", keys(), 1_000_000)
    line = told(ops.member)
    assert len(line["ops"]) + line["ops_cut"] == 1_000_000
    assert looked_at < 1000


def test_number_that_has_no_name_is_told_as_it_is() -> None:
    request = pb.AlarmRequest()
    request.action = 7  # type: ignore[assignment]
    assert told(describe(request))["target"]["action"] == "7"


def _requests() -> list[type[Message]]:
    """All requests of all services, but for those of streams."""
    services = pb.DESCRIPTOR.services_by_name.values()
    found = [getattr(pb, method.input_type.name) for one in services for method in one.methods]
    return sorted(set(found), key=lambda kind: kind.__name__)


#: What may never be in a line, by the names of fields.
SECRET_FIELDS = {"value", "password", "hashedPassword"}


@pytest.mark.parametrize("kind", _requests(), ids=lambda kind: kind.__name__)
def test_secret_fields_are_in_no_line_whatever_the_request(kind: type[Message]) -> None:
    request = kind()
    _fill(request)
    shown = describe(Txn.of(request) if isinstance(request, pb.TxnRequest) else request)
    assert "5ecre7" not in shown
    told(shown)


def _fill(message: Any) -> None:
    """Set every field there is, those that are secret to what is looked for."""
    for field in message.DESCRIPTOR.fields:
        text = "5ecre7" if field.name in SECRET_FIELDS else "shown"
        value: Any = {field.TYPE_STRING: text, field.TYPE_BYTES: text.encode()}.get(field.type)
        if value is None:
            continue
        if field.is_repeated:
            getattr(message, field.name).append(value)
        else:
            setattr(message, field.name, value)
    if isinstance(message, pb.TxnRequest):
        put = pb.PutRequest(key=b"k", value=b"5ecre7")
        message.success.add(request_put=put)
        message.compare.add(key=b"k", target=pb.Compare.VALUE, value=b"5ecre7")


def test_every_request_that_is_about_something_says_what() -> None:
    about_nothing = {
        kind.__name__ for kind in _requests() if kind is not pb.TxnRequest and not describe(kind())
    }
    assert about_nothing == {
        "AuthDisableRequest",
        "AuthEnableRequest",
        "AuthRoleListRequest",
        "AuthStatusRequest",
        "AuthUserListRequest",
        "DefragmentRequest",
        "HashKVRequest",
        "HashRequest",
        "LeaseLeasesRequest",
        "MemberListRequest",
        "SnapshotRequest",
        "StatusRequest",
        # Of a stream: each watch in it is asked for by a request of its own.
        "WatchRequest",
    }


def test_permission_is_told_with_its_keys() -> None:
    permission = auth_pb2.Permission(
        permType=auth_pb2.Permission.READWRITE, key=b"\xff", range_end=b"\0"
    )
    request = pb.AuthRoleGrantPermissionRequest(name="r", perm=permission)
    assert told(describe(request))["target"] == {
        "role": "r",
        "permission": "READWRITE",
        "key_base64": "/w==",
        "range_end": "\0",
    }
    assert told(describe(kv_pb2.KeyValue())) == {}
