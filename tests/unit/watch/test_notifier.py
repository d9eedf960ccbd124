"""Much is sent in turns of the loop, and yet each revision as a whole, in order, to the right."""

from __future__ import annotations

from random import Random

import pytest

from etcdpy.cooperative import finish
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.watch import notifier
from etcdpy.watch.matcher import Matcher
from etcdpy.watch.states import WatcherState
from etcdpy.watch.watcher import FILTERS, NO_DELETES, NO_PUTS, PREVIOUS, PROGRESS, Watcher
from tests.unit.mvcc.fake_log import turns
from tests.unit.watch.watched_store import StreamClient, WatchedStore, quiet

KEYS = tuple(b"k%02d" % number for number in range(40))


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> WatchedStore:
    # A batch of more than ten rows is much, and a turn is four steps of five.
    monkeypatch.setattr(notifier, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(notifier, "WORK_PER_STEP", 5)
    monkeypatch.setattr(notifier, "WORK_PER_TURN", 20)
    monkeypatch.setattr(notifier, "FEW", 5)
    monkeypatch.setattr(notifier, "COST_OF_MARKING", 0.001)
    return WatchedStore()


async def _notified(watched: WatchedStore) -> None:
    if passed := watched.hub.passed():
        await passed
    await quiet(watched)


async def test_a_large_revision_is_one_response_and_its_stream_waits_for_it(
    watched: WatchedStore,
) -> None:
    client = watched.open()
    client.watch(b"k", b"l")
    client.watch(b"x")
    client.take()
    assert (watched.put(*KEYS), watched.put(b"x"), watched.put(b"k00")) == (2, 3, 4)
    # All three are durable; the first is looked at.
    assert client.take() == []
    assert (watched.hub.notified_revision, watched.store.durable_revision) == (1, 4)
    await _notified(watched)
    assert watched.hub.notified_revision == 4
    first, second, third = client.take()
    assert [event.kv.key for event in first.events] == list(KEYS)
    assert [it.header.revision for it in (first, second, third)] == [2, 3, 4]


async def test_what_few_watch_passes_what_a_crowd_waits_for(watched: WatchedStore) -> None:
    crowd, one, both = _crowd(watched, 100), watched.open(), watched.open()
    one.watch(b"x")
    both.watch(b"x")
    both.watch(b"a")
    for client in (*crowd, one, both):
        client.take()
    for _ in range(4):
        watched.put(b"a")
    watched.put(b"x")
    assert one.changes() == [(b"x", 6)]
    # A stream that is owed something is sent it first.
    assert both.take() == []
    # And so it is if both are of one batch.
    watched.write(b"a")
    watched.write(b"x")
    watched.settle()
    assert one.changes() == [(b"x", 8)]
    await _notified(watched)
    for client in crowd:
        assert [main for _, main in client.changes()] == [2, 3, 4, 5, 7]
    assert [main for _, main in both.changes()] == [2, 3, 4, 5, 6, 7, 8]
    assert one.take() == []


async def test_what_few_watch_passes_the_crowd_of_its_own_batch(watched: WatchedStore) -> None:
    crowd, one = _crowd(watched, 100), watched.open()
    one.watch(b"x")
    one.take()
    for _ in range(3):
        watched.write(b"a")
    watched.write(b"x", b"y")
    watched.settle()
    assert one.changes() == [(b"x", 5)]
    # Of a batch so large that it is looked through in turns, too.
    for _ in range(15):
        watched.write(b"a")
    watched.write(b"x")
    watched.settle()
    await turns(8)
    assert one.changes() == [(b"x", 21)]
    assert watched.hub.notified_revision < 5
    await _notified(watched)
    for client in crowd:
        assert [main for _, main in client.changes()] == [2, 3, 4, *range(6, 21)]


async def test_what_few_watch_is_no_more_behind_once_all_passed(watched: WatchedStore) -> None:
    crowd, one = _crowd(watched, 100), watched.open()
    one.watch(b"x")
    watched.put(b"a")
    jobs = watched.hub._notifier._jobs
    for _ in range(50):
        watched.put(b"x")
        assert len(jobs) == 1
    assert len(one.changes()) == 50
    await _notified(watched)
    assert all(client.changes() == [(b"a", 2)] for client in crowd)


async def test_what_few_watch_passes_what_there_is_too_much_of(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "MOST_BYTES", 5 * notifier.JOB_BYTES)
    crowd, one, both = _crowd(watched, 100), watched.open(), watched.open()
    for client in (one, both):
        client.watch(b"x")
    both.watch(b"a")
    for client in (one, both, *crowd):
        client.take()
    jobs = watched.hub._notifier._jobs
    for _ in range(100):
        watched.put(b"a")
        revision = watched.put(b"x")
        assert one.changes() == [(b"x", revision)]
        assert len(jobs) < 12
    await _notified(watched)
    for client in crowd:
        assert [main for _, main in client.changes()] == [*range(2, 201, 2)]
    assert sorted(main for _, main in both.changes()) == [*range(2, 202)]
    assert one.take() == []


async def test_progress_is_told_to_those_who_have_passed(watched: WatchedStore) -> None:
    _crowd(watched, 100)
    one, both = watched.open(), watched.open()
    for client in (one, both):
        client.watch(b"x")
    both.watch(b"a")
    for client in (one, both):
        client.take()
    watched.put(b"a")
    watched.put(b"x")
    for client, expected in ((one, [3, 3]), (both, [1])):
        finish(client.stream.send_progress())
        assert [it.header.revision for it in client.take()] == expected


def _crowd(watched: WatchedStore, number: int) -> list[StreamClient]:
    """Have so many watch ``a``, each on a stream of its own."""
    crowd = [watched.open() for _ in range(number)]
    for client in crowd:
        client.watch(b"a")
        client.take()
    return crowd


async def test_a_watcher_that_comes_meanwhile_gets_what_it_asks_for(watched: WatchedStore) -> None:
    first = watched.open()
    first.watch(b"k", b"l")
    watched.put(*KEYS)
    await turns()
    client = watched.open()
    since = [client.watch(b"k", b"l", since=revision) for revision in (0, 1, 2, 3, 4)]
    narrow = client.watch(b"k39", since=2)
    assert {it.header.revision for it in client.take()} == {2}
    watched.put(b"k00")
    await _notified(watched)
    watched.put(b"k39")
    await _notified(watched)
    sent = client.take()
    for watcher, expected in zip(
        (*since, narrow), ([3, 4], [2, 3, 4], [2, 3, 4], [3, 4], [4], [2, 4]), strict=True
    ):
        seen = [
            e.kv.mod_revision for it in sent if it.watch_id == watcher.watch_id for e in it.events
        ]
        assert sorted(set(seen)) == expected
        assert len(seen) == len(expected) + (39 if 2 in expected and watcher is not narrow else 0)


async def test_a_watcher_that_goes_meanwhile_is_sent_no_more(watched: WatchedStore) -> None:
    client = watched.open()
    gone, stays = client.watch(b"k", b"l"), client.watch(b"k", b"l")
    client.take()
    watched.put(*KEYS)
    await turns()
    client.stream.cancel(gone.watch_id)
    await _notified(watched)
    cancelled, sent = client.take()
    assert (cancelled.canceled, cancelled.watch_id) == (True, gone.watch_id)
    assert (len(sent.events), sent.watch_id) == (len(KEYS), stays.watch_id)


async def test_nothing_is_looked_at_once_nobody_watches(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = watched.open()
    client.watch(b"k", b"l")
    watched.put(*KEYS)
    client.stream.close()

    def look(_matcher: Matcher[Watcher], _key: bytes) -> None:
        pytest.fail("a key was looked at")

    monkeypatch.setattr(Matcher, "groups", look)
    await _notified(watched)
    watched.put(*KEYS)
    assert watched.hub.passed() is None


async def test_progress_does_not_overtake_what_is_being_sent(watched: WatchedStore) -> None:
    client = watched.open()
    client.watch(b"k", b"l")
    quiet_one = client.watch(b"x", wishes=PROGRESS)
    watched.put(*KEYS)
    client.take()
    finish(client.stream.send_progress())
    finish(client.stream.tick())
    assert [(it.watch_id, it.header.revision) for it in client.take()] == [
        (-1, 1),
        (quiet_one.watch_id, 1),
    ]
    passed = watched.hub.passed()
    assert passed is not None
    await passed
    finish(client.stream.send_progress())
    sent, progress = client.take()
    assert len(sent.events) == len(KEYS)
    assert (progress.watch_id, progress.header.revision) == (-1, 2)


async def test_a_compaction_meanwhile_takes_nothing_but_the_past_of_keys(
    watched: WatchedStore,
) -> None:
    watched.put(*KEYS)
    client = watched.open()
    client.watch(b"k", b"l", wishes=PREVIOUS)
    client.take()
    watched.delete(*KEYS)
    watched.put(b"x")
    await watched.compact(4)
    await _notified(watched)
    (sent,) = client.take()
    assert [event.kv.key for event in sent.events] == list(KEYS)
    assert {event.kv.mod_revision for event in sent.events} == {3}


async def test_a_client_that_does_not_read_becomes_unsynced_and_then_gets_all(
    watched: WatchedStore,
) -> None:
    slow, fast = watched.open(), watched.open()
    slow.watch(b"k", b"l")
    fast.watch(b"k", b"l")
    slow.reads.clear()
    value = bytes(10_000)
    revisions = [watched.put(*KEYS, value=value) for _ in range(6)]
    await _notified(watched)
    assert [main for _, main in fast.changes()] == sorted(revisions * len(KEYS))
    slow.reads.set()
    await quiet(watched)
    assert [main for _, main in slow.changes()] == sorted(revisions * len(KEYS))


async def test_what_all_are_sent_is_kept_once(watched: WatchedStore) -> None:
    clients = [watched.open() for _ in range(5)]
    for client in clients:
        client.reads.clear()
        client.watch(b"k", b"l")
        client.watch(b"k", b"l", wishes=PREVIOUS)
    watched.put(*KEYS, value=bytes(1000))
    await _notified(watched)
    queues = [client.stream.output._queue for client in clients]
    bodies = {id(body) for queue in queues if queue for _, body in queue if len(body) > 1000}
    assert len(bodies) == 2  # with what was before, and without


async def test_filters_hold_for_a_large_revision(watched: WatchedStore) -> None:
    watched.put(*KEYS)
    client = watched.open()
    puts = client.watch(b"k", b"l", wishes=NO_DELETES)
    deletes = client.watch(b"k", b"l", wishes=NO_PUTS)
    client.watch(b"k", b"l", wishes=FILTERS)
    client.take()
    watched.write(*(b"n%d" % number for number in range(20)), b"k99", deletes=KEYS)
    watched.settle()
    await _notified(watched)
    sent = {it.watch_id: it for it in client.take()}
    assert set(sent) == {puts.watch_id, deletes.watch_id}
    assert [event.kv.key for event in sent[puts.watch_id].events] == [b"k99"]
    assert [event.kv.key for event in sent[deletes.watch_id].events] == list(KEYS)


@pytest.mark.parametrize("others", [(), (b"x",)], ids=["alone", "with others"])
async def test_a_filter_is_not_mixed_up_with_where_a_watcher_starts(
    watched: WatchedStore, others: tuple[bytes, ...]
) -> None:
    watched.put(b"k1", b"k2")
    client = watched.open()
    # They watch the same with the same filter, and the first is not to be sent it yet.
    client.watch(b"k", b"l", since=4, wishes=NO_PUTS)
    client.watch(b"k", b"l", wishes=NO_PUTS)
    client.watch(b"x", wishes=NO_PUTS)
    client.take()
    watched.write(*others, deletes=(b"k1", b"k2"))
    watched.settle()
    await _notified(watched)
    assert [(it.watch_id, len(it.events)) for it in client.take()] == [(1, 2)]


async def test_what_waits_is_worked_off_faster_than_it_comes(watched: WatchedStore) -> None:
    client = watched.open()
    for _ in range(30):
        client.watch(b"a")
    longest = 0
    for number in range(200):
        # In each turn three times what a turn is for.
        watched.put(b"a")
        watched.put(b"a")
        await turns()
        longest = max(longest, watched.store.durable_revision - watched.hub.notified_revision)
        if number % 20 == 0:
            client.take()
    assert longest < 40
    await _notified(watched)
    assert watched.hub.notified_revision == 401


@pytest.mark.parametrize(("streams", "expected"), [(1, 3), (40, 8)])
async def test_watchers_on_streams_of_their_own_take_more_turns(
    watched: WatchedStore, streams: int, expected: int
) -> None:
    clients = [watched.open() for _ in range(streams)]
    for client in clients:
        for _ in range(40 // streams):
            client.watch(b"a")
        client.take()
    watched.put(b"a")
    passed, taken = watched.hub.passed(), 0
    while passed is not None and not passed.done():
        await turns(1)
        taken += 1
    assert abs(taken - expected) <= 1
    assert sum(len(client.take()) for client in clients) == 40


@pytest.mark.parametrize(("limit", "most"), [("MOST_WAITING", 30), ("MOST_BYTES", 4000)])
async def test_of_too_much_that_waits_watchers_read_in_history(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(notifier, limit, most)
    busy, other = watched.open(), watched.open()
    for _ in range(30):
        busy.watch(b"a")
    other.watch(b"b")
    for one in (busy, other):
        one.take()
    jobs = watched.hub._notifier._jobs
    for _ in range(100):
        watched.put(b"a")
        assert len(jobs) < 8
    watched.put(b"b")
    assert len(jobs) < 8
    await _notified(watched)
    sent: dict[int, list[int]] = {}
    for response in busy.take():
        revisions = sent.setdefault(response.watch_id, [])
        revisions += [event.kv.mod_revision for event in response.events]
    assert sent == {number: [*range(2, 102)] for number in range(30)}
    assert other.changes() == [(b"b", 102)]
    # And all are notified as before.
    watched.put(b"a")
    await _notified(watched)
    assert [(it.watch_id, len(it.events)) for it in busy.take()] == [(n, 1) for n in range(30)]


async def test_a_watcher_that_comes_while_others_fall_behind_is_told_what_is_new_to_it(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "MOST_WAITING", 30)
    client, late = watched.open(), watched.open()
    for _ in range(30):
        client.watch(b"a")
    for _ in range(10):
        watched.put(b"a")
    late.watch(b"a")
    late.watch(b"a", since=5)
    late.take()
    watched.put(b"a")
    await _notified(watched)
    seen = [(it.watch_id, event.kv.mod_revision) for it in late.take() for event in it.events]
    assert sorted(seen) == [(0, 12), *[(1, revision) for revision in range(5, 13)]]


async def test_progress_is_told_behind_what_is_read_in_history(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "MOST_WAITING", 30)
    client = watched.open()
    for _ in range(30):
        client.watch(b"a")
    for _ in range(10):
        watched.put(b"a")
    passed = watched.hub.passed()
    assert passed is not None
    watched.put(b"a")
    await passed
    assert watched.hub.notified_revision >= 11
    await _notified(watched)
    assert watched.hub.notified_revision == 12


@pytest.mark.parametrize("few", [0, 2])
@pytest.mark.parametrize("most", [notifier.MOST_WAITING, 10])
@pytest.mark.parametrize("seed", range(5))
async def test_whatever_happens_meanwhile_each_gets_what_it_asked_for(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch, seed: int, most: int, few: int
) -> None:
    monkeypatch.setattr(notifier, "MOST_WAITING", most)
    monkeypatch.setattr(notifier, "FEW", few)
    random = Random(seed)
    history: dict[int, tuple[bytes, ...]] = {}
    clients = [watched.open() for _ in range(4)]
    watches: list[tuple[StreamClient, Watcher, int]] = []
    sent: dict[Watcher, list[tuple[int, list[bytes]]]] = {}

    def take() -> None:
        by_place = {(client, it.watch_id): it for client, it, _ in watches}
        for client in clients:
            for response in client.take():
                if response.events:
                    watcher = by_place[client, response.watch_id]
                    for event in response.events:
                        known = sent[watcher]
                        if not known or known[-1][0] != event.kv.mod_revision:
                            known.append((event.kv.mod_revision, []))
                        known[-1][1].append(event.kv.key)

    for _ in range(150):
        action = random.random()
        if action < 0.5:
            keys = tuple(random.sample(KEYS, random.choice((1, 1, 2, 15, 40))))
            history[watched.put(*keys)] = keys
        elif action < 0.7:
            client = random.choice(clients)
            newest = watched.store.durable_revision
            since = random.choice((0, random.randint(1, newest + 3)))
            start = random.choice(KEYS)
            stop = random.choice((start + b"\0", b"k4", b"k2" if start < b"k2" else b"l", None))
            watcher = client.watch(start, stop, since=since)
            sent[watcher] = []
            watches.append((client, watcher, since or newest + 1))
        elif action < 0.75 and watches:
            client, watcher, _ = watches[random.randrange(len(watches))]
            client.stream.cancel(watcher.watch_id)
        elif action < 0.8:
            client = random.choice(clients)
            if client.reads.is_set():
                client.reads.clear()
            else:
                client.reads.set()
        await turns(random.choice((0, 1, 1, 3)))
        take()
    for client in clients:
        client.reads.set()
    await _notified(watched)
    await turns(5)
    take()
    assert sum(map(len, sent.values())) > 300
    for _, watcher, since in watches:
        expected = []
        for revision, keys in history.items():
            seen = [
                k for k in keys if watcher.start <= k and (not watcher.stop or k < watcher.stop)
            ]
            if seen and revision >= since:
                expected.append((revision, seen))
        if watcher.state is WatcherState.CANCELED:
            expected = expected[: len(sent[watcher])]
        assert sent[watcher] == expected


@pytest.mark.parametrize("few", [1, 3])
@pytest.mark.parametrize("most", [notifier.MOST_WAITING, 20])
@pytest.mark.parametrize("seed", range(8))
async def test_whoever_passes_whom_streams_are_in_order_and_progress_is_true(
    watched: WatchedStore, monkeypatch: pytest.MonkeyPatch, seed: int, most: int, few: int
) -> None:
    monkeypatch.setattr(notifier, "MOST_WAITING", most)
    monkeypatch.setattr(notifier, "FEW", few)
    monkeypatch.setattr(notifier, "MARKED_PER_STEP", 3)
    monkeypatch.setattr(notifier, "COST_OF_MARKING", 1.0)
    random = Random(seed)
    model = _Model(watched)
    for _ in range(120):
        action = random.random()
        if action < 0.6:
            for _ in range(random.choice((1, 1, 1, 3, 14))):
                model.write(random.sample(KEYS[:8], random.choice((1, 1, 1, 2, 7))))
            watched.settle()
        elif action < 0.7:
            start = random.choice(KEYS[:8])
            model.watch(random.randrange(6), start, random.choice((b"", b"", b"", b"l")))
        elif action < 0.75:
            # Of a crowd, whose changes take turns.
            for number in range(6):
                model.watch(number, KEYS[0], b"")
        elif action < 0.8:
            model.cancel(random)
        await turns(random.choice((0, 0, 1, 2)))
        model.check(is_in_order=most > 20)
    await _notified(watched)
    model.check(is_in_order=most > 20)
    model.check_all()


class _Model:
    """What is written, who watches it from when on, and what each of them was sent."""

    def __init__(self, watched: WatchedStore) -> None:
        self._watched = watched
        self._clients = [watched.open() for _ in range(6)]
        self._newest = dict.fromkeys(self._clients, 0)
        self._history: dict[int, list[bytes]] = {}
        # Of each: where it is, the first revision it is to be sent, and the revisions it was sent.
        self._sent: dict[Watcher, tuple[StreamClient, int, list[int]]] = {}

    def write(self, keys: list[bytes]) -> None:
        self._history[self._watched.write(*keys)] = keys

    def watch(self, number: int, start: bytes, stop: bytes) -> None:
        client = self._clients[number]
        since = self._watched.store.durable_revision + 1
        self._sent[client.watch(start, stop)] = (client, since, [])

    def cancel(self, random: Random) -> None:
        present = [it for it in self._sent if it.state is not WatcherState.CANCELED]
        if present:
            gone = random.choice(present)
            self._sent[gone][0].stream.cancel(gone.watch_id)

    def check(self, *, is_in_order: bool) -> None:
        """
        Ask each stream for progress, and look at all that came.

        Args:
            is_in_order: Whether nobody reads history, in which each is at a place of its own.

        """
        for client in self._clients:
            finish(client.stream.send_progress())
            for response in client.take():
                if response.watch_id < 0:
                    self._check_progress(client, response.header.revision)
                elif response.events:
                    self._note(client, response, is_in_order=is_in_order)

    def _note(self, client: StreamClient, response: pb.WatchResponse, *, is_in_order: bool) -> None:
        (watcher,) = (
            it
            for it, (place, *_) in self._sent.items()
            if place is client and it.watch_id == response.watch_id
        )
        by_revision: dict[int, list[bytes]] = {}
        for event in response.events:
            by_revision.setdefault(event.kv.mod_revision, []).append(event.kv.key)
        for revision, keys in by_revision.items():
            assert revision >= self._newest[client] or not is_in_order
            assert keys == [k for k in self._history[revision] if _watches(watcher, k)]
            self._newest[client] = revision
        self._sent[watcher][2].extend(by_revision)

    def _check_progress(self, client: StreamClient, revision: int) -> None:
        for watcher, (place, *_) in self._sent.items():
            if place is client and watcher.state is not WatcherState.CANCELED:
                self._check_sent(watcher, revision)

    def check_all(self) -> None:
        for watcher in self._sent:
            if watcher.state is not WatcherState.CANCELED:
                self._check_sent(watcher, self._watched.store.durable_revision)
        assert sum(len(sent) for _, _, sent in self._sent.values()) > 200

    def _check_sent(self, watcher: Watcher, revision: int) -> None:
        """Check that a watcher was sent all up to a revision, once and in order."""
        _, since, sent = self._sent[watcher]
        assert sent == sorted(set(sent))
        assert [it for it in sent if it <= revision] == [
            it
            for it, keys in self._history.items()
            if since <= it <= revision and any(_watches(watcher, key) for key in keys)
        ]


def _watches(watcher: Watcher, key: bytes) -> bool:
    return watcher.start <= key and (watcher.stop is None or key < watcher.stop)
