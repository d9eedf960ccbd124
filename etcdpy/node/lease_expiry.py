"""
What time does to leases: they are revoked as they run out, and long ones are written down.

Nothing polls. The keeper knows when the next lease may run out, and a timer is set for then; a
grant or a renewal that ends sooner sets it forward. Between two looks there is some time at
least, so that of many leases which end one after the other each look finds a batch::

    ends          |         | ||| || |                          |
    looks         X         X         X                         X
                            |<- .5 s ->|

So a lease ends up to that much later than it should, as in etcd, and never earlier: not even by
the clock of a client that counts from the answer to its grant (``Clock.transit``).
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Future, Task
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from etcdpy.clock import Clock, Timer
from etcdpy.cooperative import Baton, Steps, turn
from etcdpy.errors import EtcdError, LeaseNotFoundError
from etcdpy.lease.keeper import EXPIRED_PER_SLICE, LeaseKeeper
from etcdpy.lease.lease import Lease, LeaseState
from etcdpy.mvcc import slices
from etcdpy.mvcc.prepared import Deletion, deletion_of
from etcdpy.node.audit import Auditor
from etcdpy.node.caller import Caller, Internal
from etcdpy.node.guard import Who
from etcdpy.node.writer import Writer

logger = logging.getLogger(__name__)

_SELF: Final = Internal("lease expiry")

_FAILURE: Final = "failed to revoke or checkpoint leases"
#: Keys of one lease that the audit log is given: more than it has room for.
MOST_KEYS: Final = 2000
#: Seconds between two looks for leases that have run out (etcd: revokes every 500 ms).
SCAN_INTERVAL = 0.5


class LeaseExpiry:
    """
    Revokes leases: those that run out, and those that a client wants to end.

    Args:
        keeper: Knows when something is due, and how to revoke.
        writer: Gives each revocation its turn among the writes.
        clock: Wakes it.
        check_revoke: Raises if the server may not write; asked before leases expire.

    """

    def __init__(
        self,
        keeper: LeaseKeeper,
        writer: Writer,
        clock: Clock,
        check_revoke: Callable[[], None],
        audit: Auditor | None = None,
    ) -> None:
        self._audit = audit
        self._keeper = keeper
        self._writer = writer
        self._clock = clock
        self._check_revoke = check_revoke
        # Of those who wait for a lease to end, by its id.
        self._ended: dict[int, Future[None]] = {}
        # What resolves when the keys of a lease are in order, by its id; those at it take turns.
        self._ordering: dict[int, Future[None]] = {}
        self._baton = Baton()
        #: How many leases were revoked because they had run out.
        self.expired = 0
        self._is_started = False
        self._timer: Timer | None = None
        self._looking: Task[None] | None = None
        # When the timer is to go off, and before when it must not.
        self._moment = 0.0
        self._earliest = clock.monotonic()

    def start(self) -> None:
        """Begin to revoke leases as they run out, and to write checkpoints."""
        self._is_started = True
        self._keeper.on_sooner = self.note
        self.note()

    async def close(self) -> None:
        """Do nothing more by itself."""
        self._is_started = False
        self._stop_waiting()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def note(self) -> None:
        """
        Set the timer forward if something is due sooner than it was.

        The keeper calls this itself, after grants and renewals.
        """
        if not self._is_started or self._looking is not None:
            return  # the look under way ends with this
        due = self._keeper.next_due()
        if due is None:
            return
        moment = max(due + self._clock.transit, self._earliest)
        if self._timer is None or moment < self._moment:
            self._stop_waiting()
            self._moment = moment
            self._timer = self._clock.wake_at(moment, self._wake)

    async def idle(self) -> None:
        """Wait until the look that is under way is over, if one is."""
        if self._looking is not None:
            await asyncio.wait([self._looking])

    async def look_now(self) -> None:
        """
        Do all that is due by now, without waiting for the next look.

        Whoever has moved the clock sees what that has brought about when this returns.
        """
        while self._looking is not None:
            await self.idle()
        if self._is_started:
            self._stop_waiting()
            self._looking = asyncio.get_running_loop().create_task(self._look())
            await self.idle()

    # ------------------------------------------------------------------ revoking

    async def revoke(
        self, lease_id: int, caller: Caller = _SELF, who: Who = None
    ) -> tuple[int, int]:
        """
        End a lease and delete its keys. Cancelling it once it has begun does not stop it.

        Args:
            lease_id: Which.
            caller: Who wants that.
            who: Who that is, if it was asked.

        Returns:
            The store's revision then, and the sequence of the batch with which it is durable.

        Raises:
            LeaseNotFoundError: If there is no such lease.

        """
        prepared = await self._prepared(lease_id)
        await self._writer.idle()
        lease = self._keeper.lessor.get(lease_id)
        if lease is None:
            raise LeaseNotFoundError
        return await self._writer.write(self._revoke(lease, caller, who, prepared))

    async def ended(self, lease: Lease) -> None:
        """Wait until a lease that has run out is revoked, however long that fails."""
        ended = self._ended.get(lease.lease_id)
        if ended is None:
            ended = self._ended[lease.lease_id] = asyncio.get_running_loop().create_future()
        await asyncio.shield(ended)

    async def expire(self) -> None:
        """
        Revoke every lease that has run out, no faster than the disk takes it.

        Watchers are notified of what became durable at once, however much it is: so not much
        may be on its way.
        """
        log = self._keeper.store.log
        while await self.expire_some():
            if settled := log.unsettled():
                await settled
            else:
                await turn()

    async def expire_some(self) -> bool:
        """Revoke a slice of the leases that have run out; tell whether there may be more."""
        expired = self._keeper.take_expired(self._clock.monotonic() - self._clock.transit)
        for lease in expired:
            await self._expire_one(lease)
        return len(expired) == EXPIRED_PER_SLICE

    async def _expire_one(self, lease: Lease) -> None:
        if not self._may_revoke():
            return  # it comes again
        prepared = await self._prepared(lease.lease_id)
        await self._writer.idle()
        # A client may have revoked it meanwhile, and may even have granted its id again.
        if lease.state is not LeaseState.REVOKED:
            await self._writer.write(self._revoke(lease, _SELF, None, prepared))
            self.expired += 1

    async def _prepared(self, lease_id: int) -> Deletion | None:
        """
        Prepare the deletion of a lease's keys; return None if they are few.

        It is half of what revoking it takes, for the rest of which others have to wait.
        """
        if not self._has_many(lease_id):
            return None
        if before := self._ordering.get(lease_id):
            # Behind whoever is at it, who will have revoked it then.
            await asyncio.wait([before])
            return None
        done = self._ordering[lease_id] = asyncio.get_running_loop().create_future()
        try:
            keys = [*self._keeper.store.attachments.on(lease_id)]
            return await self._baton.run(self._prepare(keys))
        finally:
            del self._ordering[lease_id]
            done.set_result(None)

    def _prepare(self, keys: list[bytes]) -> Steps[Deletion]:
        ordered = yield from slices.in_order(keys)
        return (yield from deletion_of(self._keeper.store, ordered))

    def _has_many(self, lease_id: int) -> bool:
        return len(self._keeper.store.attachments.on(lease_id)) > slices.SLICE

    def _may_revoke(self) -> bool:
        try:
            self._check_revoke()
        except EtcdError:
            return False
        return True

    def _revoke(
        self, lease: Lease, caller: Caller, who: Who, prepared: Deletion | None = None
    ) -> Steps[tuple[int, int]]:
        audit, lease_id = self._audit, lease.lease_id
        if audit is not None:
            keys = self._keeper.store.attachments.on(lease_id)
            # More than that are not told of, and there may be millions.
            some, number = sorted(islice(keys, MOST_KEYS)), len(keys)
        revoked = yield from self._keeper.revoke(lease, prepared)
        if audit is not None:
            audit.lease_ended(lease_id, caller, who, revoked[0], some, number)
        ended = self._ended.pop(lease.lease_id, None)
        if ended is not None and not ended.done():
            ended.set_result(None)
        return revoked

    # ------------------------------------------------------------------- looking

    def _wake(self) -> None:
        self._timer = None
        if self._clock.monotonic() < self._moment:
            self.note()  # a timer of the loop's may go off a little early
            return
        # Mostly it is one lease, which needs no task of its own.
        more = self._expire_at_once()
        if more is None:
            self._note_look()
        else:
            self._looking = asyncio.get_running_loop().create_task(self._look(more))

    def _expire_at_once(self) -> Iterator[Awaitable[object]] | None:
        """
        Revoke what has run out, as far as that is done at once.

        Returns:
            None if that was all; else what is to be waited for, before it is looked for more.

        """
        try:
            expired = self._keeper.take_expired(self._clock.monotonic() - self._clock.transit)
            for number, lease in enumerate(expired):
                if self._writer.busy is not None or self._has_many(lease.lease_id):
                    return map(self._expire_one, expired[number:])
                if self._may_revoke():
                    self._writer.start(self._revoke(lease, _SELF, None))
                    self.expired += 1
        except Exception:
            logger.exception(_FAILURE)
            return None
        is_all = len(expired) < EXPIRED_PER_SLICE and not self._keeper.writes_checkpoints
        return None if is_all else iter(())

    async def _look(self, first: Iterable[Awaitable[object]] = ()) -> None:
        try:
            for revoked in first:
                await revoked
            await self.expire()
            while self._keeper.checkpoint_some(self._clock.monotonic()):
                await turn()
        except Exception:
            # Whatever it was, the next lease to run out is not to live for ever.
            logger.exception(_FAILURE)
        finally:
            self._looking = None
            self._note_look()

    def _note_look(self) -> None:
        self._earliest = self._clock.monotonic() + SCAN_INTERVAL
        self.note()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
