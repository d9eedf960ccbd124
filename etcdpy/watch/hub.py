"""
The hub: every durable change to every watcher that watches it.

A watcher is SYNCED, and then fed from here, or UNSYNCED, and then fed by ``Syncer`` from the
history in the store. It starts unsynced if it asks for the past, and becomes so when its stream
cannot take what it is sent; either way it comes back here once it has read all there is, in the
same step of the loop, so that it misses nothing and gets nothing twice.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Iterable

from etcdpy.cooperative import Baton, Trickle
from etcdpy.memory import Account
from etcdpy.mvcc.replies import Headers
from etcdpy.mvcc.store import Store
from etcdpy.storage.batch import Batch
from etcdpy.storage.commit_log import RowSource
from etcdpy.watch.backlog import Backlog
from etcdpy.watch.matcher import Matcher
from etcdpy.watch.notifier import Notifier
from etcdpy.watch.states import WatcherInput, WatcherState
from etcdpy.watch.syncer import Syncer
from etcdpy.watch.watcher import ID_FIELDS, Watcher

#: Tasks woken in one turn of the loop, of streams that need one to be sent an event: each takes up
#: to a tenth of a millisecond, and one event is for thousands of them.
WOKEN_PER_TURN = 32

#: What a watcher of a key is reckoned at, besides the key: about half of what it takes, so that a
#: million find room in the budget that there is by default.
WATCHER_BYTES = 112
#: The same of one that watches a range: its range is filed, and found among others.
RANGE_WATCHER_BYTES = 400

#: Ids that all streams share, as each has the same.
SHARED_IDS = 1 << 17

#: Ids kept for each watcher there is, however many there were: so many streams may have the same.
MANY_IDS = 64

#: Watchers of streams that have ended, removed in one turn of the loop: about a millisecond.
REMOVED_PER_TURN = 1024


class Hub:
    """
    All watchers of the server.

    Args:
        store: Whose changes are watched.
        rows: Its rows, durable or not, for watchers that ask for the past.
        headers: Encodes the headers of responses.
        loop: The loop that calls everything here.
        account: What waits to be sent is put to it.

    Attributes:
        keys: What long keys of watches are put to.
        streams: Watches' streams that are open.
        ticks: Taken for telling very many watchers how far they have come.
        wakings: Wakes those who need more than a call to be sent something.

    """

    def __init__(
        self,
        store: Store,
        rows: RowSource,
        headers: Headers,
        loop: AbstractEventLoop,
        account: Account | None = None,
    ) -> None:
        self.store = store
        self.headers = headers
        self.backlog = Backlog(account)
        self.keys = Account(None if account is None else account.budget)
        self._loop = loop
        self.streams = 0
        self.ticks = Baton()
        self.wakings = Trickle(WOKEN_PER_TURN)
        self._added = 0
        self._following = 0
        self._numbers: list[int] = []
        #: What watchers are reckoned at; see ``check_room``.
        self.reckoned = 0
        self._budget = self.backlog.budget
        self._leaving: list[Watcher] = []
        self._synced: Matcher[Watcher] = Matcher()
        self._notifier = Notifier(
            self._synced, store, headers, loop, self._unsync, self._fall_behind
        )
        self._syncer = Syncer(store, rows, headers, self.backlog, loop, self._sync)

    async def close(self) -> None:
        """Feed no watcher any more."""
        self._notifier.close()
        await self._syncer.close()

    @property
    def is_idle(self) -> bool:
        """Whether no watcher reads history; those whose stream is full do not."""
        return self._syncer.is_idle

    @property
    def is_unwatched(self) -> bool:
        """Whether no watcher is to be notified of what happens next."""
        return not len(self._synced)

    @property
    def notified_revision(self) -> int:
        """The revision up to which all synced watchers have been notified of everything."""
        return self._notifier.revision

    def passed(self) -> Future[None] | None:
        """Return what resolves when they have been notified of all that is durable now, or None."""
        return self._notifier.passed()

    def publish(self, batch: Batch) -> None:
        """Notify watchers of a batch that has just become durable, or begin to."""
        if not self.is_unwatched:
            self._notifier.notify(batch)

    @property
    def watchers(self) -> int:
        """How many watchers are fed."""
        return self._added - self._syncer.compacted

    @property
    def slow_watchers(self) -> int:
        """How many of them have not been sent all there is, and are not synced."""
        return self.watchers - len(self._synced)

    @property
    def events(self) -> int:
        """How many events were sent to watchers."""
        return self._notifier.events + self._syncer.events

    # ---------------------------------------------------------------- watchers

    def number(self, watch_id: int) -> int:
        """Return an id of a stream, as the one object that there is for it if it is small."""
        numbers = self._numbers
        if watch_id >= SHARED_IDS:
            return watch_id
        while len(numbers) <= watch_id:
            numbers.append(len(numbers))
        return numbers[watch_id]

    def shed(self) -> None:
        """Forget the ids that hardly anybody has: there is one object for each."""
        # They were made among all that has gone since, and keep the memory around them.
        most = MANY_IDS * (1 + self._added)
        if len(self._numbers) > most:
            self._numbers = []
        if len(ID_FIELDS) > most:
            ID_FIELDS.clear()

    @property
    def has_room(self) -> bool:
        """Whether a client may have one more watcher."""
        return self.reckoned < self._budget.limit

    def check_room(self) -> None:
        """
        Check that a client may have one more watcher.

        They are no part of the memory budget, as they stay: most clients would be over their
        shares all the time. But all together take no more than there is of it.

        Raises:
            MemoryBudgetError: There are too many.

        """
        if not self.has_room:
            raise self._budget.refusal()

    def add(self, watcher: Watcher) -> None:
        """Begin to feed a new watcher."""
        self._added += 1
        self.reckoned += _reckoned(watcher)
        current = self.store.durable_revision
        # (etcd: watchable_store.go, watch)
        if watcher.start_revision == 0:
            # One object for all who come meanwhile.
            if self._following != current + 1:
                self._following = current + 1
            watcher.next_revision = self._following
        if watcher.next_revision > current:
            # Fast path (bench: watch-crowd/100000): UNSYNCED, as it is new, and SYNC.
            watcher.state = WatcherState.SYNCED
            self._synced.add(watcher.start, watcher.until, watcher)
        else:
            self._syncer.add((watcher,))

    def remove(self, watcher: Watcher) -> None:
        """Feed a watcher no more."""
        self._added -= 1
        self.reckoned -= _reckoned(watcher)
        if watcher.state is WatcherState.SYNCED:
            self._synced.remove(watcher.start, watcher.until, watcher)
            # Fast path (bench: watch-crowd/100000): SYNCED and CANCEL.
            watcher.state = WatcherState.CANCELED
            return
        if watcher.state is WatcherState.UNSYNCED:
            self._syncer.remove(watcher)
        elif watcher.state is WatcherState.COMPACTED:
            self._syncer.compacted -= 1
        watcher.move(WatcherInput.CANCEL)

    def remove_all(self, watchers: Iterable[Watcher]) -> None:
        """
        Feed watchers no more: all of a stream that has ended, which may be very many.

        Some of them may still be fed for a few turns of the loop.
        """
        is_idle = not self._leaving
        self._leaving += watchers
        if is_idle:
            self._remove_some()

    def _remove_some(self) -> None:
        leaving = self._leaving
        for watcher in leaving[-REMOVED_PER_TURN:]:
            self.remove(watcher)
        del leaving[-REMOVED_PER_TURN:]
        if leaving:
            self._loop.call_soon(self._remove_some)

    def resume(self, watchers: Iterable[Watcher]) -> None:
        """Go on with watchers that are unsynced: their stream can take more."""
        self._syncer.add(watchers)

    def _sync(self, watcher: Watcher) -> None:
        watcher.move(WatcherInput.SYNC)
        self._synced.add(watcher.start, watcher.until, watcher)

    def _unsync(self, watcher: Watcher, revision: int) -> None:
        self._leave_synced(watcher, revision)
        watcher.stream.note_unsynced(watcher)

    def _fall_behind(self, watcher: Watcher, revision: int) -> None:
        # One that has come since has been notified of more.
        self._leave_synced(watcher, max(watcher.next_revision, revision))
        self._syncer.add((watcher,))

    def _leave_synced(self, watcher: Watcher, revision: int) -> None:
        self._synced.remove(watcher.start, watcher.until, watcher)
        watcher.move(WatcherInput.REFUSE)
        watcher.next_revision = revision


def _reckoned(watcher: Watcher) -> int:
    until = watcher.until
    if until == b"":
        return WATCHER_BYTES + len(watcher.start)
    return RANGE_WATCHER_BYTES + len(watcher.start) + len(until or b"")
