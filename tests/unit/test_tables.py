"""Tables that were large once become small again, with what is left in them."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakSet

import pytest

from etcdpy.tables import LARGE, SMALL, shrink, shrink_tables

MANY = 4_000


def peaked(table: Any, left: int) -> Any:
    """Return a table that once had many entries, and has only the last few of them."""
    if isinstance(table, set):
        table.update(range(MANY))
    else:
        table.update(dict.fromkeys(range(MANY), 7))
    for number in range(MANY - left):
        table.pop(number) if isinstance(table, dict) else table.remove(number)
    assert sys.getsizeof(table) > LARGE
    return table


class Base:
    """Something of the server that has a table, and may know others."""

    __slots__ = ()
    table: dict[int, int]
    knows: object

    def __init__(self, knows: object = None) -> None:
        self.table = peaked({}, 3)  # type: ignore[misc]
        self.knows = knows  # type: ignore[misc]

    def method(self) -> None:
        """Do nothing."""

    @property
    def is_small(self) -> bool:
        """Whether its table is."""
        return sys.getsizeof(self.table) < LARGE


class Owner(Base):
    """One whose attributes are in a dict."""

    # As if it were one of the package's own, and not of its tests.
    __module__ = "etcdpy.owner"


class Compact(Base):
    """One that has slots for them."""

    __slots__ = ("knows", "table")
    __module__ = "etcdpy.owner"


class OfOtherThreads(Owner):
    """Something that is not the loop's alone."""

    __module__ = "etcdpy.storage.owner"


@pytest.mark.parametrize("left", [0, 1, 20])
@pytest.mark.parametrize("kind", [dict, set, Counter])
def test_table_keeps_what_is_in_it_and_its_order(kind: type[Any], left: int) -> None:
    table = peaked(kind(), left)
    before = list(table.items()) if isinstance(table, dict) else sorted(table)
    assert shrink(table) == left
    assert sys.getsizeof(table) < LARGE
    assert before == (list(table.items()) if isinstance(table, dict) else sorted(table))


def test_table_is_left_alone_while_much_of_it_is_used() -> None:
    table = dict.fromkeys(range(MANY))
    before = sys.getsizeof(table)
    assert shrink(table) == 0
    assert sys.getsizeof(table) == before


def test_no_more_is_moved_than_is_allowed() -> None:
    table = peaked({}, 3)
    before = sys.getsizeof(table)
    assert shrink(table, 2) == 0
    assert sys.getsizeof(table) == before
    assert shrink(table, 3) == 3


def test_order_that_has_links_of_its_own_is_only_emptied() -> None:
    ordered = peaked(OrderedDict(), 1)
    shrink(ordered)
    assert sys.getsizeof(ordered) > LARGE
    assert list(ordered) == [MANY - 1]
    ordered.clear()
    ordered[1] = 2
    assert list(ordered) == [1]


@pytest.mark.parametrize(
    "held",
    [
        lambda owner: owner,
        lambda owner: owner.method,
        lambda owner: [owner],
        lambda owner: (1, {"of": {2: owner}}),
        lambda owner: partial(print, owner),
        lambda owner: Owner(Owner(owner)),
    ],
)
@pytest.mark.parametrize("kind", [Owner, Compact])
def test_tables_are_found_wherever_they_are(
    kind: type[Base], held: Callable[[Base], object]
) -> None:
    owner = kind()
    shrink_tables(Owner(held(owner)))
    assert owner.is_small
    assert list(owner.table) == [MANY - 3, MANY - 2, MANY - 1]


def test_objects_that_know_each_other_are_gone_through_once() -> None:
    one, other = Owner(), Owner()
    one.knows, other.knows = other, one
    shrink_tables(one)
    assert one.is_small
    assert other.is_small
    one.knows = None


def test_nothing_is_looked_for_in_a_large_collection_nor_at_what_is_not_the_loops() -> None:
    among_many, of_others = Owner(), OfOtherThreads()
    shrink_tables(Owner([[among_many] * (SMALL + 1), of_others]))
    assert not among_many.is_small
    assert not of_others.is_small


def test_what_is_named_is_gone_through_whatever_it_is() -> None:
    owner = OfOtherThreads()
    shrink_tables(owner)
    assert owner.is_small


def test_what_is_kept_besides_tables_is_shed_by_who_keeps_it() -> None:
    asked: list[bool] = []

    class Keeping(Compact):
        __slots__ = ()
        __module__ = "etcdpy.keeping"

        def shed(self) -> None:
            """Note that it was asked for."""
            asked.append(True)

    keeping = Keeping()
    shrink_tables(Owner([keeping, keeping.shed]))
    assert asked == [True]


def test_weak_set_forgets_those_that_went() -> None:
    class Member:
        """Something that is referred to weakly."""

    members = [Member() for _ in range(MANY)]
    weak = WeakSet(members)
    del members[3:]
    shrink_tables(Owner(weak))
    assert set(weak) == set(members)
    assert sys.getsizeof(vars(weak)["data"]) < LARGE
    members.clear()
    assert not weak


async def test_tasks_of_the_loop_are_all_known_afterwards() -> None:
    tasks = [asyncio.ensure_future(asyncio.sleep(0)) for _ in range(MANY)]
    while tasks:
        await tasks.pop()
    waiting = asyncio.ensure_future(asyncio.Event().wait())
    before = asyncio.all_tasks()
    shrink_tables()
    assert asyncio.all_tasks() == before
    assert waiting in before
    for name in ("_all_tasks", "_scheduled_tasks"):
        table = getattr(getattr(asyncio.tasks, name, None), "data", ())
        assert sys.getsizeof(table) < LARGE
    waiting.cancel()
