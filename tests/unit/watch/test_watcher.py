"""What can become of a watcher: every state and every input, against a list written by hand."""

from __future__ import annotations

from itertools import product

import pytest

from etcdpy.mvcc.revision import row_key, tombstone_key
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.watch.events import Event
from etcdpy.watch.watcher import IllegalMoveError, Watcher, WatcherInput, WatcherState
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


async def make_watcher(since: int = 0) -> Watcher:
    return Watcher(WatchedStore().open().stream, 0, b"a", b"b", since)


def put(main: int) -> Event:
    return Event(row_key(main, 0), KeyValue(key=b"a", mod_revision=main).SerializeToString())


def delete(main: int) -> Event:
    return Event(tombstone_key(main, 0), KeyValue(key=b"a").SerializeToString())


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


async def test_a_watcher_wants_events_from_its_revision_on() -> None:
    watcher = await make_watcher(since=5)
    assert [watcher.wants(put(main)) for main in (4, 5, 6)] == [False, True, True]


@pytest.mark.parametrize(("wants_puts", "wants_deletes"), list(product((False, True), repeat=2)))
async def test_events_pass_the_filters(wants_puts: bool, wants_deletes: bool) -> None:
    watcher = await make_watcher()
    watcher.wants_puts, watcher.wants_deletes = wants_puts, wants_deletes
    assert watcher.passes(put(2)) == watcher.wants(put(2)) == wants_puts
    assert watcher.passes(delete(2)) == watcher.wants(delete(2)) == wants_deletes
