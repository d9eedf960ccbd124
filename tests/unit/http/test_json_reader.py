"""What is no message, in Go's words and with the place in the text where it is none."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from etcdpy.cooperative import finish
from etcdpy.http.json_reader import read_message
from etcdpy.http.json_scanner import JsonError
from etcdpy.pb import rpc_pb2 as pb


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (pb.RangeRequest, '{"key":12}', "(line 1:8): invalid value for bytes field key: 12"),
        (
            pb.RangeRequest,
            '{"key":"foo!"}',
            '(line 1:8): invalid value for bytes field key: "foo!"',
        ),
        (pb.RangeRequest, ' \n {"key":\n12}', "(line 2:1): invalid value for bytes field key: 12"),
        (pb.RangeRequest, '{"key":"YQ==","key":"YQ=="}', '(line 1:15): duplicate field "key"'),
        (
            pb.RangeRequest,
            '{"key":"YQ==","range_end":null,"rangeEnd":"YQ=="}',
            '(line 1:32): duplicate field "rangeEnd"',
        ),
        (pb.RangeRequest, '{"limit":5.5}', "(line 1:10): invalid value for int64 field limit: 5.5"),
        (
            pb.RangeRequest,
            '{"limit":" 5"}',
            '(line 1:10): invalid value for int64 field limit: " 5"',
        ),
        (
            pb.RangeRequest,
            '{"limit":"12x"}',
            '(line 1:10): invalid value for int64 field limit: "12x"',
        ),
        (
            pb.RangeRequest,
            '{"limit":"1.5.5"}',
            '(line 1:10): invalid value for int64 field limit: "1.5.5"',
        ),
        (
            pb.RangeRequest,
            '{"limit":1e400}',
            "(line 1:10): invalid value for int64 field limit: 1e400",
        ),
        (
            pb.RangeRequest,
            '{"limit":1e999999999999}',
            "(line 1:10): invalid value for int64 field limit: 1e999999999999",
        ),
        (
            pb.RangeRequest,
            '{"limit":9223372036854775808}',
            "(line 1:10): invalid value for int64 field limit: 9223372036854775808",
        ),
        *(
            (
                pb.RangeRequest,
                f'{{"limit":{number}}}',
                f"(line 1:10): invalid value for int64 field limit: {number}",
            )
            for number in (
                "1e2147483648",
                "1e-2147483649",
                "1e9999999999999999999",
                "-1.0E+9999999999999999999",
                "1e-9999999999999999999",
                '"1e9999999999999999999"',
                '"12e"',
                '"12e+}"',
                '"12e5e}"',
                '"12ex"',
            )
        ),
        (pb.RangeRequest, '{"limit":[1]}', "(line 1:10): invalid value for int64 field limit: ["),
        (
            pb.RangeRequest,
            '{"keysOnly":"true"}',
            '(line 1:13): invalid value for bool field keysOnly: "true"',
        ),
        (
            pb.RangeRequest,
            '{"sort_order":true}',
            "(line 1:15): invalid value for enum field sortOrder: true",
        ),
        (
            pb.RangeRequest,
            '{"sort_order":99999999999}',
            "(line 1:15): invalid value for enum field sortOrder: 99999999999",
        ),
        (
            pb.AlarmRequest,
            '{"memberID":"-1"}',
            '(line 1:13): invalid value for uint64 field memberID: "-1"',
        ),
        (
            pb.AuthUserAddRequest,
            '{"é":1,"name":12}',
            "(line 1:15): invalid value for string field name: 12",
        ),
        (
            pb.MemberAddRequest,
            '{"peerURLs":["http://a:1",null]}',
            "(line 1:27): invalid value for string field peerURLs: null",
        ),
        (
            pb.TxnRequest,
            '{"success":[{"request_range":{"key":"YQ=="},"request_put":{"key":"YQ=="}}]}',
            '(line 1:45): error parsing "request_put", oneof etcdserverpb.RequestOp.request is '
            "already set",
        ),
    ],
)
def test_value_that_is_none_of_a_field_is_refused(
    kind: type[Message], body: str, words: str
) -> None:
    with pytest.raises(JsonError) as refused:
        finish(read_message(body.encode(), kind))
    assert str(refused.value) == f"proto: {words}"


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (pb.RangeRequest, b"[]", "(line 1:1): unexpected token ["),
        (pb.RangeRequest, b"null", "(line 1:1): unexpected token null"),
        (pb.RangeRequest, b'"x"', '(line 1:1): unexpected token "x"'),
        (pb.RangeRequest, b" 12", "(line 1:1): unexpected token 12"),
        (pb.AuthUserAddRequest, b'{"options":[]}', "(line 1:12): unexpected token ["),
        (pb.TxnRequest, b'{"success":[null]}', "(line 1:13): unexpected token null"),
        (pb.TxnRequest, b'{"success":{}}', "(line 1:12): unexpected token {"),
        (pb.AuthUserAddRequest, b'{"name":"\xff"}', "(line 1:9): invalid UTF-8 in string"),
        (
            pb.AuthUserAddRequest,
            b'{"name":"\\ude00\xc3aaaaaa"}',
            r'(line 1:9): invalid escape code "\xc3aaaaa" in string',
        ),
        (
            pb.AuthUserAddRequest,
            b'{"name":"\\n\xc3\\ude00aaaaa"}',
            "(line 1:9): invalid UTF-8 in string",
        ),
        # Also where nobody wants to know.
        (pb.AuthUserAddRequest, b'{"x":["\xff"]}', "(line 1:7): invalid UTF-8 in string"),
        (
            pb.AuthUserAddRequest,
            b'{"name":"\\ud800xxxxxxx"}',
            '(line 1:9): invalid escape code "xxxxxx" in string',
        ),
        (
            pb.AuthUserAddRequest,
            b'{"name":"\\ud800\\u0041"}',
            '(line 1:9): invalid escape code "\\\\u0041" in string',
        ),
    ],
)
def test_token_that_may_not_stand_there_is_refused(
    kind: type[Message], body: bytes, words: str
) -> None:
    with pytest.raises(JsonError) as refused:
        finish(read_message(body, kind))
    assert str(refused.value) == f"proto: syntax error {words}"


def test_half_a_character_at_the_end_is_told_as_go_tells_it() -> None:
    with pytest.raises(JsonError, match=r"^proto: unexpected EOF$"):
        finish(read_message(b'{"name":"\\ud800"}', pb.AuthUserAddRequest))
