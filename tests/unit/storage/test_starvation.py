"""A committer that waits for the interpreter lock comes first, and only as long as it has to."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from etcdpy.storage.starvation import PATIENCE, SHORT_INTERVAL, Starvation
from etcdpy.testing.clock import MovableClock

INTERVAL = 0.004


class Committer:
    """What is with it."""

    oldest = 1


@pytest.fixture(autouse=True)
def _interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(INTERVAL)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def committer() -> Committer:
    return Committer()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def starvation(committer: Committer, clock: MovableClock) -> Starvation:
    starvation = Starvation(clock, lambda: committer.oldest)
    starvation.watch()
    return starvation


def is_short() -> bool:
    return sys.getswitchinterval() == pytest.approx(SHORT_INTERVAL)


def is_as_before() -> bool:
    return sys.getswitchinterval() == pytest.approx(INTERVAL)


async def test_a_batch_that_stays_has_the_committer_come_first(
    starvation: Starvation, clock: MovableClock
) -> None:
    assert is_as_before()
    await clock.advance(PATIENCE)
    assert starvation.is_found
    assert is_short()


async def test_it_is_as_before_once_something_is_written(
    starvation: Starvation, clock: MovableClock
) -> None:
    await clock.advance(PATIENCE)
    starvation.relieve()
    assert is_as_before()
    assert not starvation.is_found


async def test_batches_that_come_and_go_change_nothing(
    starvation: Starvation, committer: Committer, clock: MovableClock
) -> None:
    for committer.oldest in range(2, 6):
        await clock.advance(PATIENCE)
    assert is_as_before()


async def test_one_that_stays_behind_others_is_noticed(
    starvation: Starvation, committer: Committer, clock: MovableClock
) -> None:
    committer.oldest = 2
    await clock.advance(PATIENCE)
    await clock.advance(PATIENCE)
    assert is_short()


async def test_nobody_looks_when_nothing_is_with_the_committer(
    starvation: Starvation, committer: Committer, clock: MovableClock
) -> None:
    committer.oldest = 0
    await clock.advance(PATIENCE)
    assert not starvation.is_watching
    assert is_as_before()


async def test_it_is_looked_for_once_and_relieved_once(
    starvation: Starvation, clock: MovableClock
) -> None:
    await clock.advance(PATIENCE)
    await clock.advance(PATIENCE)
    starvation.relieve()
    starvation.relieve()
    assert is_as_before()


async def test_a_shorter_interval_of_somebody_else_stays(
    starvation: Starvation, clock: MovableClock
) -> None:
    sys.setswitchinterval(SHORT_INTERVAL / 2)
    await clock.advance(PATIENCE)
    assert sys.getswitchinterval() == pytest.approx(SHORT_INTERVAL / 2)


async def test_nothing_is_left_when_it_is_closed(
    starvation: Starvation, clock: MovableClock
) -> None:
    await clock.advance(PATIENCE)
    starvation.close()
    assert is_as_before()
    assert not starvation.is_watching
