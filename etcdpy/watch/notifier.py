"""
The notifier: synced watchers get what has become durable.

Of little they are notified in the step of the loop in which it became durable. Much, such as a
revision that deletes a hundred thousand keys, or a change of a key that as many watch, is a *job*
that goes on in the turns that follow, and what becomes durable meanwhile waits behind it:

    notified               the first job                the jobs behind it
    ... ------------------|------- part of it ------->| ... | ... | durable revision

But what few watch passes all of that: they have not asked for the crowd. A look goes ahead of the
work, job by job, and notes on each stream the last job that owes it something. Few who watch what
has changed, on a stream that is owed nothing, are notified at once; the others when their turn
comes. So the responses of a stream are in the order of the revisions, whoever passes whom.

A watcher that comes meanwhile, new or just synced, has been sent all that is durable then, or
does not want it: its ``next_revision`` says so, as that of one who has passed does, and every
watcher is looked at again when its response is ready. So no watcher gets a part of a revision, or a
revision twice.

What waits is bounded. Where a million watch a key that changes all the time, the changes of which
there is too much become one job, which has all who watch those keys fall behind: they read the
rest in history, at their own pace.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice

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
MOST_PER_TURN = 4 * WORK_PER_TURN
#: What may wait behind the first job: as much as takes some twenty seconds,
MOST_WAITING = 16 << 20
#: and bytes of the rows that it is about.
MOST_BYTES = 32 << 20
#: What a job takes besides its rows.
JOB_BYTES = 1500
#: And an event that was found in a row, before anyone is notified of it.
EVENT_BYTES = 200
#: Rows looked at at once; a batch of more is worked through in turns from the beginning.
ROWS_AT_ONCE = 512
#: Events of one revision, each as often as it has watchers in a group, that pass what waits.
FEW = 128
#: Work done between two looks at how much that is.
WORK_PER_STEP = 128
#: What it costs to notify a watcher by itself, as one that has a stream of its own is, beside one
#: that is notified with others of its stream.
COST_OF_ONE = 8
#: What it costs to look at an event, if nothing is done with it.
COST_OF_LOOKING = 0.1
#: What it costs to note on the stream of a watcher that it is owed something.
COST_OF_MARKING = 0.05
#: Streams on which that is noted in one step.
MARKED_PER_STEP = 2560
#: Of a turn's work, as much as goes ahead.
SHARE_AHEAD = 0.5

#: Something that does its work when iterated, and yields now and then how much that was.
_Work = Iterator[float]

#: An event, and the groups that watch its key.
_Change = tuple[Event, list[Group[Watcher]]]
#: A group, and the events of one revision that it watches.
_Wanted = tuple[Group[Watcher], list[Event]]


#: What is to be read in history, from a revision on.
_Behind = dict[int, tuple[Group[Watcher], int]]


class _Job:
    """
    What watchers are notified of one after the other.

    Args:
        revision: All up to this one has been sent when it is done.
        amount: How much it is, about.
        size: Bytes that it holds.

    Attributes:
        number: Of the jobs, in their order.
        work: Does it.
        ahead: The look ahead, once that has begun.
        rows: Those in which changes are to be looked for yet; None if there are none.
        changes: What was found, in parts, and has not been done yet.
        wanted: What is being done: of one revision.
        behind: Whom it has fall behind, and the first revision that they are not notified of.
        marked: The groups whose streams have been told that they are owed this.
        has_few: Whether there is something that few watch, as far as was looked.
        has_many: Whether there is something else.
        is_queued: Whether it is one of those that wait.
        is_begun: Whether the work has begun.
        is_owed: Whether, after the look ahead, someone is to be notified of something yet.

    """

    __slots__ = (
        "ahead",
        "amount",
        "behind",
        "changes",
        "has_few",
        "has_many",
        "is_begun",
        "is_owed",
        "is_queued",
        "marked",
        "number",
        "revision",
        "rows",
        "size",
        "wanted",
        "work",
    )

    def __init__(self, revision: int, amount: float = 0.0, size: int = 0) -> None:
        self.revision = revision
        self.amount = amount
        self.size = size
        self.number = 0
        self.work: _Work = iter(())
        self.ahead: _Work | None = None
        self.rows: Iterator[tuple[bytes, bytes]] | None = None
        self.changes: list[list[_Change]] = []
        self.wanted: dict[int, _Wanted] = {}
        self.behind: _Behind = {}
        self.marked: set[int] = set()
        self.has_few = self.has_many = False
        self.is_queued = self.is_begun = self.is_owed = False

    def take(self, changes: list[_Change]) -> None:
        """Take changes, behind those that it has."""
        self.changes.append(changes)
        for _, groups in changes:
            for group in groups:
                if len(group) <= FEW:
                    self.has_few = True
                else:
                    self.has_many = True


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
        # Those of them whose streams do not know yet, and the number of the last for which they
        # have to: it has something that few watch.
        self._unseen: deque[_Job] = deque()
        self._passing = 0
        # Numbers of the last job, and of the last that is done.
        self._last = self._done = 0
        # Of the jobs behind the first.
        self._waiting = 0.0
        self._held = 0
        # The last job, if it has watchers fall behind and takes more of them.
        self._behind: _Job | None = None
        self._notified = 0
        #: How many events were sent, each as often as it had watchers.
        self.events = 0

    @property
    def revision(self) -> int:
        """The revision up to which all synced watchers have been notified."""
        return self._notified if self._jobs else self._store.durable_revision

    def notify(self, batch: Batch) -> None:
        """Notify watchers of a batch that has just become durable, or begin to."""
        rows, size = batch.rows, batch.put_bytes + JOB_BYTES
        if len(rows) > ROWS_AT_ONCE:
            job = _Job(batch.revision, len(rows), size)
            job.rows = iter(rows.items())
            self._add(job, batch)
            return
        changes = self._changes(rows.items())
        if not changes:
            return
        amount = sum([sum(map(len, groups)) for _, groups in changes])
        if len(changes) == 1 and amount <= WORK_PER_STEP and not self._jobs:
            self._notify_few(*changes[0])
            return
        job = _Job(batch.revision, amount, size)
        job.take(changes)
        if self._jobs and (
            self._waiting + amount > MOST_WAITING or self._held + batch.put_bytes > MOST_BYTES
        ):
            self._fall_behind(self._unpassed(job, changes), batch.revision)
        else:
            self._add(job, batch)

    def passed(self) -> Future[None] | None:
        """Return what resolves when all that is durable now has been sent; None if it has."""
        if not self._jobs:
            return None
        future = self._loop.create_future()
        job = _Job(self._store.durable_revision)
        job.work = _resolve(future)
        self._append(job)
        return future

    def close(self) -> None:
        """Notify no watcher any more."""
        self._jobs.clear()
        self._unseen.clear()
        self._behind = None

    # -------------------------------------------------------------------- in turns

    def _append(self, job: _Job) -> None:
        self._seal()
        self._last += 1
        job.number = self._last
        job.is_queued = True
        if self._jobs:
            self._waiting += job.amount
            self._held += job.size
        self._jobs.append(job)
        self._unseen.append(job)

    def _add(self, job: _Job, batch: Batch) -> None:
        jobs = self._jobs
        job.work = self._work(job)
        self._append(job)
        if len(jobs) == 1:
            self._notified = revision_of(next(iter(batch.rows))) - 1
            if job.has_few and job.has_many:
                self._passing = job.number
            self._run()
            return
        if job.has_few or job.rows is not None:
            self._passing = job.number
            self._look_ahead(WORK_PER_TURN)
            if job.rows is None and not (job.changes or self._unseen):
                jobs.pop()
                self._waiting -= job.amount
                self._held -= job.size

    def _run(self) -> None:
        jobs = self._jobs
        left = min(max(WORK_PER_TURN, self._waiting / TURNS_BEHIND), MOST_PER_TURN)
        if self._unseen:
            ahead = left * SHARE_AHEAD
            left += self._look_ahead(ahead) - ahead
        while jobs:
            for done in jobs[0].work:
                left -= done
                if left <= 0:
                    self._loop.call_soon(self._run)
                    return
            job = jobs.popleft()
            self._notified, self._done = job.revision, job.number
            self._saw(job)
            if jobs:
                self._waiting -= jobs[0].amount
                self._held -= jobs[0].size

    def _work(self, job: _Job) -> _Work:
        """Notify watchers of a job's changes, in order, those of one revision together."""
        yield from self._find(job)
        # Some may pass what is of the same batch.
        if job.ahead is None and job.has_few and job.has_many and self._is_next(job):
            job.ahead = self._ahead(job)
        if job.ahead is not None:
            yield from job.ahead
            self._saw(job)
        job.is_begun = True
        yield from self._notify_all(job, _taken(job.changes), 0)

    def _fall_behind(self, changes: list[_Change], revision: int) -> None:
        """Have those who watch what has changed read it in history, behind all that waits."""
        if not changes:
            return
        job = self._behind
        if job is None:
            job = _Job(revision, 0, JOB_BYTES)
            job.work = self._unsync(job)
            self._append(job)
            self._behind = job
        behind = job.behind
        for event, groups in changes:
            for group in groups:
                number = _number(group)
                if number not in behind:
                    behind[number] = (group, event.main)
                    if job.ahead is not None:
                        _finish(self._mark(group, job))

    def _unsync(self, job: _Job) -> _Work:
        if self._behind is job:
            self._behind = None
        looked = 0
        for group, revision in job.behind.values():
            for watcher in list(group):
                if watcher.state is WatcherState.SYNCED:
                    self._on_behind(watcher, revision)
                looked += 1
                if looked % WORK_PER_STEP == 0:
                    yield WORK_PER_STEP

    def _seal(self) -> None:
        """Have what happens from now on come behind those who fall behind."""
        job, self._behind = self._behind, None
        if job is not None and job.ahead is not None:
            # Once more, as some have joined the groups since.
            job.ahead = None
            job.marked.clear()
            if not (self._unseen and self._unseen[-1] is job):
                self._unseen.append(job)

    # ----------------------------------------------------------------------- ahead

    def _look_ahead(self, left: float) -> float:
        """Look ahead as far as some may pass; return what is left of so much work."""
        unseen = self._unseen
        while unseen and unseen[0].number <= self._passing:
            job = unseen[0]
            if job.ahead is None:
                job.ahead = self._ahead(job)
            for done in job.ahead:
                left -= done
                if left <= 0:
                    return left
            self._saw(job)
        return left

    def _is_next(self, job: _Job) -> bool:
        """Return whether a job is the next to look at."""
        return bool(self._unseen) and self._unseen[0] is job

    def _saw(self, job: _Job) -> None:
        if self._is_next(job):
            self._unseen.popleft()

    def _ahead(self, job: _Job) -> _Work:
        """Notify those who may pass, and note on the streams of all others that they are owed."""
        if job.behind:
            for group, _ in list(job.behind.values()):
                yield from self._mark(group, job)
            return
        yield from self._find(job)
        if job.has_few and not job.is_begun:
            yield from self._notify_all(job, list(job.changes), job.number)
            if not job.is_owed:
                job.changes.clear()
            return
        for group, _ in list(job.wanted.values()):
            yield from self._mark(group, job)
        for changes in list(job.changes):
            for _, groups in changes:
                for group in groups:
                    yield from self._mark(group, job)
            yield len(changes) * COST_OF_MARKING

    def _mark(self, group: Group[Watcher], job: _Job) -> _Work:
        """Note on the streams of a group that they are owed a job."""
        number = _number(group)
        if number in job.marked:
            return
        job.marked.add(number)
        job.is_owed = True
        # A watcher that joins the group from now on has no need of it.
        members = list(group)
        for first in range(0, len(members), MARKED_PER_STEP):
            part = members[first : first + MARKED_PER_STEP]
            for watcher in part:
                watcher.stream.owed = job.number
            yield len(part) * COST_OF_MARKING

    def _unpassed(self, job: _Job, changes: list[_Change]) -> list[_Change]:
        """Notify those who may pass of a job for which there is no room; return what is left."""
        few = sum([len(group) for _, groups in changes for group in groups if len(group) <= FEW])
        if not few:
            return changes
        self._passing = self._last
        if self._look_ahead(MOST_PER_TURN) <= 0 or few > MOST_PER_TURN:
            return changes
        # That of what is left, if anything is.
        job.number = self._last + (self._behind is None)
        _finish(self._ahead(job))
        left: list[_Change] = []
        for event, groups in changes:
            owed: list[Group[Watcher]] = []
            for group in groups:
                if len(group) > FEW:
                    owed.append(group)
                else:
                    # Not those who have been notified: they would be owed what the others are.
                    owed += [(it,) for it in group if it.next_revision <= event.main]
            if owed:
                left.append((event, owed))
        return left

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

    def _find(self, job: _Job) -> _Work:
        """Find a job's changes, in parts, until no watcher is left."""
        while job.rows is not None:
            part = list(islice(job.rows, WORK_PER_STEP)) if len(self._watchers) else []
            if not part:
                job.rows = None
                return
            if changes := self._changes(part):
                job.take(changes)
                size = len(changes) * EVENT_BYTES
                job.size += size
                if job is not self._jobs[0]:
                    self._held += size
            yield WORK_PER_STEP

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

    def _notify_all(self, job: _Job, parts: Iterable[list[_Change]], ahead: int) -> _Work:
        """
        Notify watchers of changes, in order, those of one revision together.

        Args:
            ahead: The job's number if it is only for those who may pass; or 0.

        """
        revision = 0
        wanted: dict[int, _Wanted] = {}
        for changes in parts:
            for event, groups in changes:
                # One response a revision, with all of its events. (etcd: watcher_group.go,
                # newWatcherBatch)
                if event.main != revision:
                    if ahead:
                        wanted = yield from self._few(job, wanted)
                    yield from self._notify_of(revision, wanted, ahead, job)
                    revision, wanted = event.main, {}
                    if not ahead:
                        job.wanted = wanted
                for group in groups:
                    number = _number(group)
                    known = wanted.get(number)
                    if known is None:
                        wanted[number] = (group, [event])
                    else:
                        known[1].append(event)
            yield len(changes) * COST_OF_LOOKING if ahead else WORK_PER_STEP
        if ahead:
            wanted = yield from self._few(job, wanted)
        yield from self._notify_of(revision, wanted, ahead, job)

    def _few(
        self, job: _Job, wanted: dict[int, _Wanted]
    ) -> Generator[float, None, dict[int, _Wanted]]:
        """Return what few want of one revision; the streams of the others are owed it."""
        few: dict[int, _Wanted] = {}
        for number, (group, events) in wanted.items():
            if len(group) * len(events) <= FEW:
                few[number] = (group, events)
            else:
                yield from self._mark(group, job)
        return few

    def _notify_of(self, revision: int, wanted: dict[int, _Wanted], ahead: int, job: _Job) -> _Work:
        passed: list[Watcher] = []
        # Fast path (bench: watch/1000): each watcher that has no wishes of its own is looked
        # at, gathered and counted, and nothing else.
        header, synced = self._headers.at(revision), WatcherState.SYNCED
        for group, events in wanted.values():
            everything = Body(events, self._store)
            filtered: dict[int, Body | None] = {}
            # A watcher that joins the group from now on has no need of these.
            members = self._passers(group, revision, job) if ahead else list(group)
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
            if ahead:
                passed += members
            for body in (everything, *filtered.values()):
                if body is not None:
                    yield from body.dissolve()
        for watcher in passed:
            if watcher.state is synced:
                watcher.next_revision = max(watcher.next_revision, revision + 1)
            # Not before all watchers of these streams have been notified; some of whom may have
            # joined one of the groups that fall behind since these were looked at.
            if job.is_queued:
                watcher.stream.told = revision

    def _passers(self, group: Group[Watcher], revision: int, job: _Job) -> list[Watcher]:
        """Return those of a group who may pass; the streams of the others are owed a job."""
        members: list[Watcher] = []
        for watcher in group:
            if watcher.state is WatcherState.SYNCED and watcher.next_revision <= revision:
                if watcher.stream.owed > self._done:
                    watcher.stream.owed = job.number
                    job.is_owed = True
                else:
                    members.append(watcher)
        return members

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


def _taken(parts: list[list[_Change]]) -> Iterator[list[_Change]]:
    """Yield what is in a queue, each as long as it is in it."""
    while parts:
        yield parts[0]
        parts.pop(0)


def _finish(work: _Work) -> None:
    """Do work at once."""
    for _ in work:
        pass


def _resolve(future: Future[None]) -> _Work:
    """Resolve a future: work that is none, and was in its place among the others."""
    if not future.done():
        future.set_result(None)
    yield from ()
