"""Requests that take long are told of, in etcd's words, and others are not."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest

from etcdpy.cooperative import Pieces
from etcdpy.mvcc.plain_txn import decode_txn
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.txn_request import Txn
from etcdpy.node.slow_requests import CLOSE, SlowRequests
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.kv_pb2 import KeyValue

HEADER = Headers(0xF693_0000_0000_0001, 0x643A_0000_0000_0002, 2)
RANGE = pb.RangeRequest(key=b"a", range_end=b"z")
PUT = pb.PutRequest(key=b"foo", value=b"bar")
GET = pb.RequestOp(request_range=pb.RangeRequest(key=b"k"))


def reply(message: Any, revision: int = 5) -> bytes:
    """Encode a reply the way the server does."""
    return HEADER.at(revision) + bytes(message.SerializeToString())


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, Any]]]:
    found = []
    for record in caplog.records:
        assert isinstance(record.args, dict)
        found.append((record.levelname, record.msg, dict(record.args)))
    return found


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    [(_, _, found)] = told(caplog)
    return found


def test_work_within_its_limit_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    slow = SlowRequests(apply_limit=0.1)
    slow.applied(PUT, reply(pb.PutResponse()), 0.1)
    assert not caplog.records


def test_work_beyond_its_limit_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    SlowRequests(apply_limit=0.1).applied(PUT, reply(pb.PutResponse()), 0.25)
    assert told(caplog) == [
        (
            "WARNING",
            "apply request took too long",
            {
                "took": "250ms",
                "expected-duration": "100ms",
                "prefix": "",
                "request": 'put:<key:"foo" value_size:3 >',
                "response": "size:4",
            },
        )
    ]


@pytest.mark.parametrize(
    ("request_", "message", "prefix", "text", "response"),
    [
        (
            RANGE,
            pb.RangeResponse(kvs=[KeyValue(key=b"a"), KeyValue(key=b"b")], count=9),
            "read-only range ",
            'key:"a" range_end:"z"',
            "range_response_count:2 size:16",
        ),
        (
            pb.DeleteRangeRequest(key=b"a"),
            pb.DeleteRangeResponse(deleted=1),
            "",
            'delete_range:{key:"a"}',
            "size:6",
        ),
        (
            Txn.of(pb.TxnRequest(success=[GET])),
            pb.TxnResponse(
                succeeded=True,
                responses=[
                    pb.ResponseOp(
                        response_range=pb.RangeResponse(kvs=[KeyValue(key=b"k")], count=1)
                    )
                ],
            ),
            "read-only txn ",
            'compare:<> success:<request_range:{key:"k"}> failure:<>',
            "responses:<range_response_count:1> size:17",
        ),
        (
            Txn.of(pb.TxnRequest(success=[pb.RequestOp(request_put=PUT)])),
            pb.TxnResponse(succeeded=True),
            "",
            'txn:<compare:<> success:<request_put:<key:"foo" value_size:3 >> failure:<>>',
            "size:6",
        ),
    ],
)
def test_each_kind_of_work_is_told_in_its_own_way(
    caplog: pytest.LogCaptureFixture,
    request_: Any,
    message: Any,
    prefix: str,
    text: str,
    response: str,
) -> None:
    SlowRequests(apply_limit=0).applied(request_, reply(message), 1)
    found = fields(caplog)
    assert (found["prefix"], found["request"], found["response"]) == (prefix, text, response)


def test_plain_transaction_is_told_of_as_one(caplog: pytest.LogCaptureFixture) -> None:
    kinds: list[str] = []
    slow = SlowRequests(apply_limit=0)
    slow.on_applied = lambda kind, took: kinds.append(kind)
    request = pb.TxnRequest(success=[pb.RequestOp(request_put=PUT)])
    for one in (Txn.of(request), decode_txn(request.SerializeToString())):
        slow.applied(one, reply(pb.TxnResponse(succeeded=True)), 1)
    lines = [found["request"] for _, _, found in told(caplog)]
    assert lines[0] == lines[1]
    assert lines[0].startswith("txn:<")
    assert kinds == ["Txn", "Txn"]


def test_large_reply_is_told_by_its_size_alone(caplog: pytest.LogCaptureFixture) -> None:
    large = pb.RangeResponse(kvs=[KeyValue(key=b"a", value=bytes(2 << 20))], count=1)
    SlowRequests(apply_limit=0).applied(RANGE, reply(large), 1)
    assert fields(caplog)["response"] == f"size:{large.ByteSize() + 4}"


def test_reply_in_pieces_is_told_like_any_other(caplog: pytest.LogCaptureFixture) -> None:
    whole = reply(pb.RangeResponse(kvs=[KeyValue(key=b"a", value=bytes(3 << 20))], count=1))
    pieces = Pieces([whole[: 2 << 20], whole[2 << 20 : -1], whole[-1:]])
    slow = SlowRequests(apply_limit=0, request_limit=0)
    for form in (whole, pieces):
        slow.applied(RANGE, form, 1)
        slow.ended("/etcdserverpb.KV/Range", "ipv4:10.0.0.1:5000", RANGE, form, 1)
    applied, ended, *others = [found for _, _, found in told(caplog)]
    assert ended["response count"] == 1
    assert (applied["response"], ended["response size"]) == (
        others[0]["response"],
        others[1]["response size"],
    )


def ended(request: Any, response: Any, took: float = 0.5, limit: float = 0.3) -> None:
    slow = SlowRequests(request_limit=limit)
    slow.ended("/etcdserverpb.KV/X", "ipv4:10.0.0.1:5000", request, response, took)


def test_request_within_its_limit_is_not_told_of(caplog: pytest.LogCaptureFixture) -> None:
    ended(PUT, reply(pb.PutResponse()), took=0.3)
    assert not caplog.records


def test_slow_request_is_told_with_its_stats(caplog: pytest.LogCaptureFixture) -> None:
    ended(PUT, reply(pb.PutResponse()))
    [(level, message, found)] = told(caplog)
    assert (level, message) == ("WARNING", "request stats")
    assert found.pop("start time").endswith("Z")
    assert found == {
        "time spent": "500ms",
        "remote": "10.0.0.1:5000",
        "response type": "/etcdserverpb.KV/X",
        "request count": 1,
        "request size": 10,
        "response count": 0,
        "response size": len(reply(pb.PutResponse())),
        "request content": 'key:"foo" value_size:3 ',
    }


def numbers(caplog: pytest.LogCaptureFixture) -> tuple[int, int, int]:
    found = fields(caplog)
    return found["request count"], found["request size"], found["response count"]


WRITE = pb.TxnRequest(
    compare=[pb.Compare(key=b"k")],
    success=[pb.RequestOp(request_put=PUT), GET],
    failure=[pb.RequestOp(request_txn=pb.TxnRequest(success=[GET]))],
)


@pytest.mark.parametrize(
    ("request_", "message", "expected"),
    [
        (RANGE, pb.RangeResponse(kvs=[KeyValue(key=b"a" * 300)], count=300), (0, 6, 300)),
        (RANGE, pb.RangeResponse(kvs=[KeyValue(key=b"a")], more=True, count=7), (0, 6, 7)),
        (RANGE, pb.RangeResponse(), (0, 6, 0)),
        (
            pb.DeleteRangeRequest(key=b"a"),
            pb.DeleteRangeResponse(deleted=200, prev_kvs=[KeyValue(key=b"a")]),
            (0, 3, 200),
        ),
        (pb.DeleteRangeRequest(key=b"a"), pb.DeleteRangeResponse(), (0, 3, 0)),
        (
            Txn.of(WRITE),
            pb.TxnResponse(succeeded=True),
            (2, sum(op.ByteSize() for op in WRITE.success), 0),
        ),
        (Txn.of(WRITE), pb.TxnResponse(), (1, WRITE.failure[0].ByteSize(), 0)),
        (pb.MemberListRequest(), pb.MemberListResponse(), (-1, -1, -1)),
    ],
)
def test_each_kind_of_request_is_counted_in_its_own_way(
    caplog: pytest.LogCaptureFixture, request_: Any, message: Any, expected: tuple[int, int, int]
) -> None:
    ended(request_, reply(message))
    assert numbers(caplog) == expected


@pytest.mark.parametrize(
    ("request_", "expected", "content"),
    [
        (RANGE, (0, 6, 0), 'key:"a" range_end:"z"'),
        (PUT, (1, 10, 0), 'key:"foo" value_size:3 '),
        (Txn.of(WRITE), (0, 0, 0), ""),
        (pb.StatusRequest(), (-1, -1, -1), ""),
    ],
)
def test_failed_request_is_told_without_a_reply(
    caplog: pytest.LogCaptureFixture, request_: Any, expected: tuple[int, int, int], content: str
) -> None:
    ended(request_, None)
    assert numbers(caplog) == expected
    assert fields(caplog)["request content"] == content
    assert fields(caplog)["response size"] == (-1 if expected[0] < 0 else 0)


@pytest.mark.parametrize(
    ("peer", "remote"),
    [("ipv4:1.2.3.4:5", "1.2.3.4:5"), ("ipv6:[::1]:5", "[::1]:5"), ("unix:/run/e.sock", "@")],
)
def test_peers_are_written_as_go_does(
    caplog: pytest.LogCaptureFixture, peer: str, remote: str
) -> None:
    SlowRequests(request_limit=0.1).ended("/x/Y", peer, PUT, None, 1)
    assert fields(caplog)["remote"] == remote


def test_debugging_tells_of_every_request_and_warns_of_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    slow = SlowRequests(math.inf, 0.3)
    assert slow.is_close
    for took in (0.001, 0.5):
        slow.ended("/x/Y", "", PUT, None, took)
    assert [level for level, _, _ in told(caplog)] == ["DEBUG", "DEBUG"]


def test_low_limits_need_every_request_to_be_timed() -> None:
    assert not SlowRequests(CLOSE, CLOSE).is_close
    assert SlowRequests(CLOSE / 2, 1).is_close
    assert SlowRequests(1, CLOSE / 2).slower_than == 0
    assert SlowRequests(1, 0.3).slower_than == 0.3


def test_request_that_cannot_be_described_is_not_failed_by_that(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slow = SlowRequests(-1, -1)
    slow.applied(PUT, b"", 1)
    slow.ended("/x/Y", "", object(), 7, 1)
    assert [record.msg for record in caplog.records] == ["cannot describe a request"] * 2
