"""
The keeper of leases: what the lessor decides, done to the store.

Granting and revoking are writes like any other. A lease goes together with its keys: one
revision deletes them, in key order, and the same batch removes the lease.
"""

from __future__ import annotations

import asyncio
import random
from asyncio import Future
from collections.abc import Callable
from struct import Struct

from etcdpy.errors import EtcdError, LeaseNotFoundError
from etcdpy.lease.lessor import Lease, Lessor
from etcdpy.mvcc.store import Store
from etcdpy.storage.buckets import Bucket

#: Seconds between two looks for leases that have run out (etcd: revokes every 500 ms).
SCAN_INTERVAL = 0.5
#: Leases revoked between two turns of the loop.
REVOKED_PER_SLICE = 50
#: Seconds after which a revocation that failed is tried again (etcd: the request timeout).
RETRY_AFTER = 7.0
#: Seconds that restored leases get on top: one election timeout, as in etcd.
RESTART_EXTRA = 1.0

_ID = Struct(">q")


class LeaseKeeper:
    """
    Grants, renews and revokes.

    Args:
        store: Whose keys hang on leases.
        lessor: Knows the leases.
        clock: Returns monotonic seconds.
        check_revoke: Raises if the server may not write; asked before leases expire.

    """

    def __init__(
        self,
        store: Store,
        lessor: Lessor,
        clock: Callable[[], float],
        check_revoke: Callable[[], None],
    ) -> None:
        self._store = store
        self.lessor = lessor
        self.clock = clock
        self._check_revoke = check_revoke
        self._revoked: dict[int, Future[None]] = {}
        self._expiring: asyncio.Task[None] | None = None

    def restore(self, stored: list[bytes]) -> None:
        """Bring back the leases of the lease bucket."""
        now = self.clock()
        for encoded in stored:
            self.lessor.restore(encoded, now, RESTART_EXTRA)

    def grant(self, lease_id: int, ttl: int) -> tuple[Lease, Future[None]]:
        """
        Grant a lease; id 0 lets the keeper choose.

        Returns:
            The lease, and what resolves when it is durable.

        Raises:
            LeaseTTLTooLargeError: If the time to live is above the maximum.
            LeaseExistsError: If there is a lease with that id.

        """
        lease = self.lessor.grant(lease_id or self._free_id(), ttl, self.clock())
        self._store.applied_index += 1
        return lease, self._write(lease.lease_id, lease.encoded())

    def renew(self, lease: Lease) -> None:
        """Let a lease start again."""
        had_checkpoint = lease.checkpoint
        self.lessor.renew(lease, self.clock())
        if had_checkpoint:
            self._write(lease.lease_id, lease.encoded())

    def revoke(self, lease_id: int) -> Future[None]:
        """
        End a lease and delete its keys.

        Returns:
            What resolves when that is durable.

        Raises:
            LeaseNotFoundError: If there is no such lease.

        """
        lease = self.lessor.get(lease_id)
        if lease is None:
            raise LeaseNotFoundError
        store = self._store
        keys = sorted(store.attachments.keys_of(lease_id))
        changes = store.begin()
        if keys:
            changes.delete(keys)
        changes.commit()
        self.lessor.remove(lease)
        durable = self._write(lease_id, None)
        revoked = self._revoked.pop(lease_id, None)
        if revoked is not None and not revoked.done():
            revoked.set_result(None)
        return durable

    async def ended(self, lease: Lease) -> None:
        """Wait until a lease that has run out is revoked."""
        revoked = self._revoked.get(lease.lease_id)
        if revoked is None:
            revoked = self._revoked[lease.lease_id] = asyncio.get_running_loop().create_future()
        await asyncio.shield(revoked)

    def remaining(self, lease: Lease) -> float:
        """Return the seconds that a lease has left; negative once it has run out."""
        return lease.deadline - self.clock()

    # ------------------------------------------------------------------ expiry

    def start(self) -> None:
        """Begin to revoke leases as they run out."""
        self._expiring = asyncio.create_task(self._expire_for_ever())

    async def close(self) -> None:
        """Revoke no more."""
        if self._expiring is not None:
            self._expiring.cancel()
            await asyncio.gather(self._expiring, return_exceptions=True)

    async def _expire_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SCAN_INTERVAL)
            while self.expire_some():  # noqa: ASYNC110 - what is waited for is the loop's turn
                await asyncio.sleep(0)

    def expire_some(self) -> bool:
        """Revoke some of the leases that have run out; tell whether there may be more."""
        now = self.clock()
        expired = self.lessor.take_expired(now, REVOKED_PER_SLICE)
        for lease in expired:
            try:
                self._check_revoke()
                self.revoke(lease.lease_id)
            except EtcdError:
                self.lessor.retry(lease, now + RETRY_AFTER)
        return len(expired) == REVOKED_PER_SLICE

    # ----------------------------------------------------------------- helpers

    def _write(self, lease_id: int, encoded: bytes | None) -> Future[None]:
        log = self._store.log
        log.batch.puts[Bucket.LEASE, _ID.pack(lease_id)] = encoded
        log.flush_soon()
        return log.batch.durable

    def _free_id(self) -> int:
        while True:
            lease_id = random.getrandbits(63)  # an id, not a secret
            if lease_id and lease_id not in self.lessor:
                return lease_id
