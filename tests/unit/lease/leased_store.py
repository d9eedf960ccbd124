"""A store whose keys hang on leases, a clock to move, and a disk that writes when told to."""

from __future__ import annotations

from etcdpy.cooperative import finish
from etcdpy.errors import CorruptError
from etcdpy.lease import Lease, LeaseKeeper, LeaseRules
from etcdpy.mvcc.store import Store
from etcdpy.node.lease_expiry import LeaseExpiry
from etcdpy.node.writer import Writer
from etcdpy.pb.lease_pb2 import Lease as StoredLease
from etcdpy.storage import Bucket
from etcdpy.testing import MovableClock
from tests.unit.mvcc.fake_log import FakeLog


class LeasedStore:
    """A keeper of leases with its store, what expires them, and an alarm to raise."""

    def __init__(self, rules: LeaseRules | None = None, now: float = 1000.0) -> None:
        self.log = FakeLog()
        self.store = Store(self.log)
        self.log.serve(self.store)
        self.clock = MovableClock(monotonic=now)
        self.is_corrupt = False
        self.keeper = LeaseKeeper(self.store, rules or LeaseRules())
        self.writer = Writer(self.store)
        self.expiry = LeaseExpiry(self.keeper, self.writer, self.clock, self._check_revoke)

    def _check_revoke(self) -> None:
        if self.is_corrupt:
            raise CorruptError

    @property
    def now(self) -> float:
        return self.clock.monotonic()

    def grant(self, lease_id: int, ttl: int) -> Lease:
        lease, _ = self.keeper.grant(lease_id, ttl, self.now)
        return lease

    def revoke(self, lease_id: int) -> tuple[int, int]:
        """Revoke a lease in one go; return the revision and the batch's sequence."""
        lease = self.keeper.lessor.get(lease_id)
        assert lease is not None
        return finish(self.keeper.revoke(lease))

    def put(self, key: bytes, lease: int) -> None:
        changes = self.store.begin()
        changes.put(key, b"v", lease)
        changes.commit()

    def has(self, key: bytes) -> bool:
        return self.store.get(key, self.store.revision) is not None

    def stored(self) -> dict[int, StoredLease]:
        """Return what is in the lease bucket on the disk, once everything is on it."""
        self.log.flush()
        self.log.settle()
        rows = [StoredLease.FromString(row) for _, row in self.log.items(Bucket.LEASE)]
        return {row.ID: row for row in rows}

    def restarted(self) -> LeasedStore:
        """Return the same on a server that starts on what is on the disk."""
        after = LeasedStore(now=self.now)
        self.stored()
        after.keeper.restore((row for _, row in self.log.items(Bucket.LEASE)), self.now)
        return after
