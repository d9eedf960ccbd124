"""
The keeper of leases: what the lessor decides, done to the store.

Granting and revoking are writes like any other. A lease goes together with its keys: one
revision deletes them, in key order, and the same batch removes the lease.

It reads no clock and knows no loop: every call that depends on time is told it, in seconds of a
clock that never falls, and revoking is a generator, run by whoever has a loop
(``node.lease_expiry``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from struct import Struct
from typing import Final, NamedTuple

from etcdpy.cooperative import Steps
from etcdpy.lease.checkpoints import Checkpoints
from etcdpy.lease.lease import Lease
from etcdpy.lease.lessor import Lessor
from etcdpy.mvcc import slices
from etcdpy.mvcc.prepared import Deletion
from etcdpy.mvcc.store import Store
from etcdpy.storage.buckets import Bucket

#: Leases that ``take_expired`` hands out at once: revoking them takes about a millisecond.
EXPIRED_PER_SLICE = 50
#: Leases written down between two turns of the loop (etcd: maxLeaseCheckpointBatchSize).
CHECKPOINTS_PER_SLICE = 500

_ID = Struct(">q")


class LeaseRules(NamedTuple):
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

    Attributes:
        store: Whose keys hang on leases.
        lessor: Knows the leases.
        renew_at_once: Called with a lease's id and the time, lets it start again if nothing
            must be written for that, and returns it; returns None if it is not there, has run
            out, or has a checkpoint, for which there is ``renew``.
        on_sooner: Called when ``next_due`` may have come nearer, after a grant or a renewal.

    """

    def __init__(self, store: Store, rules: LeaseRules) -> None:
        self.store: Final = store
        self._rules = rules
        self.on_sooner: Callable[[], None] = _do_nothing
        self.lessor: Final = Lessor(rules.min_ttl, rules.retry_after, self._sooner)
        # Fast path (bench: keepalive): the lessor's own method, without a call in between.
        self.renew_at_once: Final[Callable[[int, float], Lease | None]] = self.lessor.renew_plain
        self._checkpoints = Checkpoints(self.lessor) if rules.checkpoints else None

    def restore(self, stored: Iterable[bytes], now: float) -> None:
        """Bring back the leases of the lease bucket."""
        self.lessor.restore(stored, now, self._rules.restart_extra)
        if self._checkpoints is not None:
            for lease in self.lessor:
                self._checkpoints.schedule(lease, now)

    def grant(self, lease_id: int, ttl: int, now: float) -> tuple[Lease, int]:
        """
        Grant a lease; id 0 lets the keeper choose.

        Returns:
            The lease, and the sequence of the batch with which it is durable.

        Raises:
            LeaseTTLTooLargeError: If the time to live is above the maximum.
            LeaseExistsError: If there is a lease with that id.

        """
        lease = self.lessor.grant(lease_id or self._free_id(), ttl, now)
        if self._checkpoints is not None:
            self._checkpoints.schedule(lease, now)
        self.store.applied_index += 1
        sequence = self._write(lease.lease_id, lease.encoded())
        self.on_sooner()
        return lease, sequence

    def renew(self, lease: Lease, now: float) -> int | None:
        """
        Let a lease that has not run out start again.

        Returns:
            The sequence of the batch with which that is durable, None if nothing had to be
            written: a checkpoint must not outlive the renewal that the client hears of.

        """
        had_checkpoint = lease.checkpoint
        self.lessor.renew(lease, now)
        if not had_checkpoint:
            return None
        if self._checkpoints is not None:
            self._checkpoints.schedule(lease, now)
        self.store.applied_index += 1
        sequence = self._write(lease.lease_id, lease.encoded())
        self.on_sooner()
        return sequence

    def revoke(self, lease: Lease, prepared: Deletion | None = None) -> Steps[tuple[int, int]]:
        """
        End a lease, which exists, and delete its keys: a write transaction in slices.

        Args:
            lease: Which.
            prepared: The deletion of its keys, as they were lately; it is taken over.

        Returns:
            The store's revision then, and the sequence of the batch with which it is durable.

        """
        store, lease_id = self.store, lease.lease_id
        changes = store.begin()
        attached = store.attachments.on(lease_id)
        rows: list[bytes] | None = None
        if prepared is not None and (yield from _are_all(prepared.keys, attached)):
            keys, rows, _ = prepared
        else:
            keys = yield from slices.in_order([*attached])
        # A deletion for each. (etcd: lessor.go, Revoke)
        store.operations.deletes += len(keys)
        store.operations.txns += len(keys) > 1
        yield from changes.delete_all(keys, rows)
        changes.commit()
        self.lessor.remove(lease)
        return store.revision, self._write(lease_id, None)

    # ---------------------------------------------------- what time brings about

    def next_due(self) -> float | None:
        """
        Return when to look for what time brings about, None if there is nothing to wait for.

        Before, ``take_expired`` and ``checkpoint_some`` have nothing to do.
        """
        due = self.lessor.next_due()
        if self._checkpoints is not None and (other := self._checkpoints.next_due()) is not None:
            return other if due is None else min(due, other)
        return due

    @property
    def writes_checkpoints(self) -> bool:
        """Whether ``checkpoint_some`` may ever have something to do."""
        return self._checkpoints is not None

    def take_expired(self, now: float) -> list[Lease]:
        """
        Hand out leases that have run out, longest ago first, up to ``EXPIRED_PER_SLICE``.

        The caller revokes them; those it cannot revoke come again after a while.
        """
        return self.lessor.take_expired(now, EXPIRED_PER_SLICE)

    def checkpoint_some(self, now: float) -> bool:
        """Write down some of the leases whose time it is; tell whether there may be more."""
        if self._checkpoints is None:
            return False
        due = self._checkpoints.take_due(now, CHECKPOINTS_PER_SLICE)
        for lease in due:
            self._write(lease.lease_id, lease.encoded())
        if due:
            self.store.applied_index += 1
        return len(due) == CHECKPOINTS_PER_SLICE

    # ----------------------------------------------------------------- helpers

    def _write(self, lease_id: int, encoded: bytes | None) -> int:
        """Put a lease into the gathering batch, or take it out; return the batch's sequence."""
        log = self.store.log
        log.batch.puts[Bucket.LEASE, _ID.pack(lease_id)] = encoded
        log.flush_soon()
        return log.batch.sequence

    def _sooner(self) -> None:
        self.on_sooner()

    def _free_id(self) -> int:
        while True:
            lease_id = random.getrandbits(63)  # an id, not a secret
            if lease_id and lease_id not in self.lessor:
                return lease_id


def _are_all(keys: list[bytes], attached: Collection[bytes]) -> Steps[bool]:
    """Tell whether keys, no two of which are the same, are those that are attached."""
    if len(keys) != len(attached):
        return False
    for first in range(0, len(keys), slices.FOUND_SLICE):
        if first:
            yield
        if not all(map(attached.__contains__, keys[first : first + slices.FOUND_SLICE])):
            return False
    return True


def _do_nothing() -> None:
    """Serve as a callback while there is no other."""
