"""Many keys in and out of a sorted list, against a plain set of them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sortedcontainers import SortedList

from etcdpy.mvcc import sorted_keys
from etcdpy.mvcc.sorted_keys import add_all, remove_all

ALL = [b"%03d" % number for number in range(400)]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_keys, "FEW", 2)


def some(choice: random.Random) -> set[bytes]:
    """Return a few keys, or many, all over or close to each other."""
    size = choice.choice([0, 1, 5, 40, 120])
    start = choice.randrange(len(ALL) - size)
    near = ALL[start : start + choice.choice([size, 2 * size, len(ALL)])]
    return {*choice.sample(near, min(size, len(near)))}


def made(keys: set[bytes], load: int = 8) -> Any:
    ordered: Any = SortedList(keys)
    ordered._reset(load)  # as short as the lists of a real one are of a thousand
    return ordered


def check(ordered: Any, keys: set[bytes]) -> None:
    ordered._check()
    assert list(ordered) == sorted(keys)
    assert [ordered[place] for place in range(len(ordered))] == sorted(keys)


def test_keys_go_where_they_belong_and_out_from_wherever_they_are() -> None:
    choice = random.Random(0)
    for _ in range(100):
        there, more, fewer = some(choice), some(choice), some(choice)
        ordered = made(there)
        add_all(ordered, sorted(more - there))
        there |= more
        check(ordered, there)
        remove_all(ordered, sorted(there & fewer))
        check(ordered, there - fewer)


@pytest.mark.parametrize("start", [0, 3, 150, 290])
def test_a_run_of_keys_goes_and_comes_back(start: int) -> None:
    keys = [b"%03d" % number for number in range(300)]
    ordered = made(set(keys))
    run = keys[start : start + 100]
    remove_all(ordered, run)
    check(ordered, {*keys} - {*run})
    add_all(ordered, run)
    check(ordered, set(keys))


@pytest.mark.parametrize("missing", [b"0005", b"999"])
@pytest.mark.parametrize("number", [1, 2, 20])
def test_key_that_is_not_there_cannot_be_removed(missing: bytes, number: int) -> None:
    keys = [b"%03d" % place for place in range(0, 100, 2)]
    with pytest.raises(ValueError, match="not in the list"):
        remove_all(made(set(keys)), sorted([*keys[1 : 1 + number], missing]))
