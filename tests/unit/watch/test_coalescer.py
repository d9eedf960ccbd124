"""Many watchers of one event: those of a stream are sent it in one write, and miss nothing."""

from __future__ import annotations

import pytest

from etcdpy.watch import notifier
from etcdpy.watch.coalescer import LARGEST_WRITE
from etcdpy.watch.watcher import NO_PUTS, PREVIOUS
from tests.unit.mvcc.fake_log import turns
from tests.unit.watch.watched_store import StreamClient, WatchedStore

STREAMS = 5
WATCHERS = 32


@pytest.fixture
async def watched() -> WatchedStore:
    return WatchedStore()


def opened(watched: WatchedStore) -> list[StreamClient]:
    """Return clients, each with watchers of one key that are confirmed."""
    clients = [watched.open() for _ in range(STREAMS)]
    for client in clients:
        for _ in range(WATCHERS):
            client.watch(b"a")
        client.take()
    return clients


async def received(clients: list[StreamClient]) -> list[list[tuple[int, int]]]:
    """Return the watch ids and revisions that each client received, sorted."""
    await turns(5)
    return [
        sorted((r.watch_id, event.kv.mod_revision) for r in client.take() for event in r.events)
        for client in clients
    ]


def everyone(revision: int) -> list[list[tuple[int, int]]]:
    return [[(watch_id, revision) for watch_id in range(WATCHERS)]] * STREAMS


async def test_each_watcher_is_notified_once(watched: WatchedStore) -> None:
    clients = opened(watched)
    watched.put(b"a")
    assert await received(clients) == everyone(2)
    assert {client.most_joined for client in clients} == {WATCHERS}


async def test_steps_do_not_matter(watched: WatchedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "WORK_PER_STEP", 7)
    clients = opened(watched)
    watched.put(b"a")
    assert await received(clients) == everyone(2)
    assert {client.most_joined for client in clients} == {7}


async def test_those_with_wishes_are_notified_by_themselves(watched: WatchedStore) -> None:
    clients = opened(watched)
    previous = clients[0].watch(b"a", wishes=PREVIOUS)
    deletes = clients[1].watch(b"a", wishes=NO_PUTS)
    for client in clients:
        client.take()
    watched.put(b"a")
    watched.put(b"a")
    await turns(5)
    changes = [
        (r.events[0].kv.mod_revision, r.events[0].prev_kv.mod_revision)
        for r in clients[0].take()
        if r.watch_id == previous.watch_id
    ]
    assert changes == [(2, 0), (3, 2)]
    assert deletes.watch_id not in {r.watch_id for r in clients[1].take()}


async def test_what_is_too_large_to_be_joined_comes_one_by_one(watched: WatchedStore) -> None:
    clients = opened(watched)
    watched.put(b"a", value=b"v" * LARGEST_WRITE)
    assert await received(clients) == everyone(2)
    assert {client.most_joined for client in clients} == {0}


async def test_more_than_fits_in_one_write_comes_all_the_same(watched: WatchedStore) -> None:
    clients = opened(watched)
    watched.put(b"a", value=b"v" * (LARGEST_WRITE // 10))
    assert await received(clients) == everyone(2)
    assert {client.most_joined for client in clients} == {9}


async def test_a_client_that_does_not_read_is_sent_it_later(watched: WatchedStore) -> None:
    clients = opened(watched)
    clients[3].reads.clear()
    watched.put(b"a")
    expected = everyone(2)
    expected[3] = []
    assert await received(clients) == expected
    clients[3].reads.set()
    assert (await received(clients))[3] == everyone(2)[3]


async def test_streams_whose_ids_differ_are_sent_their_own(watched: WatchedStore) -> None:
    clients = opened(watched)
    for client in clients[:2]:
        client.stream.cancel(0)
        client.take()
    watched.put(b"a")
    expected = everyone(2)
    expected[:2] = [everyone(2)[0][1:]] * 2
    assert await received(clients) == expected
