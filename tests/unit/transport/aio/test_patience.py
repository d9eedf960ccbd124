"""Reading is put off while there is no room, and not for ever."""

from __future__ import annotations

import pytest

from etcdpy.memory import Account, Budget
from etcdpy.testing import MovableClock
from etcdpy.transport.aio.patience import PATIENCE_SECONDS, Patience

MIB = 1 << 20


class Reader:
    """What is read, and holds too much."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.account = Account(Budget(4 * MIB))
        self.account.add(2 * MIB)
        self.read_on = 0
        self.patience = Patience(self.clock, self.go_on)

    def go_on(self) -> None:
        assert not self.patience.is_waiting
        self.read_on += 1

    def wait(self) -> bool:
        return self.patience.wait(self.account)


@pytest.fixture
async def reader() -> Reader:
    return Reader()


async def test_it_is_read_on_when_there_is_room(reader: Reader) -> None:
    assert reader.wait()
    assert reader.wait()
    assert reader.patience.is_waiting
    reader.account.give(2 * MIB)
    assert (reader.read_on, reader.patience.is_waiting) == (1, False)
    await reader.clock.advance(PATIENCE_SECONDS)
    assert reader.read_on == 1


async def test_it_is_read_on_when_that_takes_too_long(reader: Reader) -> None:
    reader.wait()
    await reader.clock.advance(PATIENCE_SECONDS / 2)
    assert reader.read_on == 0
    await reader.clock.advance(PATIENCE_SECONDS)
    assert (reader.read_on, reader.patience.is_waiting) == (1, False)


async def test_whoever_has_waited_in_vain_waits_again_only_after_there_was_room(
    reader: Reader,
) -> None:
    reader.wait()
    await reader.clock.advance(PATIENCE_SECONDS)
    assert not reader.wait()
    reader.account.give(2 * MIB)
    reader.account.add(2 * MIB)
    assert reader.wait()
    assert reader.read_on == 1


async def test_connection_that_is_gone_is_not_read(reader: Reader) -> None:
    reader.wait()
    reader.patience.end()
    assert not reader.patience.is_waiting
    await reader.clock.advance(PATIENCE_SECONDS)
    reader.account.give(2 * MIB)
    assert reader.read_on == 0
