"""Long leases are written down every five minutes, by a clock that is a number."""

from __future__ import annotations

from etcdpy.lease.checkpoints import Checkpoints
from etcdpy.lease.lessor import Lessor


class Clockwork:
    """A lessor with checkpoints."""

    def __init__(self) -> None:
        self.lessor = Lessor(min_ttl=2, retry_after=7)
        self.checkpoints = Checkpoints(self.lessor)

    def grant(self, lease_id: int, ttl: int, now: float = 0) -> None:
        self.checkpoints.schedule(self.lessor.grant(lease_id, ttl, now), now)

    def due(self, now: float, limit: int = 1000) -> dict[int, int]:
        """Return what is written down: the seconds left of each lease."""
        taken = self.checkpoints.take_due(now, limit)
        return {lease.lease_id: lease.checkpoint for lease in taken}


def test_long_lease_is_written_down_every_five_minutes() -> None:
    it = Clockwork()
    it.grant(1, 1000)
    assert it.due(299) == {}
    assert it.due(300) == {1: 700}
    assert it.due(300) == {}
    assert it.due(600) == {1: 400}
    # 100 seconds would be left: no more than an interval, so it was the last but one.
    assert it.due(900) == {1: 100}
    assert it.due(1200) == {}


def test_lease_of_five_minutes_is_never_written_down() -> None:
    it = Clockwork()
    it.grant(1, 300)
    it.grant(2, 301)
    assert it.due(300) == {2: 1}


def test_part_of_a_second_counts_as_one() -> None:
    it = Clockwork()
    it.grant(1, 1000)
    assert it.due(300.25) == {1: 700}


def test_lease_renewed_just_now_waits_for_the_next_time() -> None:
    it = Clockwork()
    it.grant(1, 1000)
    lease = it.lessor.get(1)
    assert lease is not None
    it.lessor.renew(lease, now=300)
    assert it.due(300) == {}
    assert it.due(600) == {1: 700}


def test_ended_and_revoked_leases_are_not_written_down() -> None:
    it = Clockwork()
    it.grant(1, 301)
    it.grant(2, 1000)
    lease = it.lessor.get(2)
    assert lease is not None
    it.lessor.remove(lease)
    assert it.due(5000) == {}


def test_many_are_written_down_in_parts() -> None:
    it = Clockwork()
    for lease_id in range(1, 11):
        it.grant(lease_id, 1000)
    assert [len(it.due(300, limit=4)) for _ in range(4)] == [4, 4, 2, 0]
