"""
The keeper of leases: what the lessor decides, done to the store.

Granting and revoking are writes like any other. A lease goes together with its keys: one
revision deletes them, in key order, and the same batch removes the lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from asyncio import Future
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from struct import Struct

from etcdpy.cooperative import Steps
from etcdpy.errors import EtcdError, LeaseNotFoundError
from etcdpy.lease.checkpoints import Checkpoints
from etcdpy.lease.lessor import Lease, Lessor
from etcdpy.mvcc import slices
from etcdpy.mvcc.store import Store
from etcdpy.mvcc.writes import write
from etcdpy.storage.buckets import Bucket

logger = logging.getLogger(__name__)

#: Seconds between two looks for leases that have run out (etcd: revokes every 500 ms).
SCAN_INTERVAL = 0.5
#: Leases revoked between two turns of the loop: about a millisecond.
REVOKED_PER_SLICE = 50
#: Leases written down between two turns of the loop (etcd: maxLeaseCheckpointBatchSize).
CHECKPOINTS_PER_SLICE = 500

_ID = Struct(">q")


@dataclass(frozen=True)
class LeaseRules:
    """
    What a server's settings say of leases; the defaults are those of etcd's.

    Attributes:
        min_ttl: Shortest time to live that is granted: one and a half election timeouts,
            rounded up to seconds (etcd: minLeaseTTL).
        restart_extra: Seconds that restored leases get on top: one election timeout.
        retry_after: Seconds after which a revocation that failed is tried again: the
            request timeout.
        checkpoints: Whether what long leases have left is written down now and then.

    """

    min_ttl: int = 2
    restart_extra: float = 1.0
    retry_after: float = 7.0
    checkpoints: bool = False


class LeaseKeeper:
    """
    Grants, renews and revokes.

    Args:
        store: Whose keys hang on leases.
        rules: What the server's settings say.
        clock: Returns monotonic seconds.
        check_revoke: Raises if the server may not write; asked before leases expire.

    """

    def __init__(
        self,
        store: Store,
        rules: LeaseRules,
        clock: Callable[[], float],
        check_revoke: Callable[[], None],
    ) -> None:
        self._store = store
        self._rules = rules
        self.clock = clock
        self._check_revoke = check_revoke
        self.lessor = Lessor(rules.min_ttl, rules.retry_after)
        self._checkpoints = Checkpoints(self.lessor) if rules.checkpoints else None
        self._ended: dict[int, Future[None]] = {}
        self._watch: asyncio.Task[None] | None = None

    def restore(self, stored: Iterable[bytes]) -> None:
        """Bring back the leases of the lease bucket."""
        now = self.clock()
        self.lessor.restore(stored, now, self._rules.restart_extra)
        if self._checkpoints is not None:
            for lease in self.lessor:
                self._checkpoints.schedule(lease, now)

    def grant(self, lease_id: int, ttl: int) -> tuple[Lease, Future[None]]:
        """
        Grant a lease; id 0 lets the keeper choose.

        Returns:
            The lease, and what resolves when it is durable.

        Raises:
            LeaseTTLTooLargeError: If the time to live is above the maximum.
            LeaseExistsError: If there is a lease with that id.

        """
        now = self.clock()
        lease = self.lessor.grant(lease_id or self._free_id(), ttl, now)
        if self._checkpoints is not None:
            self._checkpoints.schedule(lease, now)
        self._store.applied_index += 1
        return lease, self._write(lease.lease_id, lease.encoded())

    def renew_at_once(self, lease_id: int) -> Lease | None:
        """
        Let a lease start again, if nothing must be written for it.

        Returns:
            The lease; None if it is not there, has run out, or has a checkpoint.

        """
        return self.lessor.renew_plain(lease_id, self.clock())

    def renew(self, lease: Lease) -> Future[None] | None:
        """
        Let a lease that has not run out start again.

        Returns:
            What resolves when that is durable, None if nothing had to be written: a
            checkpoint must not outlive the renewal that the client is told of.

        """
        now = self.clock()
        had_checkpoint = lease.checkpoint
        self.lessor.renew(lease, now)
        if not had_checkpoint:
            return None
        if self._checkpoints is not None:
            self._checkpoints.schedule(lease, now)
        self._store.applied_index += 1
        return self._write(lease.lease_id, lease.encoded())

    async def revoke(self, lease_id: int) -> tuple[int, Future[None]]:
        """
        End a lease and delete its keys.

        Returns:
            The store's revision then, and what resolves when that is durable.

        Raises:
            LeaseNotFoundError: If there is no such lease.

        """
        store = self._store
        if store.busy is not None:
            await store.idle()
        lease = self.lessor.get(lease_id)
        if lease is None:
            raise LeaseNotFoundError
        return await write(store, self._revoke(lease))

    def _revoke(self, lease: Lease) -> Steps[tuple[int, Future[None]]]:
        store, lease_id = self._store, lease.lease_id
        changes = store.begin()
        keys = [*store.attachments.keys_of(lease_id)]
        keys = yield from slices.sort(keys, key=bytes, descending=False, limit=None)
        yield from changes.delete_all(keys)
        changes.commit()
        self.lessor.remove(lease)
        durable = self._write(lease_id, None)
        ended = self._ended.pop(lease_id, None)
        if ended is not None and not ended.done():
            ended.set_result(None)
        return store.revision, durable

    async def ended(self, lease: Lease) -> None:
        """Wait until a lease that has run out is revoked, however long that fails."""
        ended = self._ended.get(lease.lease_id)
        if ended is None:
            ended = self._ended[lease.lease_id] = asyncio.get_running_loop().create_future()
        await asyncio.shield(ended)

    def remaining(self, lease: Lease) -> float:
        """Return the seconds that a lease has left; negative once it has run out."""
        return lease.deadline - self.clock()

    # ---------------------------------------------------- what time brings about

    def start(self) -> None:
        """Begin to revoke leases as they run out, and to write checkpoints."""
        self._watch = asyncio.create_task(self._watch_time())

    async def close(self) -> None:
        """Do nothing more by itself."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def _watch_time(self) -> None:
        while True:
            await asyncio.sleep(SCAN_INTERVAL)
            try:
                await self.expire()
                while self.checkpoint_some():  # noqa: ASYNC110 - what is waited for is a turn
                    await asyncio.sleep(0)
            except Exception:
                # Whatever it was, the next lease to run out is not to live for ever.
                logger.exception("failed to revoke or checkpoint leases")

    async def expire(self) -> None:
        """
        Revoke every lease that has run out, no faster than the disk takes it.

        What became durable is told to watchers at once, however much it is: so not much may
        be on its way.
        """
        while await self.expire_some():
            if settled := self._store.settled():
                await settled
            else:
                await asyncio.sleep(0)

    async def expire_some(self) -> bool:
        """Revoke some of the leases that have run out; tell whether there may be more."""
        expired = self.lessor.take_expired(self.clock(), REVOKED_PER_SLICE)
        for lease in expired:
            try:
                self._check_revoke()
            except EtcdError:
                continue  # it comes again
            with contextlib.suppress(LeaseNotFoundError):  # revoked while this one waited
                await self.revoke(lease.lease_id)
        return len(expired) == REVOKED_PER_SLICE

    def checkpoint_some(self) -> bool:
        """Write down some of the leases whose time it is; tell whether there may be more."""
        if self._checkpoints is None:
            return False
        due = self._checkpoints.take_due(self.clock(), CHECKPOINTS_PER_SLICE)
        for lease in due:
            self._write(lease.lease_id, lease.encoded())
        if due:
            self._store.applied_index += 1
        return len(due) == CHECKPOINTS_PER_SLICE

    # ----------------------------------------------------------------- helpers

    def _write(self, lease_id: int, encoded: bytes | None) -> Future[None]:
        store_log = self._store.log
        store_log.batch.puts[Bucket.LEASE, _ID.pack(lease_id)] = encoded
        store_log.flush_soon()
        return store_log.batch.durable

    def _free_id(self) -> int:
        while True:
            lease_id = random.getrandbits(63)  # an id, not a secret
            if lease_id and lease_id not in self.lessor:
                return lease_id
