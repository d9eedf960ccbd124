"""A watch from inside the server."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from itertools import pairwise
from weakref import ref

import pytest

from etcdpy.errors import CompactedError
from etcdpy.watch.hub import WOKEN_PER_TURN
from etcdpy.watch.local import QUEUE_LENGTH, LocalWatch
from tests.unit.mvcc.fake_log import turns
from tests.unit.watch.watched_store import WatchedStore, quiet


async def test_events_come_from_the_past_and_then_as_they_happen() -> None:
    watched = WatchedStore()
    watched.put(b"a")
    watched.put(b"b")
    with LocalWatch(watched.hub, b"a", b"b", 1) as watch:
        assert (await watch.next()).main == 2
        waiting = asyncio.ensure_future(watch.next())
        await turns(3)
        watched.put(b"b")
        assert not waiting.done()
        watched.put(b"a")
        assert (await waiting).main == 5


async def test_a_user_that_does_not_look_becomes_unsynced_and_misses_nothing() -> None:
    watched = WatchedStore()
    with LocalWatch(watched.hub, b"a", b"b", 0) as watch:
        count = QUEUE_LENGTH * 3
        for _ in range(count):
            watched.put(b"a")
        assert [(await watch.next()).main for _ in range(count)] == list(range(2, count + 2))


async def test_compaction_may_overtake_it() -> None:
    watched = WatchedStore()
    for _ in range(3):
        watched.put(b"a")
    await watched.compact(3)
    with LocalWatch(watched.hub, b"a", b"b", 2) as watch, pytest.raises(CompactedError):
        await watch.next()


async def test_a_crowd_that_waits_for_one_key_is_woken_bit_by_bit() -> None:
    watched = WatchedStore()
    with ExitStack() as watches:
        crowd = [
            asyncio.ensure_future(
                watches.enter_context(LocalWatch(watched.hub, b"a", b"b", 0)).next()
            )
            for _ in range(3 * WOKEN_PER_TURN)
        ]
        await turns(3)
        watched.put(b"a")
        woken = list[int]()
        while woken[-1:] != [len(crowd)]:
            await turns(1)
            woken.append(sum(waiting.done() for waiting in crowd))
    assert max(after - before for before, after in pairwise([0, *woken])) == WOKEN_PER_TURN
    assert {(await waiting).main for waiting in crowd} == {2}


async def test_it_ends_with_its_block() -> None:
    watched = WatchedStore()
    with LocalWatch(watched.hub, b"a", b"b", 0):
        assert not watched.hub.is_unwatched
    assert watched.hub.is_unwatched
    await quiet(watched)


async def test_nothing_of_it_is_left_to_the_collector_once_its_block_has_ended() -> None:
    watched = WatchedStore()
    watch = LocalWatch(watched.hub, b"a", b"b", 0)
    with watch:
        waiting = asyncio.ensure_future(watch.next())
        await turns(3)
        waiting.cancel()
        await asyncio.wait([waiting])
    left = ref(watch)
    del watch, waiting
    assert left() is None
