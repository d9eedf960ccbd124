"""
Random sequences of writes and watches, driven one step at a time.

After each step both servers owe every watcher a known number of events and replies: all of them
are awaited and compared before the next step. What a response looks like is compared byte by
byte, with two exceptions, where only the events are. Of a watcher that had nothing to read in the
past it asked for nobody can tell when a real etcd will count it as synced, until its first event.
And a stream whose client is slow to take what it is sent may put several revisions into one
response.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.watch.output import QUEUE_BYTES
from tests.conformance.differences import KEEPS_TOMBSTONES
from tests.conformance.messages import EVERYTHING, Operation, compact, delete, put, txn
from tests.conformance.pair import MismatchError, Pair, short
from tests.conformance.peers import Peer
from tests.conformance.watching import Stream, cancel, create, progress
from tests.watch.history import NODELETE, NOPUT, History, Interest

Filter: TypeAlias = pb.WatchCreateRequest.FilterType.ValueType

KEYS = [b"a", b"a\0", b"aa", b"ab", b"b", b"b/1", b"b/2", b"b/2/x", b"c", b"\xff", b"\xff\xff"]
RANGES = [
    *((key, b"") for key in KEYS),
    (b"", b"\0"),
    (b"\0", b"\0"),
    (b"a", b"b"),
    (b"a", b"\0"),
    (b"aa", b"b/2"),
    (b"b/", b"b0"),
    (b"b/2", b"b/3"),
    (b"", b"b"),
    (b"\xff", b"\0"),
    (b"a", b"a\0"),
    (b"nothing", b""),
]
EMPTY = (b"z", b"y")
FILTERS: Sequence[Sequence[Filter]] = ((), (), (NOPUT,), (NODELETE,), (NOPUT, NODELETE))
STREAMS = 3
MOST_WATCHERS = 12

# A stream that has been sent less was not full: keeping a response costs something, too.
ALWAYS_TAKEN = QUEUE_BYTES // 2

# Before, refusing any watcher (with the id -1) silenced one that had that id.
SERVES_MINUS_ONE = (3, 6)

# Since then progress is told only of synced watchers.
TELLS_PROGRESS_WHEN_SYNCED = (3, 6)


@dataclass
class _Watcher:
    """What is known of a watcher, and what both servers still owe it."""

    interest: Interest
    since: int
    asked: int = 0
    exact: bool = True
    compacted: bool = False
    events: list[kv_pb2.Event] = field(default_factory=list)


class _Side:
    """One server's side of a stream: what it has sent in this step, by watch id."""

    def __init__(self, peer: Peer) -> None:
        self.stream = Stream(peer)
        self.told: dict[int, list[bytes]] = defaultdict(list)
        self.events: dict[int, int] = defaultdict(int)
        self.replies = 0
        self.size = 0
        # The last of the step before may still count as waiting to be read.
        self._size_before = 0

    @property
    def may_have_been_full(self) -> bool:
        return self._size_before + self.size >= ALWAYS_TAKEN

    def take(self) -> None:
        encoded = self.stream.take()
        response = pb.WatchResponse.FromString(encoded)
        self.told[response.watch_id].append(encoded)
        self.events[response.watch_id] += len(response.events)
        self.replies += not response.events
        self.size += len(encoded)

    def reset(self) -> None:
        self._size_before, self.size = self.size, 0
        self.told.clear()
        self.events.clear()
        self.replies = 0


