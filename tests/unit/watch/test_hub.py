"""The hub: what is durable, sent once and in order to all watchers, synced or not."""

from __future__ import annotations

import pytest

from etcdpy.errors import MemoryBudgetError
from etcdpy.memory import Account, Budget
from etcdpy.watch import scan
from etcdpy.watch.hub import MANY_IDS, RANGE_WATCHER_BYTES, WATCHER_BYTES
from etcdpy.watch.output import QUEUE_BYTES
from etcdpy.watch.states import WatcherState
from etcdpy.watch.watcher import ID_FIELDS, NO_PUTS, PREVIOUS
from tests.unit.mvcc.fake_log import turns
from tests.unit.watch.watched_store import WatchedStore, quiet


@pytest.fixture
async def watched() -> WatchedStore:
    return WatchedStore()


async def test_nothing_is_sent_before_it_is_durable(watched: WatchedStore) -> None:
    client = watched.open()
    client.watch(b"a")
    client.take()
    watched.write(b"a")
    watched.log.flush()
    await turns(3)
    assert client.take() == []
    watched.log.settle()
    assert client.changes() == [(b"a", 2)]


async def test_a_watcher_is_sent_what_was_on_its_way_when_it_came(watched: WatchedStore) -> None:
    watched.write(b"a")
    client = watched.open()
    client.watch(b"a")
    (created,) = client.take()
    assert created.header.revision == 1
    watched.settle()
    assert client.changes() == [(b"a", 2)]


async def test_a_batch_of_many_revisions_is_one_response_each(watched: WatchedStore) -> None:
    client = watched.open()
    client.watch(b"a", b"c")
    client.take()
    watched.write(b"a", b"b", b"c")
    watched.write(b"x")
    watched.write(b"b", deletes=(b"a",))
    watched.settle()
    sent = client.take()
    assert [[event.kv.key for event in it.events] for it in sent] == [[b"a", b"b"], [b"b", b"a"]]
    assert [response.header.revision for response in sent] == [2, 4]


async def test_unsynced_watchers_miss_nothing_and_get_nothing_twice(watched: WatchedStore) -> None:
    for _ in range(10):
        watched.put(b"a", b"b", b"c", b"d", b"e")
    client = watched.open()
    watchers = [
        client.watch(b"a", since=3),
        client.watch(b"a", None, since=5),
        client.watch(b"b", b"c", since=11),
    ]
    # Writes become durable while history is being read.
    for _ in range(5):
        watched.put(b"a", b"b")
        await turns()
    await quiet(watched)
    assert {watcher.state for watcher in watchers} == {WatcherState.SYNCED}
    watched.put(b"a", b"b")
    sent = client.take()
    for watcher, keys in zip(watchers, (b"a", b"abcde", b"b"), strict=True):
        got = [
            (event.kv.key, event.kv.mod_revision)
            for response in sent
            if response.watch_id == watcher.watch_id
            for event in response.events
        ]
        expected = [
            (bytes((key,)), revision)
            for revision in range(watcher.start_revision, 18)
            for key in keys
            if revision <= 11 or key in b"ab"
        ]
        assert got == expected


async def test_history_is_read_only_up_to_what_is_durable(watched: WatchedStore) -> None:
    watched.put(b"a")
    watched.write(b"a")
    client = watched.open()
    client.watch(b"a", since=1)
    client.watch(b"a", None, since=1)
    await quiet(watched)
    assert sorted(client.changes()) == [(b"a", 2), (b"a", 2)]
    watched.settle()
    assert sorted(client.changes()) == [(b"a", 3), (b"a", 3)]


