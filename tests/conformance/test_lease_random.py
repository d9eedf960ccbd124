"""Random leases, and keys on them, on both servers: every reply must be the same.

``ETCDPY_SEED`` repeats a run, ``ETCDPY_CONFORMANCE_COUNT`` sets its length.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.conftest import StartPair, steps_of
from tests.conformance.leasing import Leases, grant, revoke
from tests.conformance.messages import EVERYTHING, delete, get, put, txn
from tests.support.seeds import SEED

COUNT = int(os.environ.get("ETCDPY_CONFORMANCE_COUNT") or 1500)

# Far apart, so that how long they have left says the same of both servers.
TTLS = range(100, 9100, 300)
LEASES = range(1, 9)
KEYS = [b"%c" % letter for letter in range(ord("a"), ord("i"))]


class Walk:
    """Does one random thing after another to both servers."""

    def __init__(self, leases: Leases, chance: Random) -> None:
        self._leases = leases
        self._chance = chance
        # No two leases are ever granted or renewed to the same end.
        self._ttls = list(TTLS)
        self._ttl_of: dict[int, int] = {}

    def step(self) -> None:
        steps: list[Callable[[], object]] = [
            self._grant,
            self._revoke,
            self._put,
            self._put,
            self._put,
            self._keep,
            self._delete,
            self._txn,
            self._txn,
            self._keep_alive,
            self._look,
            self._list,
        ]
        self._chance.choice(steps)()

    def _lease(self) -> int:
        """Return one of the leases, or one there never is, or none."""
        lease: int = self._chance.choice([*LEASES, *LEASES, 0, 404])
        return lease

    def _key(self) -> bytes:
        return self._chance.choice(KEYS)

    def _grant(self) -> None:
        lease = self._chance.choice(LEASES)
        if lease in self._ttl_of:
            assert self._leases.error(grant(lease, 100))
            return
        ttl = self._ttl_of[lease] = self._ttls.pop(self._chance.randrange(len(self._ttls)))
        self._leases.send(grant(lease, ttl))

    def _revoke(self) -> None:
        lease = self._lease()
        error = self._leases.error(revoke(lease))
        assert (error is None) == (lease in self._ttl_of)
        if error is None:
            self._ttls.append(self._ttl_of.pop(lease))

    def _put(self) -> None:
        self._leases.error(put(self._key(), b"v", lease=self._lease(), prev_kv=True))

    def _keep(self) -> None:
        keeps_lease = self._chance.random() < 0.5
        request = put(self._key(), ignore_lease=keeps_lease, ignore_value=not keeps_lease)
        self._leases.error(request)

    def _delete(self) -> None:
        self._leases.send(delete(*sorted((self._key(), self._key())), prev_kv=True))

    def _txn(self) -> None:
        first, second, third = self._chance.sample(KEYS, 3)
        self._leases.error(
            txn(
                put(first, lease=self._lease()),
                get(first),
                txn(delete(second), put(third, lease=self._lease())),
                get(*EVERYTHING),
            )
        )

    def _keep_alive(self) -> None:
        leases = [self._lease() for _ in range(3)]
        replies = self._leases.keep_alive(*leases)
        assert [reply.TTL for reply in replies] == [self._ttl_of.get(it, 0) for it in leases]

    def _look(self) -> None:
        lease = self._lease()
        told = self._leases.time_to_live(lease, keys=True)
        assert told.grantedTTL == self._ttl_of.get(lease, 0)

    def _list(self) -> None:
        listed = self._leases.listed()
        assert listed == sorted(self._ttl_of, key=self._ttl_of.__getitem__)


def test_random_leases(start_pair: StartPair) -> None:
    print(f"ETCDPY_SEED={SEED}")
    with start_pair() as pair:
        leases = Leases(pair)
        walk = Walk(leases, Random(SEED))
        count = steps_of(pair, COUNT)
        for number in range(count):
            walk.step()
            if number == count // 2:
                pair.crash()
                leases.tolerance = 20  # one was started after the other
        last = leases.send(put(b"last")).header.revision
        pair.history(2, last)
        for lease in LEASES:
            leases.keys(lease)
        pair.send(pb.RangeRequest(key=b"\0", range_end=b"\0"))
