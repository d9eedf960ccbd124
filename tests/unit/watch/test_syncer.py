"""Unsynced watchers read history until there is none left for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from etcdpy.mvcc.replies import Headers
from etcdpy.watch import reading, syncer
from etcdpy.watch.backlog import Backlog
from etcdpy.watch.body import Body
from etcdpy.watch.states import WatcherInput, WatcherState
from etcdpy.watch.syncer import Syncer
from etcdpy.watch.watcher import Watcher
from tests.unit.mvcc.fake_log import turns
from tests.unit.watch.watched_store import WatchedStore


class Taker:
    """A stream that takes events while it is not full, and writes down what happens."""

    def __init__(self) -> None:
        self.is_full = False
        self.owed = self.told = 0
        #: The watch id and the revisions of each response.
        self.taken: list[tuple[int, list[int]]] = []
        self.noted: list[Watcher] = []
        self.compacted: list[tuple[int, int]] = []

    def try_send(self, watcher: Watcher, header: bytes, body: Body) -> bool:
        if not self.is_full:
            self.taken.append((watcher.watch_id, [event.main for event in body.events]))
        return not self.is_full

    def joined(self, responses: list[tuple[bytes, bytes]]) -> bytes:
        return b""

    def try_send_joined(self, joined: bytes) -> bool:
        return False

    def flush(self) -> None:
        return

    def send_compacted(self, watcher: Watcher, revision: int) -> None:
        self.compacted.append((watcher.watch_id, revision))

    def note_unsynced(self, watcher: Watcher) -> None:
        self.noted.append(watcher)


class Library:
    """A store with history, a syncer that reads it, and one stream."""

    def __init__(self) -> None:
        self.watched = WatchedStore()
        self.stream = Taker()
        self.synced: list[tuple[Watcher, int]] = []
        self.syncer = Syncer(
            self.watched.store,
            self.watched.log,
            Headers(1, 2, 3),
            Backlog(),
            asyncio.get_running_loop(),
            self._note_synced,
        )

    def _note_synced(self, watcher: Watcher) -> None:
        watcher.move(WatcherInput.SYNC)
        self.synced.append((watcher, self.watched.store.durable_revision))

    def watch(self, start: bytes, stop: bytes | None, since: int, watch_id: int = 0) -> Watcher:
        watcher = Watcher(self.stream, watch_id, start, stop, since)
        self.syncer.add((watcher,))
        return watcher

    async def read(self) -> None:
        for _ in range(1000):
            await turns()
            if self.syncer.is_idle:
                return
        raise AssertionError("it reads for ever")


@pytest.fixture
async def library() -> AsyncIterator[Library]:
    made = Library()
    yield made
    await made.syncer.close()


#: Ranges that are read by the index, and by the rows.
RANGES = pytest.mark.parametrize(
    ("start", "stop"), [(b"a", b"a\0"), (b"a", None)], ids=["a key", "all keys"]
)


@RANGES
async def test_a_watcher_gets_what_it_missed_and_is_synced(
    library: Library, start: bytes, stop: bytes | None
) -> None:
    revisions = [library.watched.put(b"a") for _ in range(5)]
    watcher = library.watch(start, stop, since=revisions[1])
    assert not library.syncer.is_idle
    await library.read()
    assert library.stream.taken == [(0, revisions[1:])]
    assert library.synced == [(watcher, revisions[-1])]
    assert watcher.next_revision == revisions[-1] + 1


@RANGES
async def test_without_events_it_is_sent_nothing_and_synced(
    library: Library, start: bytes, stop: bytes | None
) -> None:
    for _ in range(300):
        library.watched.put(b"0")
    watcher = library.watch(start, stop, since=2)
    await library.read()
    assert library.stream.taken == []
    assert [it for it, _ in library.synced] == [watcher]


@RANGES
async def test_a_long_history_comes_in_responses(
    library: Library, start: bytes, stop: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "REVISIONS_PER_RESPONSE", 3)
    monkeypatch.setattr(syncer, "REVISIONS_PER_RESPONSE", 3)
    revisions = [library.watched.put(b"a") for _ in range(8)]
    library.watch(start, stop, since=2)
    await library.read()
    assert [revision for _, part in library.stream.taken for revision in part] == revisions
    assert [len(part) for _, part in library.stream.taken] == [3, 3, 2]
    assert len(library.synced) == 1


@RANGES
async def test_what_becomes_durable_while_it_reads_is_not_missed(
    library: Library, start: bytes, stop: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncer, "WORK_PER_SLICE", 1)
    revisions = [library.watched.put(b"a") for _ in range(100)]
    library.watch(start, stop, since=2)
    while not library.synced:
        await turns()
        if len(revisions) < 110:
            revisions.append(library.watched.put(b"a"))
    reached = library.synced[0][1]
    taken = [revision for _, part in library.stream.taken for revision in part]
    assert taken == [revision for revision in revisions if revision <= reached]


async def test_many_watchers_are_served_in_passes(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncer, "WATCHERS_PER_PASS", 4)
    revision = library.watched.put(b"a")
    for watch_id in range(10):
        library.watch(b"a", b"a\0", revision, watch_id)
    await library.read()
    assert library.stream.taken == [(watch_id, [revision]) for watch_id in range(10)]
    assert len(library.synced) == 10


@RANGES
async def test_a_compacted_history_is_not_read(
    library: Library, start: bytes, stop: bytes | None
) -> None:
    for _ in range(5):
        library.watched.put(b"a")
    await library.watched.compact(4)
    behind = library.watch(start, stop, since=3, watch_id=1)
    library.watch(start, stop, since=4, watch_id=2)
    await library.read()
    assert behind.state is WatcherState.COMPACTED
    assert library.stream.compacted == [(1, 4)]
    assert library.stream.taken == [(2, [4, 5, 6])]


async def test_a_watcher_whose_stream_is_full_waits_for_room(library: Library) -> None:
    revision = library.watched.put(b"a")
    library.stream.is_full = True
    watcher = library.watch(b"a", b"a\0", since=2)
    await library.read()
    assert library.stream.noted == [watcher]
    assert watcher.state is WatcherState.UNSYNCED
    library.stream.is_full = False
    library.syncer.add((watcher,))
    await library.read()
    assert library.stream.taken == [(0, [revision])]
    assert [it for it, _ in library.synced] == [watcher]


@RANGES
async def test_a_stream_that_fills_meanwhile_is_sent_no_more(
    library: Library, start: bytes, stop: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncer, "WORK_PER_SLICE", 1)
    for _ in range(100):
        library.watched.put(b"a")
    watcher = library.watch(start, stop, since=2)
    await turns(2)
    library.stream.is_full = True
    await library.read()
    assert library.stream.taken == []
    assert library.stream.noted == [watcher]
    assert watcher.next_revision == 2


async def test_watchers_that_are_not_unsynced_are_passed_over(library: Library) -> None:
    library.watched.put(b"a")
    watcher = Watcher(library.stream, 0, b"a", b"b", 2)
    watcher.move(WatcherInput.CANCEL)
    library.syncer.add((watcher,))
    assert library.syncer.is_idle


async def test_a_watcher_taken_away_before_its_pass_is_not_fed(library: Library) -> None:
    library.watched.put(b"a")
    watcher = library.watch(b"a", b"b", since=2)
    library.syncer.remove(watcher)
    await library.read()
    assert library.stream.taken == []
    assert library.synced == []


async def test_closed_it_reads_no_more(library: Library) -> None:
    for _ in range(100):
        library.watched.put(b"a")
    library.watch(b"a", None, since=2)
    await library.syncer.close()
    assert library.syncer.is_idle
    assert library.stream.taken == []
    assert not library.watched.store._pins, "nothing stays pinned"
