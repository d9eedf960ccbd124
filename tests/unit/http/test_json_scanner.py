"""The first value of a body, and what is wrong with one that is none, in Go's words."""

from __future__ import annotations

import pytest

from etcdpy.cooperative import finish
from etcdpy.http.json_scanner import JsonError, first_value, only_value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"", None),
        (b" \t\r\n", None),
        (b" {} {}", b"{}"),
        (b"[1,[2,{}]]x", b"[1,[2,{}]]"),
        (b'"a\\"b" "c"', b'"a\\"b"'),
        (b"12 3", b"12"),
        (b"12x", b"12"),
        (b"nullx", b"null"),
        (b"-0.5e+3", b"-0.5e+3"),
        (b'{"a" : [ ] , "b" : { } }', b'{"a" : [ ] , "b" : { } }'),
    ],
)
def test_first_value_is_found_and_nothing_behind_it(data: bytes, value: bytes | None) -> None:
    assert finish(first_value(data)) == value


VALUE, KEY = "looking for beginning of value", "looking for beginning of object key string"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"key":', "unexpected EOF"),
        (b'{"key":"a', "unexpected EOF"),
        (b"nul", "unexpected EOF"),
        (b"[", "unexpected EOF"),
        (b"-", "unexpected EOF"),
        (b"1.", "unexpected EOF"),
        (b"}", f"invalid character '}}' {VALUE}"),
        (b'{"ID":"1","TTL":}', f"invalid character '}}' {VALUE}"),
        (b'{"a":[1,]}', f"invalid character ']' {VALUE}"),
        (b"{key:1}", f"invalid character 'k' {KEY}"),
        (b'{"key":"YQ==",}', f"invalid character '}}' {KEY}"),
        (b'{"key" 1}', "invalid character '1' after object key"),
        (b'{"a":"x" "b"}', "invalid character '\"' after object key:value pair"),
        (b'{"a":01}', "invalid character '1' after object key:value pair"),
        (b'{"a":[1 2]}', "invalid character '2' after array element"),
        (b'{"key":tru}', "invalid character '}' in literal true (expecting 'e')"),
        (b"nulx", "invalid character 'x' in literal null (expecting 'l')"),
        (b'{"a":-}', "invalid character '}' in numeric literal"),
        (b'{"a":1.}', "invalid character '}' after decimal point in numeric literal"),
        (b'{"a":1e}', "invalid character '}' in exponent of numeric literal"),
        (b'{"a":1e+}', "invalid character '}' in exponent of numeric literal"),
        (b'{"a":"\\x"}', "invalid character 'x' in string escape code"),
        (b'{"a":"\\u12"}', "invalid character '\"' in \\u hexadecimal character escape"),
        (b'{"a":"\tx"}', "invalid character '\\t' in string literal"),
        (b"'a'", f"invalid character '\\'' {VALUE}"),
        (b"\xff", f"invalid character 'ÿ' {VALUE}"),
        (b"\x00", f"invalid character '\\x00' {VALUE}"),
        (b"\xc3\xa9", f"invalid character 'Ã' {VALUE}"),
    ],
)
def test_fault_is_told_as_go_tells_it(data: bytes, words: str) -> None:
    with pytest.raises(JsonError) as refused:
        finish(first_value(data))
    assert str(refused.value) == words


def test_value_may_be_ten_thousand_deep_and_no_deeper() -> None:
    assert finish(first_value(b"[" * 10_000 + b"]" * 10_000)) is not None
    with pytest.raises(JsonError, match=r"^invalid character '\[' exceeded max depth$"):
        finish(first_value(b"[" * 10_001))


def test_long_value_is_scanned_in_slices() -> None:
    assert sum(1 for _ in first_value(b"[" + b"1," * 50_000 + b"1]")) > 50


def test_what_is_opened_and_closed_counts_as_much_as_what_is_in_it() -> None:
    deep = b"[" * 9_000 + b"]" * 9_000
    assert sum(1 for _ in first_value(b"[" + b",".join([deep] * 10) + b"]")) > 300


def test_string_may_have_more_escapes_than_are_looked_at_in_one_go() -> None:
    good = b'{"a":"' + rb"\u0041x\n" * 5000 + b'"}'
    assert finish(first_value(good + b"{}")) == good
    with pytest.raises(JsonError, match=r"^invalid character 'x' in string escape code$"):
        finish(first_value(good.replace(b'"}', rb'\x"}')))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "unexpected end of JSON input"),
        (b"[1", "unexpected end of JSON input"),
        (b"{} {}", "invalid character '{' after top-level value"),
        (b"12x", "invalid character 'x' after top-level value"),
        (b"[1 2]", "invalid character '2' after array element"),
    ],
)
def test_only_value_has_nothing_behind_it(data: bytes, words: str) -> None:
    assert finish(only_value(b" [12] ")) == b"[12]"
    with pytest.raises(JsonError) as refusal:
        finish(only_value(data))
    assert str(refusal.value) == words