class _Stream:
    """A Watch stream to both servers, and its watchers."""

    def __init__(self, pair: Pair) -> None:
        self.sides = [_Side(peer) for peer in pair.peers]
        self.watchers: dict[int, _Watcher] = {}
        self.next_id = 0
        self.replies = 0
        self.revisions = 0

    def send(self, request: pb.WatchRequest, replies: int) -> None:
        for side in self.sides:
            side.stream.send(request)
            if not replies:
                # What is met with silence has been acted on when this is refused.
                side.stream.send(create(*EMPTY))
        self.replies += max(replies, 1)

    def settle(self) -> None:
        """Await what is owed and compare it."""
        owed = {number: len(w.events) for number, w in self.watchers.items() if w.events}
        for side in self.sides:
            while side.replies < self.replies or sum(side.events.values()) < sum(owed.values()):
                side.take()
            told = {number: count for number, count in side.events.items() if count}
            assert told == owed, f"{told} instead of {owed}: {self.watchers}"
        subject, reference = self.sides
        assert subject.told.keys() == reference.told.keys()
        is_exact = self.revisions < 2 or not subject.may_have_been_full
        for number in subject.told:
            self._compare(number, subject.told[number], reference.told[number], is_exact)
        self.replies = self.revisions = 0
        for side in self.sides:
            side.reset()

    def _compare(
        self, number: int, got: list[bytes], expected: list[bytes], is_exact: bool
    ) -> None:
        watcher = self.watchers.get(number)
        if (watcher is None or (watcher.exact and is_exact)) and got != expected:
            asked = f"watch {number}: {watcher and watcher.interest}"
            raise MismatchError(asked, _lines(expected), _lines(got))
        if watcher is not None and watcher.events:
            for responses in (got, expected):
                told = [event for it in _decoded(responses) for event in it.events]
                assert told == watcher.events, f"watch {number}"
            watcher.exact = True
            watcher.events = []

    def close(self) -> None:
        for side in self.sides:
            side.stream.close()


def _decoded(responses: list[bytes]) -> list[pb.WatchResponse]:
    return [pb.WatchResponse.FromString(response) for response in responses]


def _lines(responses: list[bytes]) -> list[str]:
    return [short(response) for response in _decoded(responses)]


