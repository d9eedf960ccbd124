"""One way through history collects for each watcher what it missed, and nothing else."""

from __future__ import annotations

import pytest

from etcdpy.cooperative import finish
from etcdpy.watch import reading, scan
from etcdpy.watch.scan import Scan
from etcdpy.watch.watcher import NO_DELETES, NO_PUTS, Watcher
from tests.unit.watch.watched_store import WatchedStore


@pytest.fixture
async def watched() -> WatchedStore:
    return WatchedStore()


def watcher(
    watched: WatchedStore, start: bytes, stop: bytes | None, since: int, **options: int
) -> Watcher:
    """Return a watcher that no hub knows of."""
    made = Watcher(watched.open().stream, 0, start, stop, since)
    for name, value in options.items():
        setattr(made, name, value)
    return made


def scanned(watched: WatchedStore, *watchers: Watcher) -> tuple[list[list[int]], int]:
    """Return the revisions that each group of readers collects, and how far the scan came."""
    way = Scan(watched.store, watched.log, watchers)
    reached = finish(way.collect())
    return [[event.main for event in readers.reading.events] for readers in way.readers], reached


async def test_each_collects_its_keys_from_its_revision_on(watched: WatchedStore) -> None:
    for _ in range(3):
        watched.put(b"a")
        watched.put(b"b")
    collected, reached = scanned(
        watched,
        watcher(watched, b"a", b"b", 4),
        watcher(watched, b"a", b"c", 2),
        watcher(watched, b"b", None, 6),
        watcher(watched, b"x", b"y", 2),
    )
    assert collected == [[4, 6], [2, 3, 4, 5, 6, 7], [7], []]
    assert reached == 7


async def test_those_that_want_the_same_read_together(watched: WatchedStore) -> None:
    watched.put(b"a")
    same = [watcher(watched, b"a", b"b", 2) for _ in range(3)]
    others = [
        watcher(watched, b"a", b"b", 3),
        watcher(watched, b"a", b"b", 2, wishes=NO_PUTS),
        watcher(watched, b"a", b"c", 2),
    ]
    way = Scan(watched.store, watched.log, [*same, *others])
    assert [readers.watchers for readers in way.readers] == [same, *([it] for it in others)]
    assert way.begin == 2


async def test_filters_hold(watched: WatchedStore) -> None:
    watched.put(b"a")
    watched.delete(b"a")
    collected, _ = scanned(
        watched,
        watcher(watched, b"a", b"b", 2, wishes=NO_PUTS),
        watcher(watched, b"a", b"b", 2, wishes=NO_DELETES),
    )
    assert collected == [[3], [2]]


async def test_it_ends_with_what_is_durable(watched: WatchedStore) -> None:
    watched.put(b"a")
    watched.write(b"a")
    assert scanned(watched, watcher(watched, b"a", b"b", 2)) == ([[2]], 2)


async def test_what_becomes_durable_meanwhile_is_read_as_well(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "WORK_PER_SLICE", 2)
    for _ in range(10):
        watched.put(b"a")
    way = Scan(watched.store, watched.log, [watcher(watched, b"a", b"b", 2)])
    steps = way.collect()
    slices = 0
    newest = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            reached = done.value
            break
        slices += 1
        if slices == 3:
            newest = watched.put(b"a")
    assert reached == newest == 12
    assert slices >= 10
    assert [event.main for event in way.readers[0].reading.events] == [*range(2, 13)]


async def test_readers_without_room_are_left_out(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "REVISIONS_PER_RESPONSE", 3)
    for _ in range(5):
        watched.put(b"a", b"b")
    way = Scan(
        watched.store,
        watched.log,
        [watcher(watched, b"a", b"b", 2), watcher(watched, b"b", b"c", 5)],
    )
    assert finish(way.collect()) == 6
    first, second = (readers.reading for readers in way.readers)
    assert [event.main for event in first.events] == [2, 3, 4]
    assert first.next_revision == 5
    assert [event.main for event in second.events] == [5, 6]
    assert second.next_revision is None


async def test_it_ends_between_revisions_once_it_holds_enough(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "BYTES_PER_SCAN", 250)
    for _ in range(5):
        watched.put(b"a", b"b", value=b"v" * 100)
    collected, reached = scanned(watched, watcher(watched, b"a", b"c", 2))
    assert collected == [[2, 2, 3, 3]]
    assert reached == 3
