"""A stream: order, bounds, fragments and progress."""

from __future__ import annotations

import asyncio

import pytest

from etcdpy.cooperative import finish
from etcdpy.watch import stream as stream_module
from etcdpy.watch.output import QUEUE_BYTES
from etcdpy.watch.watcher import FRAGMENTS, PROGRESS
from tests.unit.mvcc.fake_log import turns
from tests.unit.watch.watched_store import FRAGMENT_BYTES, StreamClient, WatchedStore, quiet


@pytest.fixture
async def watched() -> WatchedStore:
    return WatchedStore()


@pytest.fixture
async def client(watched: WatchedStore) -> StreamClient:
    return watched.open()


async def test_responses_that_waited_leave_before_later_ones(
    watched: WatchedStore, client: StreamClient
) -> None:
    client.watch(b"a")
    client.reads.clear()
    watched.put(b"a")
    finish(client.stream.send_progress())
    await turns()
    client.reads.set()
    # The queue is not empty yet: this one may not pass it.
    watched.put(b"a")
    await turns(2)
    created, first, progress, second = client.take()
    assert created.created
    assert (progress.watch_id, progress.header.revision) == (-1, 2)
    assert [it.events[0].kv.mod_revision for it in (first, second)] == [2, 3]


async def test_a_stream_that_is_closed_forgets_what_waited(
    watched: WatchedStore, client: StreamClient
) -> None:
    client.watch(b"a")
    client.reads.clear()
    watched.put(b"a", value=bytes(1000))
    assert watched.hub.backlog.size > 1000
    client.stream.close()
    client.reads.set()
    await turns(3)
    watched.put(b"a")
    assert watched.hub.backlog.size == client.stream.output.size == 0
    assert [response.created for response in client.take()] == [True]


@pytest.mark.parametrize("end", ["reading", "closing"])
async def test_whoever_waits_for_room_is_woken(client: StreamClient, end: str) -> None:
    client.reads.clear()
    output = client.stream.output
    while not output.is_full:
        client.stream.reject("no")
    assert output.size < QUEUE_BYTES + 1000
    waiting = asyncio.ensure_future(output.room())
    await turns(3)
    assert not waiting.done()
    if end == "reading":
        client.reads.set()
    else:
        client.stream.close()
    await asyncio.wait_for(waiting, 60)


async def test_progress_ticks_stop_while_the_client_does_not_read(
    watched: WatchedStore, client: StreamClient
) -> None:
    for _ in range(100):
        client.watch(b"a", wishes=PROGRESS)
    client.reads.clear()
    before = None
    for _ in range(2000):
        finish(client.stream.tick())
        if client.stream.is_full:
            before = client.stream.output.size
            break
    assert before is not None
    for _ in range(10):
        finish(client.stream.tick())
    assert client.stream.output.size == before < QUEUE_BYTES + 1000


async def test_a_tick_passes_over_watchers_that_were_sent_events(
    watched: WatchedStore, client: StreamClient
) -> None:
    client.watch(b"a", wishes=PROGRESS)
    client.watch(b"b", wishes=PROGRESS)
    client.watch(b"b")
    client.take()
    watched.put(b"a")
    client.take()
    for expected in ([1], [0, 1]):
        finish(client.stream.tick())
        assert [response.watch_id for response in client.take()] == expected


async def test_progress_is_sent_when_all_are_there(
    watched: WatchedStore, client: StreamClient
) -> None:
    finish(client.stream.send_progress())
    client.watch(b"a")
    waiting = client.watch(b"b", since=3)
    client.take()
    finish(client.stream.send_progress())
    assert client.take() == []
    watched.put(b"x")
    watched.put(b"x")
    finish(client.stream.send_progress())
    (sent,) = client.take()
    assert (sent.watch_id, sent.header.revision) == (-1, 3)
    client.watch(b"c", since=2)
    client.take()
    finish(client.stream.send_progress())
    assert client.take() == []
    await quiet(watched)
    client.stream.cancel(waiting.watch_id)
    client.take()
    finish(client.stream.send_progress())
    assert len(client.take()) == 1


async def test_fragments(watched: WatchedStore, client: StreamClient) -> None:
    client.watch(b"f", b"g", wishes=FRAGMENTS)
    client.watch(b"f", b"g")
    client.take()
    watched.put(b"f1", b"f2", b"f3", b"f4", b"f5", value=bytes(FRAGMENT_BYTES * 2 // 5))
    sent = client.take()
    pieces = [response for response in sent if response.watch_id == 0]
    assert [len(piece.events) for piece in pieces] == [2, 2, 1]
    assert [piece.fragment for piece in pieces] == [True, True, False]
    assert all(piece.ByteSize() < FRAGMENT_BYTES for piece in pieces)
    (whole,) = (response for response in sent if response.watch_id == 1)
    assert [event for piece in pieces for event in piece.events] == list(whole.events)


async def test_an_event_is_never_split(watched: WatchedStore, client: StreamClient) -> None:
    client.watch(b"f", b"g", wishes=FRAGMENTS)
    client.take()
    watched.put(b"f1", b"f2", value=bytes(2 * FRAGMENT_BYTES))
    assert [(len(it.events), it.fragment) for it in client.take()] == [(1, True), (1, False)]
    watched.put(b"f1", value=bytes(2 * FRAGMENT_BYTES))
    assert [(len(it.events), it.fragment) for it in client.take()] == [(1, False)]


@pytest.mark.parametrize("revision", [0, 3])
async def test_who_is_withdrawn_is_told_and_fed_no_more(
    watched: WatchedStore, client: StreamClient, revision: int
) -> None:
    watcher = client.watch(b"a")
    client.stream.withdraw(watcher.watch_id, revision)
    watched.put(b"a")
    await turns()
    created, last = client.take()
    assert created.created
    assert (last.watch_id, last.canceled) == (watcher.watch_id, True)
    assert last.compact_revision == revision
    assert client.stream.watchers == {}


async def test_progress_of_very_many_watchers_is_found_out_in_slices(
    client: StreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "LOOKED_AT", 10)
    watchers = [client.watch(b"%d" % number) for number in range(35)]
    client.take()
    steps = client.stream.send_progress()
    for number in range(3):
        next(steps)
        # One that goes meanwhile makes no difference.
        client.stream.cancel(watchers[number].watch_id)
    assert all(response.canceled for response in client.take())
    finish(steps)
    (sent,) = client.take()
    assert sent.watch_id == -1


async def test_very_many_watchers_are_told_their_progress_in_slices(
    watched: WatchedStore, client: StreamClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "TOLD", 10)
    watchers = [client.watch(b"%d" % number, wishes=PROGRESS) for number in range(30)]
    client.take()
    steps = client.stream.tick()
    next(steps)
    assert [response.watch_id for response in client.take()] == list(range(10))
    # What happens meanwhile counts: one has gone, one is sent an event, and one is new.
    client.stream.cancel(watchers[12].watch_id)
    watched.put(b"25")
    client.watch(b"30", wishes=PROGRESS)
    client.take()
    finish(steps)
    told = client.take()
    assert [response.watch_id for response in told] == [
        *range(10, 12),
        *range(13, 25),
        *range(26, 30),
    ]
    assert {response.header.revision for response in told} == {2}
