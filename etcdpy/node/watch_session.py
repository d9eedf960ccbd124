"""One client's watches, created and cancelled as it asks."""

from __future__ import annotations

import asyncio
import random

from etcdpy.clock import Clock, Timer
from etcdpy.cooperative import Steps, run, started
from etcdpy.errors import (
    CompactedError,
    DuplicateWatchIdError,
    EmptyWatchRangeError,
    EtcdError,
    WatchRefusedError,
)
from etcdpy.memory import Loan
from etcdpy.mvcc.keyrange import bounds
from etcdpy.node.admission import Admission
from etcdpy.node.caller import Caller
from etcdpy.node.parts import Settings
from etcdpy.pb.rpc_pb2 import WatchCreateRequest
from etcdpy.watch import Hub, ResponseWriter, Watcher, WatchStream
from etcdpy.watch.watcher import FRAGMENTS, NO_DELETES, NO_PUTS, PREVIOUS, PROGRESS

#: How much longer than the interval a stream's progress ticks may be apart, as a share of it:
#: drawn once for each stream, so that not all of them tick together.
PROGRESS_JITTER = 0.1

#: Bytes of the keys of a watch from which on they are counted, for as long as it is there.
LONG_KEYS = 1024


class WatchSession:
    """
    One client's stream: its watches, its progress ticks, and a task while responses wait.

    Args:
        hub: Feeds the watches.
        writer: Takes the responses.
        admission: Asked for each watch.
        caller: Who watches.

    """

    __slots__ = (
        "_admission",
        "_admit",
        "_caller",
        "_clock",
        "_hub",
        "_interval",
        "_is_open",
        "_keys",
        "_opened",
        "_ticking",
        "_writing",
        "output",
        "stream",
    )

    def __init__(
        self,
        hub: Hub,
        settings: Settings,
        clock: Clock,
        writer: ResponseWriter,
        admission: Admission,
        caller: Caller,
    ) -> None:
        self._admission = admission
        self._admit = admission.gate("watch")
        self._caller = caller
        self._clock = clock
        self._hub = hub
        self.stream = WatchStream(hub, settings.max_message_bytes, writer, self._start_writing)
        self.output = self.stream.output
        # Those whose keys are long, by their ids.
        self._keys: dict[int, Loan] = {}
        self._writing: asyncio.Task[None] | None = None
        # What leads to the next tick: a timer, or a task while there is one of very many watches.
        self._ticking: Timer | asyncio.Task[None] | None = None
        self._opened = clock.monotonic()
        # (etcd: v3rpc/watch.go, GetProgressReportInterval)
        hub.streams += 1
        self._is_open = True
        jitter = random.random() * PROGRESS_JITTER  # noqa: S311
        self._interval = settings.progress_interval * (1 + jitter)

    def create(self, request: WatchCreateRequest) -> None:
        """
        Create a watcher, and confirm it on the stream.

        Raises:
            CompactedError: If it is to start at a revision below 0.
            WatchRefusedError: If its keys are not the caller's to read.
            EmptyWatchRangeError: If its keys end before they start.
            DuplicateWatchIdError: If the stream has one of that id.
            MemoryBudgetError: If all clients have too many, or its keys are long, and those of all
                watches are too much.

        """
        # The order of the checks is etcd's. (etcd: v3rpc/watch.go, recvLoop)
        stream, since = self.stream, request.start_revision
        if since < 0:
            raise CompactedError
        try:
            self._admit(request, self._caller)
        except EtcdError as error:
            raise WatchRefusedError(error) from None
        # No key stands for the first there can be. (etcd: v3rpc/watch.go, recvLoop)
        start, stop = bounds(request.key or b"\0", request.range_end)
        if stop is not None and stop <= start:
            raise EmptyWatchRangeError
        self._hub.check_room()
        watch_id = request.watch_id
        if not watch_id:
            watch_id = stream.free_id()
        elif watch_id in stream.watchers:
            raise DuplicateWatchIdError
        if len(start) + len(stop or b"") >= LONG_KEYS:
            self._keep(watch_id, len(start) + len(stop or b""))
        wishes = _wishes(request)
        stream.create(Watcher(stream, watch_id, start, stop, since, wishes))
        # Most streams never want to be told, and cost no timer.
        if wishes & PROGRESS and self._ticking is None:
            self._start_ticking()

    def create_encoded(self, message: bytes) -> bool:
        """
        Do what ``create`` does, if that is what an encoded WatchRequest asks, and there is no more
        to it than which keys: nothing that could be refused.

        Returns:
            Whether it was done; nothing was if not.

        """
        # Fast path (bench: watch-crowd/100000): no message is made, and none of its fields is
        # looked at.
        keys = _plain_keys(message)
        if keys is None or self._admission.guard is not None or self.output.is_full:
            return False
        stream = self.stream
        if not self._hub.has_room:
            return False
        start, stop = keys
        stream.create(Watcher(stream, stream.free_id(), start, stop))
        return True

    def cancel(self, watch_id: int) -> None:
        """End a watcher, and confirm it; etcd meets an unknown one with silence."""
        self.stream.cancel(watch_id)
        if self._keys:
            self._let_go(watch_id)

    def _keep(self, watch_id: int, size: int) -> None:
        account = self._hub.keys
        if account.is_over_without(-size):
            raise account.budget.refusal()
        # What the stream has ended by itself may have had the same id.
        self._let_go(watch_id)
        loan = self._keys[watch_id] = Loan(account)
        loan.keep(size)

    def _let_go(self, watch_id: int) -> None:
        if loan := self._keys.pop(watch_id, None):
            loan.close()

    @property
    def is_open(self) -> bool:
        """Whether its client is still there."""
        return self._is_open

    async def progress(self) -> None:
        """Tell how far all watchers have come, behind all that was durable when it was asked."""
        if passed := self._hub.passed():
            await passed
        await run(self.stream.send_progress())

    def close(self) -> None:
        """End the watchers, and writing."""
        self._hub.streams -= self._is_open
        self._is_open = False
        self.stream.close()
        for loan in self._keys.values():
            loan.close()
        self._keys.clear()
        if self._writing is not None:
            self._writing.cancel()
            # One that has not begun yet never comes to say so, and refers to this.
            self._writing = None
        if self._ticking is not None:
            self._ticking.cancel()

    def _start_ticking(self) -> None:
        # etcd: ticks count from when the stream was opened.
        passed = (self._clock.monotonic() - self._opened) // self._interval
        self._schedule_tick(self._opened + (passed + 1) * self._interval)

    def _schedule_tick(self, at: float) -> None:
        self._ticking = self._clock.wake_at(at, self._tick, at)

    def _tick(self, at: float) -> None:
        rest = started(self.stream.tick())
        if rest is None:
            self._schedule_tick(at + self._interval)
        else:
            self._ticking = asyncio.get_running_loop().create_task(self._tick_on(rest, at))

    async def _tick_on(self, rest: Steps[None], at: float) -> None:
        await self._hub.ticks.rest(rest)
        if self._is_open:
            # What came due meanwhile is left out. (Go: time.Ticker)
            passed = (self._clock.monotonic() - at) // self._interval
            self._schedule_tick(at + (passed + 1) * self._interval)

    def _start_writing(self) -> None:
        self._hub.wakings.call(self._write_soon)

    def _write_soon(self) -> None:
        # It may have been closed, or stopped and started again, since.
        if self._is_open and self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            await self.output.drain(self._hub.wakings.turn)
        except Exception:  # noqa: BLE001 - each wire has its own for a call that has ended
            self.stream.close()
        finally:
            self._writing = None


