"""Which events a watcher wants."""

from __future__ import annotations

from itertools import product

import pytest

from etcdpy.mvcc.revision import row_key, tombstone_key
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.watch.events import Event
from etcdpy.watch.watcher import NO_DELETES, NO_PUTS, Watcher
from tests.unit.watch.watched_store import WatchedStore


async def make_watcher(since: int = 0) -> Watcher:
    return Watcher(WatchedStore().open().stream, 0, b"a", b"b", since)


def put(main: int) -> Event:
    return Event(row_key(main, 0), KeyValue(key=b"a", mod_revision=main).SerializeToString())


def delete(main: int) -> Event:
    return Event(tombstone_key(main, 0), KeyValue(key=b"a").SerializeToString())


async def test_a_watcher_wants_events_from_its_revision_on() -> None:
    watcher = await make_watcher(since=5)
    assert [watcher.wants(put(main)) for main in (4, 5, 6)] == [False, True, True]


@pytest.mark.parametrize(("wants_puts", "wants_deletes"), list(product((False, True), repeat=2)))
async def test_events_pass_the_filters(wants_puts: bool, wants_deletes: bool) -> None:
    watcher = await make_watcher()
    watcher.wishes = (0 if wants_puts else NO_PUTS) | (0 if wants_deletes else NO_DELETES)
    assert watcher.passes(put(2)) == watcher.wants(put(2)) == wants_puts
    assert watcher.passes(delete(2)) == watcher.wants(delete(2)) == wants_deletes
