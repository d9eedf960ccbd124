"""Values of a body that comes in pieces."""

from __future__ import annotations

from random import Random

import pytest

from etcdpy.http.json_stream import Values

BODY = b' {"a":"}\\"{","b":[1,{}]}\n[]\t{"c":"\\\\"} {}{"d":"\xc3\xa9"}'
VALUES = [b'{"a":"}\\"{","b":[1,{}]}', b"[]", b'{"c":"\\\\"}', b"{}", b'{"d":"\xc3\xa9"}']


def taken(values: Values) -> list[bytes]:
    found = []
    while (value := values.next()) is not None:
        found.append(value)
    return found


def test_whole_body_is_cut_into_its_values() -> None:
    values = Values()
    values.feed(BODY)
    assert taken(values) == VALUES
    assert values.size == 0


def test_values_come_as_soon_as_they_are_there_byte_by_byte() -> None:
    values, found = Values(), []
    for place in range(len(BODY)):
        values.feed(BODY[place : place + 1])
        found += taken(values)
    assert found == VALUES


def test_pieces_may_end_anywhere() -> None:
    for seed in range(200):
        random, values, found, place = Random(seed), Values(), [], 0
        while place < len(BODY):
            size = random.randrange(1, 9)
            values.feed(BODY[place : place + size])
            place += size
            found += taken(values)
        assert found == VALUES, seed


@pytest.mark.parametrize("rest", [b"null", b"x", b"12", b'"s"', b"}"])
def test_what_is_no_object_is_the_rest(rest: bytes) -> None:
    values = Values()
    values.feed(b"{}" + rest + b" {}")
    assert taken(values) == [b"{}", rest + b" {}"]


def test_what_is_not_all_there_waits_and_counts() -> None:
    values = Values()
    values.feed(b'{"a":"x')
    assert values.next() is None
    assert values.size == 7
    values.feed(b'"}')
    assert values.next() == b'{"a":"x"}'


def test_long_value_in_many_pieces_is_looked_at_once() -> None:
    values = Values()
    values.feed(b'{"a":[')
    for _ in range(20_000):
        values.feed(b"1,[],")
        assert values.next() is None
    values.feed(b"1]}")
    value = values.next()
    assert value is not None
    assert len(value) == 6 + 100_000 + 3


def test_long_string_in_many_pieces_is_looked_at_once() -> None:
    values = Values()
    start, step, end = b'{"a":"' + b"x" * 2_000_000, rb"\"", b'"}{}'
    values.feed(start)
    for _ in range(30_000):
        for byte in step:
            values.feed(bytes((byte,)))
            assert values.next() is None
    values.feed(end)
    assert taken(values) == [start + step * 30_000 + b'"}', b"{}"]


def test_string_of_escapes_alone_ends_where_it_ends() -> None:
    values = Values()
    text = b'{"a":"' + rb"\\" * 5000 + rb"\"{" + b'"}'
    values.feed(text + b" []")
    assert taken(values) == [text, b"[]"]
