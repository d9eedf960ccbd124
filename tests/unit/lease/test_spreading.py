"""After a restart, leases that would end together get a little longer, one after the other."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from etcdpy.lease.lease import Lease
from etcdpy.lease.spreading import ENDS_PER_SECOND, REVOKE_RATE, spread


def leases(*deadlines: float) -> list[Lease]:
    return [Lease(number, 60, deadline) for number, deadline in enumerate(deadlines, 1)]


def test_none_is_spread_where_etcd_could_revoke_all_in_a_second() -> None:
    assert list(spread(leases(*[160.0] * (REVOKE_RATE - 1)), now=100)) == []


def test_those_that_a_second_has_no_room_for_get_longer() -> None:
    delayed = list(spread(leases(*[160.0] * REVOKE_RATE), now=100))
    assert len(delayed) == REVOKE_RATE - ENDS_PER_SECOND
    delays = [delay for _, delay in delayed]
    assert delays == sorted(delays)
    assert delays[0] == pytest.approx(1 + 1 / ENDS_PER_SECOND)
    assert delays[-1] == pytest.approx(REVOKE_RATE / ENDS_PER_SECOND)


def test_those_that_end_one_by_one_are_left_alone() -> None:
    deadlines = [100.0 + number / (ENDS_PER_SECOND - 50) for number in range(3 * REVOKE_RATE)]
    assert list(spread(leases(*deadlines), now=0)) == []


def test_each_crowd_is_spread_by_itself() -> None:
    crowds = [1000.0] * REVOKE_RATE + [2000.0] * REVOKE_RATE
    delayed = Counter(lease.deadline for lease, _ in spread(leases(*crowds), now=0))
    assert delayed == {
        1000.0: REVOKE_RATE - ENDS_PER_SECOND,
        2000.0: REVOKE_RATE - ENDS_PER_SECOND,
    }


@pytest.mark.parametrize("seed", range(5))
def test_no_second_has_more_ends_than_it_may(seed: int) -> None:
    """Counted from the first end on; however many leases end at one moment."""
    chance = random.Random(seed)
    moments = [float(chance.randrange(60)) for _ in range(20)]
    crowd = leases(*[chance.choice(moments) + 100 for _ in range(10_000)])
    delays = dict.fromkeys(crowd, 0.0)
    delays.update(spread(crowd, now=0))
    assert all(delay >= 0 for delay in delays.values())
    ends = sorted(lease.deadline + delay for lease, delay in delays.items())
    # Of a crowd that begins, the first are not delayed, while those of the one before still end.
    most = max(Counter(int(end) for end in ends).values())
    assert most <= 2 * ENDS_PER_SECOND + 1
