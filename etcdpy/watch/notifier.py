"""
The notifier: synced watchers get what has become durable.

Of little they are notified in the step of the loop in which it became durable. Much, such as a
revision that deletes a hundred thousand keys, or a change of a key that as many watch, goes on
in the turns that follow, and what becomes durable meanwhile waits behind it:

    notified               the first job                the jobs behind it
    ... ------------------|------- part of it ------->| ... | ... | durable revision

A watcher that comes meanwhile, new or just synced, has been sent all that is durable then, or
does not want it: its ``next_revision`` says so, and every watcher is looked at again when its
response is ready. So no watcher gets a part of a revision, or a revision twice.

What waits is bounded. Where a million watch a key that changes all the time, the changes of which
there is too much become one job, which has all who watch those keys fall behind: they read the
rest in history, at their own pace.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.storage.batch import Batch
from etcdpy.watch.body import Body
from etcdpy.watch.coalescer import Coalescer
from etcdpy.watch.events import Event, key_of, revision_of
from etcdpy.watch.matcher import Group, Matcher
from etcdpy.watch.states import WatcherState
from etcdpy.watch.watcher import FILTERS, PREVIOUS, Watcher

#: What is done in one turn of the loop: rows looked at, events encoded, responses sent. About
#: a millisecond.
WORK_PER_TURN = 1024
#: What waits is done in so many turns, however much it is: it cannot pile up without slowing
#: down those who write.
TURNS_BEHIND = 8
#: But not more in one, for which all others wait.
MOST_PER_TURN = 8 * WORK_PER_TURN
#: What may wait behind the first job: as much as takes some twenty seconds,
MOST_WAITING = 16 << 20
#: and bytes of the rows that it is about.
MOST_BYTES = 32 << 20
#: What a job takes besides its rows.
JOB_BYTES = 1000
#: Rows looked at at once; a batch of more is worked through in turns from the beginning.
ROWS_AT_ONCE = 512
#: Work done between two looks at how much that is.
WORK_PER_STEP = 128
#: What it costs to notify a watcher by itself, as one that has a stream of its own is, beside one
#: that is notified with others of its stream.
COST_OF_ONE = 5
#: What it costs to look at an event, if nothing is done with it.
COST_OF_LOOKING = 0.1

#: Something that does its work when iterated, and yields now and then how much that was.
_Work = Iterator[float]

#: An event, and the groups that watch its key.
_Change = tuple[Event, list[Group[Watcher]]]
#: A group, and the events of one revision that it watches.
_Wanted = tuple[Group[Watcher], list[Event]]


class _Job(NamedTuple):
    """
    What watchers are notified of one after the other.

    Attributes:
        work: Does it.
        amount: How much that is, about.
        revision: All up to this one has been sent when it is done.
        size: Bytes that it holds.

    """

    work: _Work
    amount: float
    revision: int
    size: int = 0


class Notifier:
    """
    Notifies watchers of changes, in order.

    Args:
        watchers: Those that are synced; the others are passed over.
        store: Whose changes these are.
        headers: Encodes the headers of responses.
        loop: The loop that calls everything here.
        on_refused: Called with a watcher whose stream has no room, and the revision it missed.
        on_behind: Called with a watcher that is to read history, and from which revision on.

    """

    def __init__(
        self,
        watchers: Matcher[Watcher],
        store: Store,
        headers: Headers,
        loop: AbstractEventLoop,
        on_refused: Callable[[Watcher, int], None],
        on_behind: Callable[[Watcher, int], None],
    ) -> None:
        self._watchers = watchers
        self._store = store
        self._headers = headers
        self._loop = loop
        self._on_refused = on_refused
        self._on_behind = on_behind
        self._jobs: deque[_Job] = deque()
        # Of the jobs behind the first.
        self._waiting = 0.0
        self._held = 0
        # Of the last job, if it has watchers fall behind and has not begun: the groups, and the
        # first revision that they are not notified of.
        self._behind: dict[int, tuple[Group[Watcher], int]] | None = None
        self._notified = 0
        #: How many events were sent, each as often as it had watchers.
        self.events = 0

    @property
    def revision(self) -> int:
        """The revision up to which all synced watchers have been notified."""
        return self._notified if self._jobs else self._store.durable_revision

    def notify(self, batch: Batch) -> None:
        """Notify watchers of a batch that has just become durable, or begin to."""
        rows = batch.rows
        if len(rows) > ROWS_AT_ONCE:
            self._add(self._notify_all(self._in_parts(rows.items())), len(rows), batch)
            return
        changes = self._changes(rows.items())
        if not changes:
            return
        amount = sum([sum(map(len, groups)) for _, groups in changes])
        if len(changes) == 1 and amount <= WORK_PER_STEP and not self._jobs:
            self._notify_few(*changes[0])
        elif self._jobs and (
            self._waiting + amount > MOST_WAITING or self._held + batch.put_bytes > MOST_BYTES
        ):
            self._fall_behind(changes, batch)
        else:
            self._add(self._notify_all((changes,)), amount, batch)

    def passed(self) -> Future[None] | None:
        """Return what resolves when all that is durable now has been sent; None if it has."""
        if not self._jobs:
            return None
        future = self._loop.create_future()
        self._behind = None
        self._jobs.append(_Job(_resolve(future), 0, self._store.durable_revision))
        return future

    def close(self) -> None:
        """Notify no watcher any more."""
        self._jobs.clear()
        self._behind = None

    # -------------------------------------------------------------------- in turns

    def _add(self, work: _Work, amount: float, batch: Batch) -> None:
        jobs, size = self._jobs, batch.put_bytes + JOB_BYTES
        self._behind = None
        jobs.append(_Job(work, amount, batch.revision, size))
        if len(jobs) > 1:
            self._waiting += amount
            self._held += size
        else:
            self._notified = revision_of(next(iter(batch.rows))) - 1
            self._run()

    def _run(self) -> None:
        jobs = self._jobs
        left = min(max(WORK_PER_TURN, self._waiting / TURNS_BEHIND), MOST_PER_TURN)
        while jobs:
            for done in jobs[0].work:
                left -= done
                if left <= 0:
                    self._loop.call_soon(self._run)
                    return
            self._notified = jobs.popleft().revision
            if jobs:
                self._waiting -= jobs[0].amount
                self._held -= jobs[0].size

    def _fall_behind(self, changes: list[_Change], batch: Batch) -> None:
        """Have those who watch what has changed read it in history, behind all that waits."""
        behind = self._behind
        if behind is None:
            behind = self._behind = {}
            self._jobs.append(_Job(self._unsync(behind), 0, batch.revision))
        for event, groups in changes:
            for group in groups:
                behind.setdefault(_number(group), (group, event.main))

    def _unsync(self, behind: dict[int, tuple[Group[Watcher], int]]) -> _Work:
        if self._behind is behind:
            # What happens from now on comes behind this.
            self._behind = None
        looked = 0
        for group, revision in behind.values():
            for watcher in list(group):
                if watcher.state is WatcherState.SYNCED:
                    self._on_behind(watcher, revision)
                looked += 1
                if looked % WORK_PER_STEP == 0:
                    yield WORK_PER_STEP

    # ------------------------------------------------------------------- notifying

    def _changes(self, rows: Iterable[tuple[bytes, bytes]]) -> list[_Change]:
        """Return the changes that anyone watches."""
        groups_of = self._watchers.groups
        changes: list[_Change] = []
        for row_key, row in rows:
            key = key_of(row)
            groups = groups_of(key)
            if groups:
                changes.append((Event(row_key, row, key), groups))
        return changes

    def _in_parts(self, rows: Iterable[tuple[bytes, bytes]]) -> Iterator[list[_Change]]:
        """Yield the same in parts, until no watcher is left."""
        remaining = iter(rows)
        while len(self._watchers) and (part := list(islice(remaining, WORK_PER_STEP))):
            yield self._changes(part)

    def _notify_few(self, event: Event, groups: list[Group[Watcher]]) -> None:
        """Notify few watchers of one change: what most batches come down to."""
        # Fast path (bench: watch/1000): two thirds of the time where nothing is in the
        # processor's caches.
        revision = event.main
        header = self._headers.at(revision)
        body = Body([event], self._store)
        notified: list[Watcher] = []
        for group in groups:
            # A copy: whoever is refused leaves the group meanwhile.
            for watcher in tuple(group):
                if not watcher.wants(event):
                    continue
                if watcher.stream.try_send(watcher, header, body):
                    notified.append(watcher)
                else:
                    self._on_refused(watcher, revision)
        self.events += len(notified)
        for watcher in notified:
            watcher.stream.flush()

    def _notify_all(self, parts: Iterable[list[_Change]]) -> _Work:
        """Notify watchers of changes, in order, those of one revision together."""
        revision = 0
        wanted: dict[int, _Wanted] = {}
        for changes in parts:
            for event, groups in changes:
                # One response a revision, with all of its events. (etcd: watcher_group.go,
                # newWatcherBatch)
                if event.main != revision:
                    yield from self._notify_of(revision, wanted)
                    revision, wanted = event.main, {}
                for group in groups:
                    number = _number(group)
                    known = wanted.get(number)
                    if known is None:
                        wanted[number] = (group, [event])
                    else:
                        known[1].append(event)
            yield WORK_PER_STEP
        yield from self._notify_of(revision, wanted)

    def _notify_of(self, revision: int, wanted: dict[int, _Wanted]) -> _Work:
        # Fast path (bench: watch/1000): each watcher that has no wishes of its own is looked
        # at, gathered and counted, and nothing else.
        header, synced = self._headers.at(revision), WatcherState.SYNCED
        for group, events in wanted.values():
            everything = Body(events, self._store)
            filtered: dict[int, Body | None] = {}
            # A watcher that joins the group from now on has no need of these.
            members = list(group)
            coalescer = Coalescer(header, everything, len(members))
            sent, number = 0, len(events)
            for watcher in members:
                body: Body | None = everything
                if watcher.wishes & FILTERS:
                    body = yield from self._filtered(everything, watcher, filtered)
                if body is None:
                    continue
                if body.is_long:
                    yield from body.prepare(bool(watcher.wishes & PREVIOUS))
                # In the turns since then it may have gone, fallen behind, or been sent this
                # already.
                if watcher.state is not synced or watcher.next_revision > revision:
                    continue
                if body is not everything:
                    self.events += len(body.events) - number
                    self._send(watcher, header, body)
                elif not coalescer.add(watcher):
                    self._send(watcher, header, body)
                sent += 1
                if sent % WORK_PER_STEP == 0:
                    alone = coalescer.send()
                    for left in alone:
                        self._send(left, header, everything)
                    yield WORK_PER_STEP + (COST_OF_ONE - 1) * len(alone)
            for left in coalescer.send():
                self._send(left, header, everything)
            self.events += sent * number
            for body in (everything, *filtered.values()):
                if body is not None:
                    yield from body.dissolve()

    def _send(self, watcher: Watcher, header: bytes, body: Body) -> None:
        if not watcher.stream.try_send(watcher, header, body):
            self.events -= len(body.events)
            self._on_refused(watcher, body.events[0].main)

    def _filtered(
        self,
        everything: Body,
        watcher: Watcher,
        known: dict[int, Body | None],
    ) -> Generator[float, None, Body | None]:
        """Return what passes a watcher's filters, if anything does."""
        kind = watcher.wishes & FILTERS
        if kind not in known:
            passed: list[Event] = []
            events = everything.events
            for first in range(0, len(events), WORK_PER_STEP):
                part = events[first : first + WORK_PER_STEP]
                passed += [event for event in part if watcher.passes(event)]
                if len(part) == WORK_PER_STEP:
                    yield WORK_PER_STEP * COST_OF_LOOKING
            known[kind] = Body(passed, self._store) if passed else None
        return known[kind]


def _number(group: Group[Watcher]) -> int:
    """Return what a group that is kept has as long as it is the same."""
    return id(group[0] if isinstance(group, tuple) else group)


def _resolve(future: Future[None]) -> _Work:
    """Resolve a future: work that is none, and was in its place among the others."""
    if not future.done():
        future.set_result(None)
    yield from ()