class Scenario:
    """A pair of servers, streams of watches to both, and what they may expect."""

    def __init__(self, pair: Pair, random: Random) -> None:
        self._pair = pair
        self._random = random
        pair.send(put(b"a"))
        self._low: int = pair.send(delete(*EVERYTHING)).reply.header.revision
        self._compacted = -1
        # How far below the lowest revision watches may start; what was before is not known here.
        self._margin = -1
        self._history = History(self._low)
        self._observer = _Stream(pair)
        everything = create(*EVERYTHING, prev_kv=True)
        self._watch(self._observer, everything.create_request)
        self._streams = [_Stream(pair) for _ in range(STREAMS)]
        self.events = 0
        self._settle()

    def run(self, steps: int) -> None:
        """Do this many random things."""
        actions: list[Callable[[], None]] = [self._write, self._create, self._cancel]
        actions += [self._compact, self._progress, self._reopen]
        weights = (60, 25, 8, 2, 6, 1)
        for _ in range(steps):
            self._random.choices(actions, weights)[0]()
            self._settle()

    def close(self) -> None:
        for stream in (self._observer, *self._streams):
            stream.close()

    def _settle(self) -> None:
        for stream in (self._observer, *self._streams):
            self.events += sum(len(watcher.events) for watcher in stream.watchers.values())
            stream.settle()

    # -------------------------------------------------------------------- writes

    def _write(self) -> None:
        for _ in range(self._random.choice((1, 1, 1, 2, 10))):
            before = self._history.newest
            outcome = self._pair.send(self._request())
            if outcome.error is None and outcome.reply.header.revision > before:
                self._observe(outcome.reply.header.revision)

    def _observe(self, revision: int) -> None:
        """Learn what a write has changed, and what that makes the servers owe."""
        told = [side.stream.take() for side in self._observer.sides]
        assert told[0] == told[1]
        response = pb.WatchResponse.FromString(told[0])
        assert {event.kv.mod_revision for event in response.events} == {revision}
        self._history.add(response.events)
        for stream in self._streams:
            stream.revisions += 1
            for watcher in stream.watchers.values():
                if not watcher.compacted and watcher.since <= revision:
                    self._owe(watcher, revision)

    def _owe(self, watcher: _Watcher, since: int) -> None:
        for events in self._history.owed(watcher.interest, since, self._compacted):
            watcher.events += events

    def _request(self) -> Operation:
        random = self._random
        kind = random.random()
        if kind < 0.5:
            return self._put(random.choice(KEYS))
        if kind < 0.65:
            return delete(random.choice(KEYS))
        if kind < 0.75:
            key, end = random.choice(RANGES[len(KEYS) :])
            return delete(key or b"\0", end)
        keys = random.sample(KEYS, random.randrange(1, 6))
        ops: list[Any] = [self._put(key) if random.random() < 0.7 else delete(key) for key in keys]
        if random.random() < 0.3:
            again = random.choice(KEYS)
            ops = [txn(*ops), txn(delete(again)), txn(self._put(again))]
        return txn(*ops)

    def _put(self, key: bytes) -> pb.PutRequest:
        size = 400_000 if self._random.random() < 0.01 else self._random.randrange(40)
        return put(key, self._random.randbytes(1) * size)

    # ------------------------------------------------------------------- watches

    def _create(self) -> None:
        random = self._random
        stream = random.choice(self._streams)
        key, end = random.choice(RANGES)
        request = pb.WatchCreateRequest(key=key, range_end=end)
        request.watch_id = random.choice((0, 0, 0, random.randrange(-3, 12)))
        if request.watch_id == -1 and self._pair.version < SERVES_MINUS_ONE:
            request.watch_id = -2
        request.start_revision = random.choice((0, self._random_start()))
        request.prev_kv = random.random() < 0.5
        request.fragment = random.random() < 0.3
        request.filters.extend(random.choice(FILTERS))
        if random.random() < 0.05:
            request.key, request.range_end = EMPTY
            stream.send(pb.WatchRequest(create_request=request), 1)
        elif len(stream.watchers) < MOST_WATCHERS:
            self._watch(stream, request)

    def _random_start(self) -> int:
        newest = self._history.newest
        # Older etcds take a negative one for a past one.
        lowest = max(1, self._low - self._margin)
        choices = (self._random.randint(lowest, newest + 5), newest, newest + 1)
        return max(lowest, self._random.choice(choices))

    def _watch(self, stream: _Stream, request: pb.WatchCreateRequest) -> None:
        stream.send(pb.WatchRequest(create_request=request), 1)
        number = request.watch_id
        if number in stream.watchers and number:
            return
        if not number:
            while stream.next_id in stream.watchers:
                stream.next_id += 1
            number, stream.next_id = stream.next_id, stream.next_id + 1
        since = request.start_revision or self._history.newest + 1
        watcher = stream.watchers[number] = _Watcher(
            Interest.of(request), since, request.start_revision
        )
        if since > self._history.newest:
            return
        if since < self._compacted:
            watcher.compacted = True
            stream.replies += 1
            return
        self._owe(watcher, since)
        watcher.exact = bool(watcher.events)

    def _cancel(self) -> None:
        stream = self._random.choice(self._streams)
        number = self._random.choice((*stream.watchers, 99))
        known = stream.watchers.pop(number, None)
        stream.send(cancel(number), known is not None)

    def _progress(self) -> None:
        stream = self._random.choice(self._streams)
        watchers = stream.watchers.values()
        if self._pair.version < TELLS_PROGRESS_WHEN_SYNCED or not all(w.exact for w in watchers):
            return
        is_told = bool(watchers) and all(
            w.asked <= self._history.newest and not w.compacted for w in watchers
        )
        stream.send(progress(), is_told)

    def _reopen(self) -> None:
        position = self._random.randrange(STREAMS)
        self._streams[position].close()
        self._streams[position] = _Stream(self._pair)

    # ---------------------------------------------------------------- compaction

    def _compact(self) -> None:
        revision = self._random.randint(self._low, self._history.newest)
        if self._pair.version < KEEPS_TOMBSTONES and any(
            event.type == kv_pb2.Event.DELETE for event in self._history.of(revision)
        ):
            return
        for stream in self._streams:
            # Compaction may or may not find these synced.
            for number in [n for n, watcher in stream.watchers.items() if not watcher.exact]:
                del stream.watchers[number]
                stream.send(cancel(number), 1)
        self._settle()
        outcome = self._pair.send(compact(revision, physical=True))
        if outcome.error is None:
            self._compacted = self._low = revision
            self._margin = 5
