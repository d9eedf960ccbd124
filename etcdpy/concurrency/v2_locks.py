"""
Locks of the v2 API: queues of keys in the v2 tree.

A name is a directory, and a place in its queue a key in it that is named by its index, as POST to
a directory names keys. Whose number is the lowest holds the lock, as long as its key lives::

    /_etcd/mod/lock/NAME/00000000000000000012    "worker-1"     holds the lock, for 20 seconds more
    /_etcd/mod/lock/NAME/00000000000000000015    "worker-2"     waits, and is kept alive meanwhile

So a lock outlives the server, and all can be seen, and taken away, as keys. Who asks with a value
that a key of the queue has shares that place. (etcd 0.4: ``mod/lock/v2``)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from etcdpy.clock import Clock, Timer
from etcdpy.concurrency.turns import wait_for_turn
from etcdpy.cooperative import turn
from etcdpy.errors import EtcdError, V2Error
from etcdpy.node.v2 import V2Store
from etcdpy.storage import StorageError
from etcdpy.v2.codes import KEY_NOT_FOUND
from etcdpy.v2.events import SECOND
from etcdpy.v2.node import Node, parts_of

__all__ = ["Entry", "LockClosedError", "LockHeldError", "V2Locks"]

ROOT: Final = "/_etcd/mod/lock"

#: How much of its time to live is over when a place is renewed whose client waits. Seldom enough,
#: as each time is a write, and one of the thousand events that the store's history has.
_RENEWED_AFTER: Final = 2 / 3
#: A time to live beyond this is for ever: its end might be no time that can be written.
_LONGEST: Final = 100 * 365 * 24 * 3600


class LockHeldError(Exception):
    """Somebody else holds the lock, and it was not to be waited for."""


class LockClosedError(Exception):
    """The lock was waited for in vain: for too long, or the place in its queue is gone."""


@dataclass(frozen=True)
class Entry:
    """
    A place in a queue.

    Attributes:
        index: Its number.
        value: What was given with it, ``""`` for nothing.

    """

    index: int
    value: str


@dataclass
class _Place:
    """
    A place that requests wait at, or have just been given.

    Attributes:
        sessions: How many requests share it.
        is_held: Whether one of them was told, or one before them, that it has the lock.
        is_leaving: Whether it is about to be taken away.
        ttl: Seconds that it lives unless it is renewed.
        timer: When it is renewed next.

    """

    path: str
    ttl: int
    sessions: int = 0
    is_held: bool = False
    is_leaving: bool = False
    timer: Timer | None = None


@dataclass(eq=False)
class _Wakeup:
    """What a request waits for: that something has happened that is worth a look."""

    is_late: bool = False
    has_waited: bool = False
    has_come: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self.has_come.set()

    def expire(self) -> None:
        self.is_late = True
        self.has_come.set()


class V2Locks:
    """
    The locks of a v2 store.

    Args:
        store: Holds the queues.
        clock: Times how long is waited, and when places are renewed.

    """

    def __init__(self, store: V2Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        #: Those that requests wait at, by their paths.
        self._places: dict[str, _Place] = {}
        #: What is being queued under a value, by directory and value.
        self._entering: dict[tuple[str, str], asyncio.Future[_Place]] = {}
        self._wakeups: set[_Wakeup] = set()
        self._work: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    # ------------------------------------------------------------------- requests

    async def acquire(
        self,
        name: str,
        ttl: int,
        value: str = "",
        timeout: float | None = None,
        has_left: Callable[[], bool] = lambda: False,
    ) -> int:
        """
        Queue for a lock, and wait for it; who asks with the value of a place shares that.

        Cancelling it leaves the queue, unless others wait at the same place or it holds the lock.

        Args:
            name: Of the lock.
            ttl: Seconds that the lock is held unless it is renewed, from when it is had on.
            value: What the place is to be found by, ``""`` for nothing.
            timeout: Seconds to wait, None for any time; with 0 it is tried just once.
            has_left: Tells whether whoever asked is gone, so that it is given to nobody.

        Returns:
            The index of the place.

        Raises:
            LockHeldError: With a timeout of 0, if it has to be waited for.
            LockClosedError: If the time is over, or the place is gone.
            V2Error: If it cannot be queued.

        """
        directory = _directory(name)
        place = await self._place(directory, ttl, value)
        try:
            self._keep_alive(place)
            with self._watching(place.path, timeout) as wakeup:
                await wait_for_turn(
                    lambda: self._before(directory, place, wakeup, has_left),
                    lambda older, _: self._change_of(older, wakeup),
                )
            await self._hold(place, ttl)
        except BaseException as error:
            leaving = self._end_session(place, value)
            if leaving is not None and isinstance(error, Exception):
                # Nobody is told that he waits no more whose place could come back after a crash.
                await asyncio.wait([leaving])
            raise
        self._end_session(place, value)
        return _index_of(place.path)

    async def renew(self, name: str, ttl: int, index: int | None = None, value: str = "") -> None:
        """
        Let a place live for longer, found by its index, or by its value.

        Args:
            name: Of the lock.
            ttl: Seconds from now.
            index: Of the place; then ``value`` is what it is to have from now on, ``""`` for what
                it has.
            value: That of the place, without an index.

        Raises:
            V2Error: 100 if there is no such place.

        """
        path = self._find(name, index, value)
        changes = index is not None and bool(value)
        await self._store.update(
            path, value if changes else "", expires=self._expiry(ttl), refresh=not changes
        )
        if (place := self._places.get(path)) is not None:
            place.ttl = ttl

    async def release(self, name: str, index: int | None = None, value: str = "") -> None:
        """
        Take a place away, whether it holds the lock or waits, found by its index or its value.

        Raises:
            V2Error: 100 if there is no such place.

        """
        await self._store.delete(self._find(name, index, value))

    async def holder(self, name: str) -> Entry | None:
        """
        Return who holds a lock, None if nobody does.

        Raises:
            V2Error: 100 if there has never been such a lock.

        """
        directory = self._store.tree.root.find(parts_of(_directory(name)))
        entries = _entries(directory)
        await self._store.settled()
        if directory is None or not directory.is_directory:
            raise self._not_found()
        if not entries:
            return None
        index, node = min(entries.items())
        return Entry(index, node.value)

    def stop(self) -> None:
        """
        End all waiting: the server is about to stop.

        Whoever waits under a value finds its place again at the next start, if that is soon
        enough; the others' places go.
        """
        self._is_stopping = True
        for wakeup in self._wakeups:
            wakeup.wake()

    async def close(self) -> None:
        """
        End; nothing may be asked for afterwards.

        What was left to be written is on its way to the disk then, and is not waited for: the disk
        may be full, and a place that stays ends by itself.
        """
        self.stop()
        for place in self._places.values():
            _cancel(place)
        # Whatever has been asked for is done to the tree in its first turn.
        await turn()

    # --------------------------------------------------------------------- places

    async def _place(self, directory: str, ttl: int, value: str) -> _Place:
        """
        Return the place that a value has, or else a new one at the end of the queue.

        The caller's session is counted already.
        """
        key = directory, value
        while value and (entering := self._entering.get(key)) is not None:
            # Until it is on the disk it may fail, or be given up.
            await asyncio.wait([entering])
        if value and (found := self._joined(directory, value, ttl)) is not None:
            return found
        # In a task and behind a shield: it goes on to its end whatever becomes of the caller.
        entering = asyncio.ensure_future(self._enter(directory, ttl, value))
        if value:
            self._entering[key] = entering
            entering.add_done_callback(lambda _: self._entering.pop(key))
        try:
            return await asyncio.shield(entering)
        except asyncio.CancelledError:
            self._in_background(self._undo(entering, value))
            raise

    def _joined(self, directory: str, value: str, ttl: int) -> _Place | None:
        entries = _entries(self._store.tree.root.find(parts_of(directory)))
        for index in sorted(entries):
            if entries[index].value != value:
                continue
            path = f"{directory}/{entries[index].name}"
            place = self._places.get(path)
            if place is None:
                # Nobody waits at it any more. The first one holds the lock.
                place = self._places[path] = _Place(path, ttl, is_held=index == min(entries))
            if not place.is_leaving:
                place.ttl = max(place.ttl, ttl)
                place.sessions += 1
                return place
        return None

    async def _enter(self, directory: str, ttl: int, value: str) -> _Place:
        event = await self._store.create(directory, value, unique=True, expires=self._expiry(ttl))
        place = self._places[event.key] = _Place(event.key, ttl, sessions=1)
        return place

    async def _undo(self, entering: asyncio.Future[_Place], value: str) -> None:
        self._end_session(await entering, value)

    def _end_session(self, place: _Place, value: str) -> asyncio.Task[None] | None:
        """
        Note that a request leaves a place; the last takes it away, unless it is held.

        Returns:
            What takes it away, None if it stays.

        """
        place.sessions -= 1
        if place.sessions:
            return None
        _cancel(place)
        if place.is_held or (self._is_stopping and value):
            del self._places[place.path]
            return None
        place.is_leaving = True
        return self._in_background(self._leave(place))

    async def _leave(self, place: _Place) -> None:
        try:
            await self._store.delete(place.path)
        finally:
            del self._places[place.path]

    async def _hold(self, place: _Place, ttl: int) -> None:
        """Let the time of a lock begin that has just been got."""
        try:
            await self._store.update(place.path, "", expires=self._expiry(ttl), refresh=True)
        except V2Error as error:
            # It has ended while its renewal was on its way.
            raise (LockClosedError() if error.code == KEY_NOT_FOUND else error) from None
        place.is_held = True
        _cancel(place)

    def _keep_alive(self, place: _Place) -> None:
        if not place.is_held and place.timer is None:
            place.timer = self._clock.wake_after(
                place.ttl * _RENEWED_AFTER, self._renew_waiting, place
            )

    def _renew_waiting(self, place: _Place) -> None:
        place.timer = None
        self._in_background(self._renewed(place))
        self._keep_alive(place)

    async def _renewed(self, place: _Place) -> None:
        expires = self._expiry(place.ttl)
        await self._store.update(place.path, "", expires=expires, refresh=True)

    # -------------------------------------------------------------------- waiting

    @contextmanager
    def _watching(self, path: str, timeout: float | None) -> Iterator[_Wakeup]:
        """Wake when a place is changed, when the time is over, and when the server stops."""
        wakeup = _Wakeup(is_late=timeout == 0)
        timer = self._clock.wake_after(timeout, wakeup.expire) if timeout else None
        self._wakeups.add(wakeup)
        try:
            with self._woken_by(path, wakeup):
                yield wakeup
        finally:
            self._wakeups.discard(wakeup)
            if timer is not None:
                timer.cancel()

    @contextmanager
    def _woken_by(self, path: str, wakeup: _Wakeup) -> Iterator[None]:
        watcher = self._store.watch(path, stream=True)

        def wake() -> None:
            watcher.take()  # what it was is found out by looking
            wakeup.wake()

        watcher.wake = wake
        try:
            yield
        finally:
            self._store.leave(watcher)

    async def _before(
        self,
        directory: str,
        place: _Place,
        wakeup: _Wakeup,
        has_left: Callable[[], bool],
    ) -> tuple[int, str | None]:
        """Return the path of the youngest place that is older than one's own."""
        wakeup.has_come.clear()
        entries = _entries(self._store.tree.root.find(parts_of(directory)))
        own = _index_of(place.path)
        if own not in entries or self._is_stopping or (wakeup.has_waited and has_left()):
            raise LockClosedError
        older = [index for index in entries if index < own]
        if not older:
            return self._store.tree.index, None
        if wakeup.is_late:
            raise LockClosedError if wakeup.has_waited else LockHeldError
        return self._store.tree.index, f"{directory}/{entries[max(older)].name}"

    async def _change_of(self, path: str, wakeup: _Wakeup) -> None:
        # Nothing was awaited since it was found there: what happens to it is still to come.
        wakeup.has_waited = True
        with self._woken_by(path, wakeup):
            await wakeup.has_come.wait()

    # -------------------------------------------------------------------- helpers

    def _find(self, name: str, index: int | None, value: str) -> str:
        """Return the path of the place that has an index, or is the first that has a value."""
        directory = _directory(name)
        entries = _entries(self._store.tree.root.find(parts_of(directory)))
        if index is None:
            having = [number for number, node in entries.items() if node.value == value]
            index = min(having, default=None)
        if index is None or index not in entries:
            raise self._not_found()
        return f"{directory}/{entries[index].name}"

    def _not_found(self) -> V2Error:
        return V2Error(KEY_NOT_FOUND, "", self._store.tree.index)

    def _expiry(self, ttl: int) -> int | None:
        return None if ttl > _LONGEST else self._store.now() + ttl * SECOND

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(_quietly(work))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task


def _directory(name: str) -> str:
    return f"{ROOT}/{name}"


def _entries(directory: Node | None) -> dict[int, Node]:
    """Return the places of a queue by their numbers; whatever else is there is none."""
    children = directory.children if directory is not None else None
    return {
        int(name): node
        for name, node in (children or {}).items()
        if name.isdecimal() and name.isascii() and not node.is_directory
    }


def _index_of(path: str) -> int:
    return int(path.rpartition("/")[2])


def _cancel(place: _Place) -> None:
    if place.timer is not None:
        place.timer.cancel()
        place.timer = None


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    """Do something of which nobody hears if it is refused."""
    with suppress(V2Error, EtcdError, StorageError):
        await work
