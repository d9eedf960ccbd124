"""Requests are kept, counted, and waited for."""

from __future__ import annotations

import threading

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.testing.requests import Request, Requests, keys_of, on_keys, short_name


def request(method: str, message: object = None, status: str | None = "OK") -> Request:
    return Request(1.0, method, message, "ipv4:127.0.0.1:1", status=status)


def put(key: bytes) -> Request:
    return request("KV/Put", pb.PutRequest(key=key))


def test_newest_is_last_and_the_oldest_are_forgotten() -> None:
    requests = Requests(most=2)
    for key in (b"a", b"b", b"c"):
        requests.note(put(key))
    assert [one.message.key for one in requests] == [b"b", b"c"]
    assert (len(requests), requests[-1].message.key) == (2, b"c")
    assert [one.message.key for one in requests[:1]] == [b"b"]
    # What is forgotten is counted, but can be asked nothing any more.
    assert (requests.count("KV/*"), requests.count("KV/*", lambda message: True)) == (3, 2)
    requests.clear()
    assert (list(requests), requests.count()) == ([], 0)


def test_methods_are_named_in_full_by_pattern_or_by_a_function() -> None:
    requests = Requests()
    for one in (put(b"a"), request("KV/Range"), request("Watch/Watch"), put(b"b")):
        requests.note(one)
    assert requests.count("KV/Put") == 2
    assert requests.count("KV/*") == 3
    assert requests.count() == 4
    assert requests.count(lambda one: one.method.startswith("Watch")) == 1
    assert requests.count("KV/Put", lambda message: message.key == b"b") == 1
    last = requests.last("KV/Put")
    assert last is not None
    assert last.message.key == b"b"
    assert requests.last("Lease/*") is None


def test_waiting_ends_with_the_request_that_was_waited_for() -> None:
    requests = Requests()
    later = threading.Timer(0.01, requests.note, [put(b"a")])
    later.start()
    assert requests.wait_for("KV/Put", timeout=30).message.key == b"a"
    later.join()


async def test_waiting_for_more_than_come_says_what_came() -> None:
    requests = Requests()
    requests.note(put(b"a"))
    with pytest.raises(TimeoutError, match=r"1 requests of KV/Put instead of 2(.|\n)*KV/Put key"):
        await requests.wait_for_async("KV/Put", count=2, timeout=0.01)
    with pytest.raises(TimeoutError, match="there was nothing"):
        Requests().wait_for("KV/Put", timeout=0)


def test_keys_of_a_transaction_are_those_of_all_its_parts() -> None:
    txn = pb.TxnRequest(
        compare=[pb.Compare(key=b"c")],
        success=[pb.RequestOp(request_put=pb.PutRequest(key=b"p"))],
        failure=[pb.RequestOp(request_range=pb.RangeRequest(key=b"r", range_end=b"s"))],
    )
    assert keys_of(txn) == [(b"c", b""), (b"p", b""), (b"r", b"s")]
    assert keys_of(None) == []
    assert on_keys("p")(request("KV/Txn", txn))
    assert not on_keys("q*")(request("KV/Txn", txn))


def test_line_about_a_request_says_how_it_ended() -> None:
    assert str(put(b"a")) == 'KV/Put key: "a" -> OK'
    assert str(request("KV/Range", status=None)) == "KV/Range -> (no answer)"
    long = request("KV/Put", pb.PutRequest(key=b"k" * 1000))
    assert len(str(long)) < 250


def test_name_of_a_method_has_no_package() -> None:
    assert short_name("/etcdserverpb.KV/Put") == "KV/Put"
    assert short_name("/grpc.health.v1.Health/Check") == "Health/Check"


def test_large_messages_are_not_kept_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etcdpy.testing.requests.MOST_BYTES", 100)
    requests = Requests()
    for size in (40, 40, 40, 200):
        requests.note(request("KV/Put", pb.PutRequest(value=bytes(size))))
    assert [len(one.message.value) for one in requests] == [200]
    assert requests.count("KV/Put") == 4
    requests.clear()
    requests.note(put(b"a"))
    requests.note(put(b"b"))
    assert len(requests) == 2
