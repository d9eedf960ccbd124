"""
Random leases over crashes: nothing ends too early, too late, twice or never.

The clock is a number, and a crash leaves what was on the disk.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from etcdpy.cooperative import finish
from etcdpy.lease import LeaseKeeper, LeaseRules
from etcdpy.lease.checkpoints import INTERVAL
from etcdpy.mvcc.restore import restore
from etcdpy.mvcc.store import Store
from etcdpy.storage import Bucket
from tests.unit.mvcc.fake_log import Disk, FakeLog

STEPS = 600
#: Seconds between two looks at the clock, at the most.
LONGEST_PASS = 60


@dataclass(frozen=True)
class Known:
    """What is known of a lease: its keys, and between when and when it has to end."""

    ttl: float
    earliest: float
    latest: float
    keys: frozenset[bytes] = frozenset()


@dataclass
class Model:
    """The leases there should be."""

    leases: dict[int, Known] = field(default_factory=dict)
    #: Ended for good: that they did is on the disk.
    ended: set[int] = field(default_factory=set)

    def copy(self) -> Model:
        return Model(dict(self.leases), set(self.ended))


class Server:
    """A store and its leases, with a clock to set, beside the model of them."""

    def __init__(self, chance: random.Random, *, checkpoints: bool) -> None:
        self.chance = chance
        self.rules = LeaseRules(checkpoints=checkpoints)
        self.now = self.started = self.settled = 0.0
        self.model = Model()
        #: What the model was when everything was on the disk.
        self.durable = Model()
        self.next_id = 1
        self._start(Disk())

    def _start(self, disk: Disk) -> None:
        self.log = FakeLog(disk)
        self.store = Store(self.log)
        self.log.serve(self.store)
        restore(self.store, self.log)
        self.keeper = LeaseKeeper(self.store, self.rules)
        self.keeper.restore((row for _, row in self.log.items(Bucket.LEASE)), self.now)

    # ---------------------------------------------------------------- the steps

    def grant(self) -> None:
        ttl = self.chance.choice((2, 10, 60, 299, 301, 1000, 5000))
        lease, self.next_id = self.next_id, self.next_id + 1
        self.keeper.grant(lease, ttl, self.now)
        self.model.leases[lease] = Known(ttl, self.now + ttl, self.now + ttl)

    def put(self) -> None:
        if lease := self._any():
            known = self.model.leases[lease]
            key = b"%d of %d" % (len(known.keys), lease)
            changes = self.store.begin()
            changes.put(key, b"", lease)
            changes.commit()
            self.model.leases[lease] = replace(known, keys=known.keys | {key})

    def renew(self) -> None:
        lease = self.keeper.lessor.get(self._any())
        if lease is not None and lease.remaining(self.now) > 0:
            self.keeper.renew(lease, self.now)
            known = self.model.leases[lease.lease_id]
            end = self.now + known.ttl
            self.model.leases[lease.lease_id] = replace(known, earliest=end, latest=end)

    def revoke(self) -> None:
        if lease := self.keeper.lessor.get(self._any()):
            finish(self.keeper.revoke(lease))
            self._end(lease.lease_id)

    def pass_time(self) -> None:
        for _ in range(self.chance.randrange(1, 20)):
            self.now += self.chance.choice((0.5, 5, LONGEST_PASS))
            while expired := self.keeper.take_expired(self.now):
                for lost in expired:
                    finish(self.keeper.revoke(lost))
            while self.keeper.checkpoint_some(self.now):
                pass
            for lease, known in [*self.model.leases.items()]:
                if known.latest <= self.now or lease not in self.keeper.lessor:
                    assert known.earliest <= self.now, "it ended too early"
                    assert lease not in self.keeper.lessor, "it ends too late"
                    self._end(lease)

    def settle(self) -> None:
        """Let the disk do what is under way."""
        self.log.flush()
        self.log.settle()
        self.durable = self.model.copy()
        self.settled = self.now

    def crash(self) -> None:
        """Lose what is not on the disk, be away for a while, and start."""
        crashed, up = self.now, self.settled - self.started
        self.model = self.durable.copy()
        self.now += self.chance.choice((0, 1, 1000))
        extra = self.rules.restart_extra
        for lease, known in self.model.leases.items():
            earliest = latest = known.ttl
            if self.rules.checkpoints:
                # What is written down was left at some time before the crash ...
                earliest = min(known.ttl, max(0, known.earliest - crashed))
                if up > 2 * INTERVAL:
                    # ... and not long before: an interval, one pass of time, and rounded up.
                    age = INTERVAL + LONGEST_PASS + 1
                    latest = min(known.ttl, known.latest - self.settled + age)
            self.model.leases[lease] = replace(
                known, earliest=self.now + earliest + extra, latest=self.now + latest + extra
            )
        self.durable = self.model.copy()
        self.settled = self.started = self.now
        self._start(self.log.disk)

    # -------------------------------------------------------------- what is seen

    def check(self) -> None:
        leases = {lease.lease_id for lease in self.keeper.lessor}
        assert leases == self.model.leases.keys()
        assert not leases & self.model.ended, "it came back"
        keys, _ = self.store.index.scan(b"\0", None, self.store.revision, 1 << 20)
        expected = [known.keys for known in self.model.leases.values()]
        assert set(keys) == frozenset().union(*expected)
        for lease, known in self.model.leases.items():
            assert set(self.store.attachments.on(lease)) == known.keys

    def _any(self) -> int:
        return self.chance.choice([*self.model.leases] or [0])

    def _end(self, lease: int) -> None:
        del self.model.leases[lease]
        self.model.ended.add(lease)


@pytest.mark.parametrize("checkpoints", [False, True], ids=["full times", "checkpoints"])
@pytest.mark.parametrize("seed", range(8))
async def test_leases_end_when_they_should_however_often_the_server_dies(
    seed: int, checkpoints: bool
) -> None:
    chance = random.Random(seed)
    server = Server(chance, checkpoints=checkpoints)
    crashes = 0
    for _ in range(STEPS):
        step = chance.choices(
            ["grant", "put", "renew", "revoke", "pass_time", "settle", "crash"],
            [10, 20, 10, 2, 10, 10, 3],
        )[0]
        crashes += step == "crash"
        getattr(server, step)()
        server.check()
    assert crashes
    for _ in range(400):
        server.pass_time()
    server.settle()
    server.check()
    assert not server.model.leases, "some never end"
    assert not [*server.log.items(Bucket.LEASE)]
    assert len(server.model.ended) > 20
