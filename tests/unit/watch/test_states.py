"""What can become of a watcher: every state and every input, against a list written by hand."""

from __future__ import annotations

from itertools import product

import pytest

from etcdpy.watch.states import IllegalMoveError, WatcherInput, WatcherState
from etcdpy.watch.watcher import Watcher
from tests.unit.watch.watched_store import WatchedStore

#: State, input, and the state that follows; "no" where that cannot happen.
EXPECTED = """
    SYNCED     SYNC     no
    SYNCED     REFUSE   UNSYNCED
    SYNCED     COMPACT  no
    SYNCED     CANCEL   CANCELED
    UNSYNCED   SYNC     SYNCED
    UNSYNCED   REFUSE   no
    UNSYNCED   COMPACT  COMPACTED
    UNSYNCED   CANCEL   CANCELED
    COMPACTED  SYNC     no
    COMPACTED  REFUSE   no
    COMPACTED  COMPACT  no
    COMPACTED  CANCEL   CANCELED
    CANCELED   SYNC     no
    CANCELED   REFUSE   no
    CANCELED   COMPACT  no
    CANCELED   CANCEL   no
"""
ROWS = [line.split() for line in EXPECTED.split("\n") if line.strip()]


async def make_watcher() -> Watcher:
    return Watcher(WatchedStore().open().stream, 0, b"a", b"b", 0)


def test_the_list_names_every_pair_once() -> None:
    pairs = [(state, given) for state, given, _ in ROWS]
    every = product(WatcherState.__members__, WatcherInput.__members__)
    assert sorted(pairs) == sorted(every)


@pytest.mark.parametrize(("state", "given", "after"), ROWS)
async def test_a_watcher_moves_as_listed(state: str, given: str, after: str) -> None:
    watcher = await make_watcher()
    watcher.state = WatcherState[state]
    if after == "no":
        with pytest.raises(IllegalMoveError, match=f"0: {given} in {state}"):
            watcher.move(WatcherInput[given])
        assert watcher.state is WatcherState[state]
    else:
        watcher.move(WatcherInput[given])
        assert watcher.state is WatcherState[after]


async def test_a_new_watcher_is_unsynced() -> None:
    assert (await make_watcher()).state is WatcherState.UNSYNCED


async def test_a_watcher_is_cancelled_once() -> None:
    watched = WatchedStore()
    watcher = watched.open().watch(b"a")
    watched.hub.remove(watcher)
    with pytest.raises(IllegalMoveError):
        watched.hub.remove(watcher)
