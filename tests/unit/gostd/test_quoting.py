"""Strings are put in quotes as Go does; what is expected is what Go and etcd print."""

from __future__ import annotations

import os

import pytest

from etcdpy.gostd.quoting import go_quote, go_quote_all, go_quote_hex, go_quote_octal, go_text


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        (b"", '""'),
        (b"/Range", '"/Range"'),
        (b'a"b\\c', r'"a\"b\\c"'),
        (b"\t\n\x00\x1f\x7f", r'"\t\n\x00\x1f\x7f"'),
        (b"\a\b\f\v\r", r'"\a\b\f\v\r"'),
        ("é世".encode(), '"é世"'),
        (b"\xff\xc3", r'"\xff\xc3"'),
        ("\u00a0\u200b".encode(), r'"\u00a0\u200b"'),
        ("\U000e0001".encode(), r'"\U000e0001"'),
    ],
)
def test_quotes_as_go_does(value: bytes, quoted: str) -> None:
    assert go_quote(value) == quoted


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("a", '"a"'),
        ('"\\', r'"\"\\"'),
        ("\n\x00", r'"\n\x00"'),
        ("\u200b", r'"\u200b"'),
        ("é", '"é"'),
        (os.fsdecode(b"a\xff"), r'"a\xff"'),
    ],
)
def test_text_is_quoted_as_its_bytes_are(text: str, quoted: str) -> None:
    assert go_quote(text) == quoted
    assert go_quote(os.fsencode(text)) == quoted


@pytest.mark.parametrize("char", [*map(chr, range(0x180)), "\u2028", "\ud7ff", "\U0001f600"])
def test_character_is_quoted_alike_wherever_it_stands(char: str) -> None:
    alone = go_quote(char)[1:-1]
    assert go_quote(f"a{char}{char}z") == f'"a{alone}{alone}z"'
    assert (alone == char) is (char.isprintable() and char not in '"\\')


def test_slice_is_in_brackets() -> None:
    assert go_quote_all([]) == "[]"
    assert go_quote_all(["a", b"b\n"]) == r'["a" "b\n"]'


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        (b"", '""'),
        (b"foo ~", '"foo ~"'),
        (b'a\nb"\\\r\t', r'"a\nb\"\\\r\t"'),
        (b"\0\a\x7f", r'"\000\007\177"'),
        ("é\u200b".encode(), r'"\303\251\342\200\213"'),
        (b"\xff", r'"\377"'),
    ],
)
def test_old_protobuf_library_writes_octal(value: bytes, quoted: str) -> None:
    assert go_quote_octal(value) == quoted


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        (b"", '""'),
        (b"foo ~", '"foo ~"'),
        (b'a\nb"\\\r\t', r'"a\nb\"\\\r\t"'),
        (b"\0\a\x7f", r'"\x00\x07\x7f"'),
        ("é\x85\u200b".encode(), '"é\\u0085\u200b"'),
        (b"\xff", r'"\xff"'),
    ],
)
def test_new_protobuf_library_writes_hexadecimal(value: bytes, quoted: str) -> None:
    assert go_quote_hex(value) == quoted


def test_plain_text_replaces_what_is_no_utf8() -> None:
    assert go_text(b"a\xffb") == "a\ufffdb"
