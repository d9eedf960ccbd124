"""One client's watches: what is refused, progress by the clock, and the end."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from etcdpy import errors
from etcdpy.memory import LITTLE, Budget
from etcdpy.mvcc.keyrange import bounds
from etcdpy.node.watch_session import LONG_KEYS, PROGRESS_JITTER, WatchSession
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.watch import stream as stream_module
from etcdpy.watch.output import QUEUE_BYTES
from etcdpy.watch.watcher import Watcher
from tests.unit.mvcc.fake_log import turns
from tests.unit.node.nodes import ANYBODY
from tests.unit.node.timed_node import TimedNode, opened
from tests.unit.watch.fake_writer import FakeWriter

INTERVAL = 10.0


class Watching:
    """A session, its client, and the node behind it."""

    def __init__(self, timed: TimedNode) -> None:
        self.timed = timed
        self.client = FakeWriter()
        self.session: WatchSession = timed.node.watch(self.client, ANYBODY)

    def create(self, key: bytes = b"a", **fields: Any) -> None:
        self.session.create(pb.WatchCreateRequest(key=key, **fields))

    def take(self) -> list[pb.WatchResponse]:
        taken, self.client.responses = self.client.responses, []
        return taken


@pytest.fixture
async def watching() -> AsyncIterator[Watching]:
    async with opened(progress_interval=INTERVAL) as timed:
        watching = Watching(timed)
        yield watching
        watching.session.close()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"start_revision": -1, "range_end": b"A"}, errors.CompactedError),
        ({"range_end": b"A"}, errors.EmptyWatchRangeError),
        ({"range_end": b"a"}, errors.EmptyWatchRangeError),
        ({"watch_id": 7}, errors.DuplicateWatchIdError),
    ],
)
async def test_watch_is_refused_for_the_reason_that_etcd_finds_first(
    watching: Watching, fields: dict[str, Any], error: type[Exception]
) -> None:
    watching.create(watch_id=7)
    with pytest.raises(error):
        watching.create(**fields)
    assert list(watching.session.stream.watchers) == [7]


class TestLongKeys:
    async def test_are_counted_for_as_long_as_the_watch_is_there(self, watching: Watching) -> None:
        account = watching.timed.node.parts.hub.keys
        watching.create(b"k" * (LONG_KEYS - 2), range_end=b"l", watch_id=1)
        assert account.held == 0
        watching.create(b"k" * (LONG_KEYS - 1), range_end=b"l", watch_id=2)
        watching.create(b"k" * LONG_KEYS, watch_id=3)
        # Where the keys end is one more.
        assert account.held == LONG_KEYS + (2 * LONG_KEYS + 1)
        watching.session.cancel(1)
        watching.session.cancel(2)
        assert account.held == 2 * LONG_KEYS + 1
        watching.session.close()
        assert account.held == 0

    async def test_of_a_watch_that_was_withdrawn_give_way_to_its_successor(
        self, watching: Watching
    ) -> None:
        watching.create(b"k" * LONG_KEYS, watch_id=3)
        watching.session.stream.withdraw(3)
        watching.create(b"k" * LONG_KEYS, watch_id=3)
        assert watching.timed.node.parts.hub.keys.held == 2 * LONG_KEYS + 1

    async def test_are_refused_when_those_of_all_are_too_much(self, watching: Watching) -> None:
        account = watching.timed.node.parts.hub.keys
        account.budget = Budget(LITTLE)
        for watch_id in range(1, 5):
            watching.create(b"k" * (LITTLE // 10), watch_id=watch_id)
        with pytest.raises(errors.MemoryBudgetError):
            watching.create(b"k" * LITTLE, watch_id=5)
        watching.create(b"k", watch_id=5)
        assert list(watching.session.stream.watchers) == [1, 2, 3, 4, 5]


def created(**fields: Any) -> bytes:
    request = pb.WatchRequest(create_request=pb.WatchCreateRequest(**fields))
    return request.SerializeToString()


LONG_KEY = b"k" * 123

#: Requests that need not be decoded.
PLAIN = [
    {"key": b"a"},
    {"key": LONG_KEY},
    {"key": b"a", "range_end": b"b"},
    {"key": b"a" * 60, "range_end": b"b" * 61},
]

#: Those that are, or are not to create a watch.
OTHERS = [
    created(),
    created(key=LONG_KEY + b"k" * 4),
    created(range_end=b"b"),
    created(key=b"a", range_end=b"\0"),
    created(key=b"b", range_end=b"a"),
    created(key=b"a", start_revision=1),
    created(key=b"a", progress_notify=True),
    created(key=b"a", filters=[pb.WatchCreateRequest.NOPUT]),
    created(key=b"a", prev_kv=True),
    created(key=b"a", watch_id=3),
    created(key=b"a", range_end=b"b", fragment=True),
    pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=10)).SerializeToString(),
    pb.WatchRequest(progress_request=pb.WatchProgressRequest()).SerializeToString(),
    b"",
]


@pytest.mark.parametrize("fields", PLAIN)
async def test_watch_of_keys_alone_is_created_without_a_message(
    watching: Watching, fields: dict[str, Any]
) -> None:
    assert watching.session.create_encoded(created(**fields))
    watching.create(**fields)
    one, other = watching.session.stream.watchers.values()
    for name in set(Watcher.__slots__) - {"__weakref__", "watch_id", "id_field"}:
        assert getattr(one, name) == getattr(other, name)
    assert [(it.created, it.watch_id) for it in watching.take()] == [(True, 0), (True, 1)]


@pytest.mark.parametrize("message", OTHERS)
async def test_other_requests_are_to_be_decoded(watching: Watching, message: bytes) -> None:
    assert not watching.session.create_encoded(message)
    assert not watching.session.stream.watchers


@pytest.mark.parametrize("fields", PLAIN)
async def test_request_with_any_damage_is_taken_for_what_it_is(
    watching: Watching, fields: dict[str, Any]
) -> None:
    data = created(**fields)
    damaged = [data[:end] for end in range(len(data))]
    damaged += [
        data[:place] + bytes([byte]) + data[place + 1 :]
        for place in range(len(data))
        for byte in (0x00, 0x01, 0x0A, 0x12, 0x18, 0x7F, 0x80, 0xFF)
    ]
    watchers = watching.session.stream.watchers
    for message in damaged:
        watchers.clear()
        if watching.session.create_encoded(message):
            [watcher] = watchers.values()
            request = pb.WatchRequest.FromString(message).create_request
            start, stop = bounds(request.key, request.range_end)
            assert (watcher.start, watcher.stop) == (start, stop)
            assert request == pb.WatchCreateRequest(key=start, range_end=request.range_end)


async def test_guard_is_asked_for_each_watch(watching: Watching) -> None:
    guard: Any = object()
    watching.session._admission.guard = guard
    assert not watching.session.create_encoded(created(key=b"a"))


async def test_full_stream_takes_no_encoded_request(watching: Watching) -> None:
    watching.session.output.size = QUEUE_BYTES
    assert not watching.session.create_encoded(created(key=b"a"))
    watching.session.output.size = 0


async def test_filters_keep_events_away(watching: Watching) -> None:
    watching.create(filters=[pb.WatchCreateRequest.NOPUT])
    await watching.timed.put(b"a")
    await watching.timed.delete(b"a")
    _, deleted = watching.take()
    assert [event.type for event in deleted.events] == [1]


async def test_cancelled_watch_is_confirmed_and_an_unknown_one_met_with_silence(
    watching: Watching,
) -> None:
    watching.create()
    watching.session.cancel(0)
    watching.session.cancel(99)
    assert [response.canceled for response in watching.take()] == [False, True]


async def test_progress_is_told_by_the_clock_to_who_wants_it(watching: Watching) -> None:
    watching.create()
    watching.create(progress_notify=True)
    watching.take()
    await watching.timed.clock.advance(INTERVAL - 0.1)
    assert watching.take() == []
    await watching.timed.clock.advance(INTERVAL * PROGRESS_JITTER + 0.2)
    [progress] = watching.take()
    assert (progress.watch_id, progress.header.revision, len(progress.events)) == (1, 1, 0)
    await watching.timed.clock.advance(INTERVAL * (1 + PROGRESS_JITTER))
    assert len(watching.take()) == 1


async def test_progress_of_very_many_is_told_in_turns_until_the_client_goes(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "TOLD", 1)
    for _ in range(300):
        watching.create(progress_notify=True)
    watching.take()
    clock, interval = watching.timed.clock, INTERVAL * (1 + PROGRESS_JITTER)
    # The next comes at its time again.
    for _ in range(2):
        await clock.advance(interval)
        await turns(300)
        assert [response.watch_id for response in watching.take()] == list(range(300))
    await clock.advance(interval)
    assert 0 < len(watching.take()) < 300
    watching.session.close()
    await turns(300)
    await clock.advance(3 * interval)
    assert watching.take() == []


async def test_progress_asked_for_is_of_all_watches(watching: Watching) -> None:
    watching.create()
    watching.take()
    await watching.session.progress()
    [progress] = watching.take()
    assert (progress.watch_id, progress.header.revision) == (-1, 1)


async def test_what_waits_for_a_client_is_written_when_it_reads(watching: Watching) -> None:
    watching.create()
    watching.take()
    watching.client.reads.clear()
    await watching.timed.put(b"a")
    assert watching.take() == []
    watching.client.reads.set()
    await turns(5)
    assert len(watching.take()) == 1


async def test_a_session_that_is_closed_before_it_could_write_writes_nothing(
    watching: Watching,
) -> None:
    watching.create()
    watching.take()
    watching.client.reads.clear()
    await watching.timed.put(b"a")
    watching.client.reads.set()
    watching.session.close()
    await turns(5)
    assert watching.take() == []


async def test_closed_session_feeds_nobody_and_asks_for_no_time(watching: Watching) -> None:
    watching.create(progress_notify=True)
    watching.client.reads.clear()
    await watching.timed.put(b"a")
    watching.session.close()
    watching.client.reads.set()
    watching.take()
    await watching.timed.put(b"a")
    await watching.timed.clock.advance(10 * INTERVAL)
    assert watching.take() == []
    assert watching.timed.hub.is_unwatched


async def test_session_that_ends_before_it_has_begun_to_write_goes_without_the_collector(
    watching: Watching,
) -> None:
    gc.disable()
    try:
        client = FakeWriter()
        client.reads.clear()
        session = watching.timed.node.watch(client, ANYBODY)
        session.create(pb.WatchCreateRequest(key=b"a"))
        session.close()
        await turns(5)
        left = weakref.ref(client)
        del client, session
        assert left() is None
    finally:
        gc.enable()


async def test_one_watch_too_many_is_refused_and_takes_no_id(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = watching.session._hub
    monkeypatch.setattr(hub.backlog.budget, "limit", 200)
    watching.create()
    watching.create()
    with pytest.raises(errors.MemoryBudgetError):
        watching.create()
    watching.session.cancel(0)
    watching.create()
    assert list(watching.session.stream.watchers) == [1, 2]
