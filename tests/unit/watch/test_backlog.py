"""What waits for all clients together decides how much each gets at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etcdpy.memory import Account, Budget
from etcdpy.watch.backlog import BACKLOG_BYTES, STRAINED_RESPONSE_BYTES, Backlog
from etcdpy.watch.reading import BYTES_PER_RESPONSE


@pytest.mark.parametrize(
    ("size", "is_strained", "limit"),
    [
        (0, False, BYTES_PER_RESPONSE),
        (BACKLOG_BYTES - 1, False, BYTES_PER_RESPONSE),
        (BACKLOG_BYTES, True, STRAINED_RESPONSE_BYTES),
        (BACKLOG_BYTES + 1, True, STRAINED_RESPONSE_BYTES),
    ],
)
def test_responses_are_small_while_much_waits(size: int, is_strained: bool, limit: int) -> None:
    backlog = Backlog()
    backlog.size = size
    assert (backlog.is_strained, backlog.response_limit) == (is_strained, limit)


class _Held:
    """A backlog in a budget, of which somebody else holds so much."""

    def __init__(self, held: int, limit: int = 64 * STRAINED_RESPONSE_BYTES) -> None:
        self.budget = Budget(limit)
        self.other = Account(self.budget)
        self.other.add(held)
        self.backlog = Backlog(Account(self.budget))
        self.gone_on: list[int] = []
        self.waits: dict[int, Callable[[], None]] = {}

    def wait(self, number: int) -> None:
        def go_on() -> None:
            self.gone_on.append(number)

        self.waits[number] = go_on
        self.backlog.wait(go_on)


def test_whoever_waits_goes_on_in_order_as_there_is_room() -> None:
    brim = 48 * STRAINED_RESPONSE_BYTES
    held = _Held(brim + 1)
    assert held.backlog.is_exhausted
    for number in range(5):
        held.wait(number)
    held.backlog.forget(held.waits[1])
    held.other.give(1)
    assert held.gone_on == [0], "there is not room for one, and one goes on"
    held.other.give(2 * STRAINED_RESPONSE_BYTES)
    assert held.gone_on == [0, 2, 3]
    held.other.give(1)
    assert held.gone_on == [0, 2, 3, 4]
    assert not held.budget.waiting


def test_nobody_goes_on_while_too_much_is_used() -> None:
    held = _Held(49 * STRAINED_RESPONSE_BYTES)
    held.wait(0)
    held.other.give(STRAINED_RESPONSE_BYTES // 2)
    held.budget.look()
    assert held.gone_on == []


def test_without_a_budget_it_is_never_exhausted() -> None:
    backlog = Backlog()
    backlog.count(1 << 40, 1)
    assert not backlog.is_exhausted
