"""An entry is an answer if it has changed the key, by whatever range or prefix."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from etcdpy.cli.audit_query import Found, Keys, Query
from etcdpy.node.audit_lines import MOST_OF_A_KEY, bytes_field


def entry(*ops: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"ts": "2026-11-21T07:50:34.000000Z", "code": "OK", "ops": list(ops), **fields}


def op(kind: str, key: bytes, end: bytes = b"", **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"op": kind, **fields}
    for name, data in (("key", key), ("range_end", end)):
        try:
            made[name] = data.decode()
        except UnicodeDecodeError:
            made[f"{name}_base64"] = b64encode(data).decode()
    return made


ABOUT_B = [
    op("put", b"b"),
    op("delete", b"b"),
    op("delete", b"a", b"c", deleted=7),
    op("delete", b"b", b"b\0"),
    op("delete", b"a", b"\0"),
    op("delete", b"\0", b"\0"),
]
NOT_ABOUT_B = [
    op("put", b"a"),
    op("put", b"b\0"),
    op("put", b"bb"),
    op("delete", b"a", b"b"),
    op("delete", b"b\0", b"c"),
    op("delete", b"c", b"\0"),
    op("delete", b"\xff"),
    op("delete", b"a", b"c", deleted=0),
    op("range", b"b"),
    op("watch", b"b"),
    op("compare", b"b"),
]


@pytest.mark.parametrize("about", ABOUT_B, ids=str)
def test_change_of_the_key_is_an_answer(about: dict[str, Any]) -> None:
    found = Query(Keys.one(b"b")).find(entry(op("put", b"x"), about))
    assert found == Found([about], False)


@pytest.mark.parametrize("other", NOT_ABOUT_B, ids=str)
def test_change_of_others_is_none(other: dict[str, Any]) -> None:
    assert Query(Keys.one(b"b")).find(entry(other)) is None


@pytest.mark.parametrize(
    ("prefix", "key", "is_below"),
    [
        (b"a/", b"a/b", True),
        (b"a/", b"a/", True),
        (b"a/", b"a", False),
        (b"a/", b"a0", False),
        (b"a\xff", b"a\xff\xff", True),
        (b"a\xff", b"b", False),
        (b"\xff\xff", b"\xff\xff\x01", True),
        (b"\xff\xff", b"\xff\xfe", False),
        (b"", b"anything", True),
    ],
)
def test_prefix_takes_in_what_begins_with_it(prefix: bytes, key: bytes, is_below: bool) -> None:
    found = Query(Keys.below(prefix)).find(entry(op("put", key)))
    assert (found is not None) == is_below


def test_range_that_reaches_into_a_prefix_is_an_answer() -> None:
    query = Query(Keys.below(b"b/"))
    assert query.find(entry(op("delete", b"a", b"b/5"))) is not None
    assert query.find(entry(op("delete", b"b0", b"c"))) is None


def test_key_that_was_cut_may_be_any_that_begins_so() -> None:
    import json

    long = b"k" * 5000
    cut = {"op": "put", **json.loads(f"{{{bytes_field('key', long)}}}")}
    assert Query(Keys.one(long)).find(entry(cut)) is not None
    assert Query(Keys.one(b"k" * MOST_OF_A_KEY + b"x")).find(entry(cut)) is not None
    assert Query(Keys.one(b"k" * 10)).find(entry(cut)) is None
    assert Query(Keys.one(b"l")).find(entry(cut)) is None


def test_range_whose_end_was_cut_reaches_as_far_as_it_may_have() -> None:
    cut = {"op": "delete", "key": "a", "range_end": "m", "range_end_bytes": 5000}
    assert Query(Keys.one(b"mz")).find(entry(cut)) is not None
    assert Query(Keys.one(b"n")).find(entry(cut)) is None


def test_entry_that_lists_only_some_of_its_keys_is_a_doubtful_answer() -> None:
    cut = entry(op("put", b"a"), ops_cut=3)
    assert Query(Keys.one(b"z")).find(cut) == Found([], True)
    found = Query(Keys.one(b"a")).find(cut)
    assert found is not None
    assert not found.is_doubtful


def test_entry_without_keys_is_an_answer_only_where_none_are_asked_for() -> None:
    granted = {"ts": "t", "code": "OK", "target": {"lease": "1"}}
    assert Query(Keys.one(b"a")).find(granted) is None
    assert Query().find(granted) == Found([], False)


def test_refusals_are_answers_only_if_they_are_asked_for() -> None:
    refused = entry(op("range", b"b"), code="PERMISSION_DENIED")
    assert Query(Keys.one(b"b")).find(refused) is None
    found = Query(Keys.one(b"b"), refused=True).find(refused)
    assert found is not None
    assert found.ops == [op("range", b"b")]


@pytest.mark.parametrize(
    ("since", "is_found"),
    [
        ("2026-11-21T07:50:34.000000Z", True),
        ("2026-11-21T07:50:34.000001Z", False),
        ("2025-12-31T23:59:59.999999Z", True),
    ],
)
def test_entries_before_a_moment_are_no_answers(since: str, is_found: bool) -> None:
    found = Query(since=since).find(entry(op("put", b"a")))
    assert (found is not None) == is_found


def test_entries_of_others_than_the_user_are_no_answers() -> None:
    query = Query(user="alice")
    assert query.find(entry(op("put", b"a"), user="alice")) is not None
    assert query.find(entry(op("put", b"a"), user="bob")) is None
    assert query.find(entry(op("put", b"a"))) is None