async def test_a_client_that_does_not_read_becomes_unsynced_and_then_gets_all(
    watched: WatchedStore,
) -> None:
    slow, fast = watched.open(), watched.open()
    for client in (slow, fast):
        client.watch(b"a", b"c", wishes=PREVIOUS)
        client.take()
    slow.reads.clear()
    value = bytes(10_000)
    revisions = [watched.put(b"a", b"b", value=value) for _ in range(80)]
    assert [main for _, main in fast.changes()] == sorted(revisions * 2)
    # One revision may come on top of what is allowed.
    assert QUEUE_BYTES <= slow.stream.output.size < QUEUE_BYTES + 5 * len(value)
    slow.reads.set()
    await quiet(watched)
    sent = slow.events()
    assert [event.kv.mod_revision for event in sent] == sorted(revisions * 2)
    assert [event.prev_kv.mod_revision for event in sent][2:] == sorted(revisions[:-1] * 2)
    assert slow.stream.output.size == watched.hub.backlog.size == 0
    watched.put(b"a")
    assert len(slow.events()) == len(fast.events()) == 1


async def test_compaction_overtakes_an_unsynced_watcher(watched: WatchedStore) -> None:
    client = watched.open()
    watcher = client.watch(b"a")
    other = client.watch(b"b")
    client.take()
    client.reads.clear()
    for _ in range(20):
        watched.put(b"a", value=bytes(100_000))
    assert (watcher.state, other.state) == (WatcherState.UNSYNCED, WatcherState.SYNCED)
    await watched.compact(21)
    client.reads.set()
    await quiet(watched)
    *sent, cancelled = client.take()
    assert cancelled.canceled
    assert (cancelled.compact_revision, cancelled.header.revision) == (21, 0)
    revisions = [response.events[0].kv.mod_revision for response in sent]
    assert revisions == list(range(2, len(revisions) + 2))
    watched.put(b"a", b"b")
    assert client.changes() == [(b"b", 22)]


async def test_rows_that_are_being_read_are_not_compacted_away(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "WORK_PER_SLICE", 2)
    for _ in range(20):
        watched.put(b"a", b"b", b"c", b"d", b"e", b"f")
    client = watched.open()
    client.watch(b"a", None, since=2)
    await turns(3)
    # Half way. FakeLog drops rows at once, so a row read afterwards would be missed.
    await watched.compact(15)
    await quiet(watched)
    assert [main for _, main in client.changes()] == [r for r in range(2, 22) for _ in range(6)]


async def test_a_watcher_that_goes_while_its_history_is_read_is_sent_no_more(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "WORK_PER_SLICE", 2)
    for _ in range(20):
        watched.put(b"a", b"b", b"c", b"d", b"e", b"f")
    client = watched.open()
    gone = client.watch(b"a", None, since=2)
    stays = client.watch(b"b", None, since=2)
    await turns(3)
    client.stream.cancel(gone.watch_id)
    await quiet(watched)
    sent = client.take()
    assert not any(it.events for it in sent if it.watch_id == gone.watch_id)
    assert sum(len(it.events) for it in sent if it.watch_id == stays.watch_id) == 100


async def test_a_pass_over_large_rows_stops_and_goes_on(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "BYTES_PER_SCAN", 5000)
    revisions = [watched.put(b"a", b"b", b"c", b"d", b"e", value=bytes(1000)) for _ in range(9)]
    client = watched.open()
    client.watch(b"a", None, since=2)
    await quiet(watched)
    sent = client.take()
    assert [e.kv.mod_revision for it in sent for e in it.events] == sorted(revisions * 5)
    assert len(sent) > 3


async def test_a_long_history_of_one_key_comes_in_parts(watched: WatchedStore) -> None:
    revisions = [watched.put(b"a") for _ in range(2500)]
    client = watched.open()
    client.watch(b"a", since=1)
    client.watch(b"a", since=1, wishes=NO_PUTS)
    client.watch(b"a", None, since=1)
    await quiet(watched)
    sent = [response for response in client.take() if response.events]
    for watch_id in (0, 2):
        parts = [response.events for response in sent if response.watch_id == watch_id]
        assert [len(part) for part in parts] == [1000, 1000, 500]
        assert [event.kv.mod_revision for part in parts for event in part] == revisions


