"""What one key was at each revision, in both forms a history has."""

from __future__ import annotations

from array import array

import pytest

from etcdpy.mvcc.history import (
    Version,
    at,
    born,
    created_at,
    expanded,
    is_dead,
    last_at,
    newest,
    row_key_at,
    row_keys_at,
    shrunk,
)
from etcdpy.mvcc.revision import row_key

#: Put at 5, put at 7, deleted at 9, put at 12: the example of the module.
FOUR = array("q", [5, 0, 5, 1, 7, 2, 5, 2, 9, 0, 0, 0, 12, 0, 12, 1])


@pytest.mark.parametrize(
    ("revision", "version"),
    [
        (4, None),
        (5, Version(5, 0, 5, 1)),
        (6, Version(5, 0, 5, 1)),
        (7, Version(7, 2, 5, 2)),
        (8, Version(7, 2, 5, 2)),
        (9, None),
        (11, None),
        (12, Version(12, 0, 12, 1)),
        (1 << 62, Version(12, 0, 12, 1)),
    ],
)
def test_version_is_the_one_of_the_revision(revision: int, version: Version | None) -> None:
    assert at(FOUR, revision) == version
    expected = None if version is None else row_key(version.main, version.sub)
    assert row_key_at(FOUR, revision) == expected


def test_newest_is_the_last_unless_deleted() -> None:
    assert newest(FOUR) == Version(12, 0, 12, 1)
    assert newest(FOUR[:12]) is None
    assert is_dead(FOUR[:12])
    assert not is_dead(FOUR)


@pytest.mark.parametrize("sub", [0, 1, (1 << 24) - 1, 1 << 24, 1 << 40])
def test_single_put_reads_alike_in_both_forms(sub: int) -> None:
    history = born(6, sub)
    assert list(expanded(history)) == [6, sub, 6, 1]
    assert newest(history) == at(history, 6) == Version(6, sub, 6, 1)
    assert at(history, 5) is None
    assert row_key_at(history, 5) is None
    assert row_key_at(history, 6) == row_key(6, sub)
    assert not is_dead(history)


def test_first_put_takes_the_small_form_and_others_do_not() -> None:
    assert shrunk(array("q", [6, 3, 6, 1])) == born(6, 3) == 6 << 24 | 3
    for entries in ([6, 3, 5, 2], [6, 3, 0, 0], [7, 0, 6, 1], [*FOUR]):
        history = array("q", entries)
        assert shrunk(history) is history


def test_last_change_of_a_revision_counts() -> None:
    history = array("q", [5, 0, 5, 1, 5, 3, 0, 0])
    assert at(history, 5) is None
    assert last_at(history, 5) == 4


@pytest.mark.parametrize("length", [1, 3, 4, 5, 6, 17, 100])
def test_long_histories_are_searched_to_every_entry(length: int) -> None:
    history = array("q")
    for number in range(length):
        history.extend((2 * number + 2, 0, 2, number + 1))
    assert last_at(history, 1) < 0
    for number in range(length):
        assert last_at(history, 2 * number + 2) == last_at(history, 2 * number + 3) == 4 * number


def test_row_keys_of_many_keys_come_in_their_order() -> None:
    histories = {b"a": FOUR, b"b": born(3, 1)}
    assert row_keys_at(histories, [b"b", b"a"], 8) == [row_key(3, 1), row_key(7, 2)]


def test_create_revisions_of_many_keys_come_in_their_order() -> None:
    put_again = array("q", [2, 0, 2, 1, 4, 0, 2, 2, 6, 0, 0, 0, 8, 0, 8, 1])
    histories = {b"a": put_again, b"b": born(3, 1)}
    assert created_at(histories, [b"b", b"a"], 5) == [3, 2]
    assert created_at(histories, [b"a", b"b"], 9) == [8, 3]
