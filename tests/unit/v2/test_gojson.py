"""Texts and times are written as Go writes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdpy.v2.gojson import quote, timestamp


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", '"plain text"'),
        ("", '""'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("<a&b>", r'"\u003ca\u0026b\u003e"'),
        ("\n\r\t\b\f\0", r'"\n\r\t\u0008\u000c\u0000"'),
        ("\x7f", '"\x7f"'),
        ("\u2028\u2029", r'"\u2028\u2029"'),
        ("grün 中 🙂", '"grün 中 🙂"'),
        (b"\xff\xc3".decode("utf-8", "surrogateescape"), r'"\ufffd\ufffd"'),
    ],
)
def test_text_is_quoted_as_in_go(text: str, shown: str) -> None:
    assert quote(text) == shown


@given(st.text())
def test_every_text_comes_back(text: str) -> None:
    assert json.loads(quote(text)) == text


@given(st.binary())
def test_any_bytes_are_valid_json(data: bytes) -> None:
    shown = quote(data.decode("utf-8", "surrogateescape"))
    assert json.loads(shown.encode()) is not None


@pytest.mark.parametrize(
    ("nanoseconds", "shown"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_000_000_000, "2023-11-14T22:13:20Z"),
        (1_700_000_000_120_000_000, "2023-11-14T22:13:20.12Z"),
        (1_700_000_000_000_000_001, "2023-11-14T22:13:20.000000001Z"),
    ],
)
def test_time_has_as_many_digits_as_it_needs(nanoseconds: int, shown: str) -> None:
    assert timestamp(nanoseconds) == shown