async def test_while_too_much_waits_each_gets_less_but_gets_on(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled, fast = watched.open(), watched.open()
    stalled.reads.clear()
    stalled.watch(b"a", None)
    monkeypatch.setattr("etcdpy.watch.backlog.BACKLOG_BYTES", 1000)
    monkeypatch.setattr("etcdpy.watch.backlog.STRAINED_RESPONSE_BYTES", 3000)
    revisions = [watched.put(b"a", value=bytes(1000)) for _ in range(10)]
    assert watched.hub.backlog.is_strained
    assert stalled.stream.output.size < 3000
    fast.watch(b"a", since=2)
    await quiet(watched)
    sent = fast.take()[1:]
    assert [len(response.events) for response in sent] == [3, 3, 3, 1]
    assert [event.kv.mod_revision for it in sent for event in it.events] == revisions


async def test_while_the_budget_is_used_up_watchers_hold_nothing_and_miss_nothing() -> None:
    other = Account(Budget(1 << 20))
    watched = WatchedStore(Account(other.budget))
    clients = [watched.open() for _ in range(20)]
    for client in clients:
        client.watch(b"a")
        client.take()
        client.reads.clear()
    other.add(1 << 20)
    revisions = [watched.put(b"a", value=bytes(1000)) for _ in range(10)]
    await quiet(watched)
    assert watched.hub.backlog.size == 0
    assert watched.hub.slow_watchers == len(clients)
    for client in clients:
        client.reads.set()
    await watched.compact(5)
    # Those who were told that their history is gone are behind no more.
    late = [watched.open() for _ in range(20)]
    for client in late:
        client.watch(b"a", since=6)
    other.give(1 << 20)
    for _ in range(100):
        other.budget.look()
        await quiet(watched)
    for client in clients:
        (cancelled,) = client.take()
        assert (cancelled.canceled, cancelled.compact_revision) == (True, 5)
    assert [client.changes() for client in late] == [
        [(b"a", revision) for revision in revisions[4:]] for _ in late
    ]
    watched.put(b"a")
    assert all(len(client.events()) == 1 for client in late), "they are synced again"


async def test_watchers_are_reckoned_as_long_as_they_are_there() -> None:
    account = Account(Budget(1000))
    watched = WatchedStore(account)
    hub = watched.hub
    client = watched.open()
    client.watch(b"a")
    client.watch(b"a", b"b")
    assert hub.reckoned == WATCHER_BYTES + 1 + RANGE_WATCHER_BYTES + 2
    hub.check_room()
    for _ in range(4):
        client.watch(b"k" * 10)
    with pytest.raises(MemoryBudgetError):
        hub.check_room()
    assert account.budget.refusals == 1
    for watch_id in range(6):
        client.stream.cancel(watch_id)
    assert hub.reckoned == 0
    hub.check_room()


async def test_streams_have_the_same_ids(watched: WatchedStore) -> None:
    ids = [[watched.open().stream.free_id() for _ in range(3)] for _ in range(2)]
    assert ids == [[0, 0, 0]] * 2
    assert [watched.hub.number(number) for number in (0, 2, 1, 1 << 40)] == [0, 2, 1, 1 << 40]
    assert watched.hub.number(300) is watched.hub.number(300)


async def test_ids_that_hardly_anybody_has_are_forgotten(watched: WatchedStore) -> None:
    hub = watched.hub
    # Python itself has one object for each number below 257.
    many = 10 * MANY_IDS
    before = hub.number(many)
    ID_FIELDS.clear()
    fields = [ID_FIELDS[watch_id] for watch_id in range(many)]
    client = watched.open()
    for _ in range(10):
        client.watch(b"a")
    hub.shed()
    assert hub.number(many) is before
    assert len(ID_FIELDS) >= many
    for watch_id in range(10):
        client.stream.cancel(watch_id)
    hub.shed()
    assert hub.number(many) == before
    assert hub.number(many) is not before
    assert len(ID_FIELDS) == 0
    assert [ID_FIELDS[watch_id] for watch_id in range(many)] == fields
