"""The log tells that the memory budget is reached, not too often, and that it is left."""

from __future__ import annotations

import logging

import pytest

from etcdpy.memory import Account, Budget
from etcdpy.server.memory_log import QUIET_SECONDS, BudgetLog
from etcdpy.testing import MovableClock

REACHED = "memory budget reached, clients that hold much have to wait"
LEFT = "memory budget left, no client has to wait"


class Told:
    """A budget of which the log tells."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "etcdpy.server.memory_log")
        self._caplog = caplog
        self.clock = MovableClock()
        self.budget = Budget(1000)
        BudgetLog(self.budget, self.clock)

    def reach(self) -> None:
        account = Account(self.budget)
        account.add(1001)
        self.budget.wait(account, lambda: None)
        account.give(1001)

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [(record.levelname, str(record.msg)) for record in self._caplog.records]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return Told(caplog)


def test_one_warning_and_then_one_line_that_it_is_over(told: Told) -> None:
    told.reach()
    assert told.lines == [("WARNING", REACHED), ("INFO", LEFT)]


def test_line_has_the_figures(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.reach()
    assert caplog.records[0].args == {
        "budget-bytes": 1000,
        "used-bytes": 1001,
        "waits": 1,
        "refusals": 0,
    }


async def test_it_is_told_again_only_after_a_while(told: Told) -> None:
    told.reach()
    await told.clock.advance(QUIET_SECONDS - 1)
    told.reach()
    assert len(told.lines) == 2
    await told.clock.advance(2)
    told.reach()
    assert told.lines == [("WARNING", REACHED), ("INFO", LEFT)] * 2
