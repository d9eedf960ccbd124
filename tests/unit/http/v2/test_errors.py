"""Errors about keys are JSON with the index in a header."""

from __future__ import annotations

from etcdpy.errors import V2Error
from etcdpy.http.v2.errors import error_line, error_response
from tests.unit.http.v2.asking import CLUSTER, JSON


def test_error_says_what_and_where() -> None:
    answer = error_response(V2Error(100, "/foo", 8), CLUSTER)
    assert answer.status == 404
    assert answer.headers == (JSON, CLUSTER, (b"x-etcd-index", b"8"))
    assert answer.body == (
        b'{"errorCode":100,"message":"Key not found","cause":"/foo","index":8}\n'
    )


def test_no_cause_is_left_out() -> None:
    assert error_line(V2Error(102, "", 3)) == (
        b'{"errorCode":102,"message":"Not a file","index":3}\n'
    )


def test_cause_is_quoted_as_in_go() -> None:
    assert b'"cause":"[\\u003ca\\u003e != b]"' in error_line(V2Error(101, "[<a> != b]", 3))
