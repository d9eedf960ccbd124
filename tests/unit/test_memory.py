"""One budget of memory: what each may hold, who has to wait, and who comes back when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from etcdpy.errors import MemoryBudgetError
from etcdpy.memory import (
    LITTLE,
    LOOKED_AT,
    Account,
    Budget,
    Loan,
    NoRoomYetError,
)

MIB = 1 << 20


def accounts(budget: Budget, number: int) -> list[Account]:
    return [Account(budget) for _ in range(number)]


def filled(budget: Budget, number: int) -> list[Account]:
    """Let so many hold ever more, in turns, until each of them is over its share."""
    greedy = accounts(budget, number)
    while not all(account.is_over for account in greedy):
        for account in greedy:
            if not account.is_over:
                account.add(4096)
    return greedy


def test_what_is_held_is_the_sum_of_all_accounts() -> None:
    budget = Budget(100 * MIB)
    one, other = accounts(budget, 2)
    one.add(3)
    other.add(4)
    one.give(2)
    assert (one.held, other.held, budget.used) == (1, 4, 5)
    other.close()
    assert budget.used == 1


def test_budget_without_a_limit_holds_nobody_up() -> None:
    account = Account()
    account.add(1 << 50)
    assert not account.is_over
    Loan(account).take(1 << 50)


@pytest.mark.parametrize(("number", "share"), [(1, 64), (4, 25.6), (100, 1.267)])
def test_those_who_hold_much_share_half_of_it(number: int, share: float) -> None:
    greedy = filled(Budget(256 * MIB), number)
    for account in greedy:
        assert account.held / MIB == pytest.approx(share, abs=0.1)


def test_whoever_holds_little_is_not_over_while_others_take_all_they_may() -> None:
    budget = Budget(256 * MIB)
    filled(budget, 1000)
    small = Account(budget)
    small.add(LITTLE)
    assert not small.is_over


def test_whoever_holds_much_comes_first() -> None:
    budget = Budget(100 * MIB)
    large, middle = accounts(budget, 2)
    large.add(15 * MIB)
    middle.add(10 * MIB)
    assert not large.is_over
    Account(budget).add(5 * MIB)
    assert not large.is_over
    Account(budget).add(6 * MIB)
    assert large.is_over
    assert not middle.is_over


def test_nobody_may_hold_more_once_all_of_it_is_used() -> None:
    budget = Budget(100 * MIB)
    Account(budget).add(100 * MIB + 1)
    assert Account(budget).is_over


def test_whoever_adds_too_much_is_told_each_time() -> None:
    budget = Budget(100 * MIB)
    account = Account(budget)
    told: list[int] = []
    account.on_over = lambda: told.append(account.held)
    account.add(25 * MIB)
    account.add(1)
    account.add(1)
    assert told == [25 * MIB + 1, 25 * MIB + 2]


def test_account_that_waits_goes_on_as_soon_as_it_has_given_enough_back() -> None:
    budget = Budget(100 * MIB)
    account = Account(budget)
    account.add(30 * MIB)
    told: list[str] = []
    budget.wait(account, lambda: told.append("one"))
    budget.wait(account, lambda: told.append("two"))
    assert (budget.waiting, budget.waits) == (1, 1)
    account.give(4 * MIB)
    assert told == []
    account.give(2 * MIB)
    assert told == ["one", "two"]
    assert budget.waiting == 0


def test_what_one_gives_back_lets_others_go_on() -> None:
    budget = Budget(100 * MIB)
    large, other = accounts(budget, 2)
    large.add(40 * MIB)
    other.add(8 * MIB)
    told: list[str] = []
    budget.wait(other, lambda: told.append("on"))
    large.give(35 * MIB)
    assert told == ["on"]


def test_of_very_many_that_wait_few_are_looked_at_each_time_and_all_in_the_end() -> None:
    budget = Budget(100 * MIB)
    greedy = filled(budget, 10 * LOOKED_AT)
    told: list[int] = []
    for number, account in enumerate(greedy):
        budget.wait(account, told_by(told, number))
    # Too little for anybody.
    Account(budget).give(0)
    assert told == []
    for account in greedy[:-1]:
        account.give(account.held)
    budget.look()
    assert sorted(told) == list(range(len(greedy)))


def told_by(told: list[int], number: int) -> Callable[[], None]:
    return lambda: told.append(number)


def test_account_that_is_closed_waits_no_more_and_counts_no_more() -> None:
    budget = Budget(100 * MIB)
    account = Account(budget)
    account.add(60 * MIB)
    told: list[str] = []
    budget.wait(account, lambda: told.append("on"))
    account.close()
    # What had been begun for it ends later.
    account.add(5)
    account.give(60 * MIB)
    assert (budget.used, budget.waiting, told) == (0, 0, [])


def test_it_is_told_once_that_the_budget_is_reached_and_once_that_it_is_left() -> None:
    budget = Budget(100 * MIB)
    told: list[str] = []
    budget.on_reached = lambda: told.append("reached")
    budget.on_left = lambda: told.append("left")
    one, other = filled(budget, 2)
    budget.wait(one, lambda: None)
    budget.wait(other, lambda: None)
    assert told == ["reached"]
    one.give(one.held)
    other.give(other.held)
    assert told == ["reached", "left"]
    budget.refusal()
    assert told == ["reached", "left", "reached"]
    assert budget.refusals == 1


def test_whoever_wants_to_know_is_told_of_each_look() -> None:
    budget = Budget()
    budget.look()
    looks: list[int] = []
    budget.on_look.append(lambda: looks.append(budget.used))
    Account(budget).add(3)
    budget.look()
    budget.look()
    assert looks == [3, 3]


async def test_whoever_waits_for_room_gets_it_and_may_be_cancelled() -> None:
    budget = Budget(100 * MIB)
    account = Account(budget)
    await Loan(account).room()
    account.add(30 * MIB)
    waiting = [asyncio.ensure_future(Loan(account).room()) for _ in range(2)]
    await asyncio.sleep(0)
    assert budget.waiting == 2
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert budget.waiting == 1
    account.give(20 * MIB)
    await waiting[1]
    assert waiting[0].cancelled()


async def test_nothing_large_is_begun_beyond_the_brim_and_what_is_small_goes_on() -> None:
    budget = Budget(100 * MIB)
    greedy = Account(budget)
    greedy.add(75 * MIB)
    account = Account(budget)
    Loan(account).check()
    greedy.add(1)
    with pytest.raises(NoRoomYetError):
        Loan(account).check()
    account.add(LITTLE)
    assert not account.is_over
    assert greedy.is_pressing
    assert not account.is_pressing
    waiting = asyncio.ensure_future(Loan(account).room())
    await asyncio.sleep(0)
    greedy.give(1 + LITTLE)
    await waiting


def test_loan_is_given_back_once() -> None:
    budget = Budget(100 * MIB)
    loan = Loan(Account(budget))
    loan.check()
    loan.take(10)
    loan.keep(5)
    assert (loan.size, budget.used) == (15, 15)
    loan.close()
    loan.close()
    assert (loan.size, budget.used) == (0, 0)


def test_loan_may_take_all_there_is_and_is_refused_more() -> None:
    budget = Budget(100 * MIB)
    loan = Loan(Account(budget))
    loan.take(100 * MIB)
    with pytest.raises(MemoryBudgetError, match="memory budget exceeded"):
        loan.take(1)
    assert loan.size == budget.used == 100 * MIB
    # What is made already is held, whatever there is.
    loan.keep(1)
    assert budget.used == 100 * MIB + 1


def test_loan_does_not_wait_for_what_it_has_itself() -> None:
    budget = Budget(100 * MIB)
    Account(budget).add(45 * MIB)
    loan = Loan(Account(budget))
    loan.take(10 * MIB)
    assert loan.account.is_over
    loan.check()


def test_loan_of_one_who_holds_too_much_is_to_wait() -> None:
    budget = Budget(100 * MIB)
    account = Account(budget)
    account.add(30 * MIB)
    with pytest.raises(NoRoomYetError):
        Loan(account).check()


def test_loan_may_become_smaller_whatever_is_used() -> None:
    budget = Budget(100)
    loan = Loan(Account(budget))
    loan.take(80)
    Account(budget).add(50)
    loan.take(-30)
    assert (loan.size, budget.used) == (50, 100)
    loan.close()
    assert budget.used == 50