def _plain_keys(message: bytes) -> tuple[bytes, bytes | None] | None:
    """
    Return the start and the stop of what a WatchRequest asks to watch, if it is just like this::

        0a <length> 0a <length> key
        0a <length> 0a <length> key 12 <length> range_end

    with lengths below 128, and keys that end behind their start.
    """
    size = len(message)
    # A last byte of a length below 128 is all of it.
    if not 4 < size < 130 or message[0] != 0x0A or message[1] != size - 2 or message[2] != 0x0A:
        return None
    end = 4 + message[3]
    key = message[4:end]
    if end == size:
        return key, key + b"\0"
    if end + 2 >= size or message[end] != 0x12 or end + 2 + message[end + 1] != size or not key:
        return None
    range_end = message[end + 2 :]
    return (key, range_end) if range_end > key else None


def _wishes(request: WatchCreateRequest) -> int:
    wishes = 0
    if filters := request.filters:
        wishes = NO_PUTS if WatchCreateRequest.NOPUT in filters else 0
        wishes |= NO_DELETES if WatchCreateRequest.NODELETE in filters else 0
    if request.prev_kv:
        wishes |= PREVIOUS
    if request.progress_notify:
        wishes |= PROGRESS
    if request.fragment:
        wishes |= FRAGMENTS
    return wishes
