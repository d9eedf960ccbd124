"""Leases end when they should; the clock is a number."""

from __future__ import annotations

import random

import pytest

from etcdpy.errors import LeaseExistsError, LeaseTTLTooLargeError
from etcdpy.lease.lease import Lease
from etcdpy.lease.lessor import MAX_TTL, Lessor
from etcdpy.pb.lease_pb2 import Lease as StoredLease


def make_lessor() -> Lessor:
    return Lessor(min_ttl=2, retry_after=7)


def stored(lease_id: int, ttl: int, left: int = 0) -> bytes:
    return StoredLease(ID=lease_id, TTL=ttl, RemainingTTL=left).SerializeToString()


def ids(leases: list[Lease]) -> list[int]:
    return [lease.lease_id for lease in leases]


@pytest.mark.parametrize(("asked", "granted"), [(-7, 2), (0, 2), (1, 2), (2, 2), (3, 3)])
def test_short_time_to_live_is_raised(asked: int, granted: int) -> None:
    lease = make_lessor().grant(1, asked, now=100)
    assert (lease.ttl, lease.deadline) == (granted, 100 + granted)


def test_too_long_a_time_to_live_is_refused_before_anything_else() -> None:
    lessor = make_lessor()
    lessor.grant(1, MAX_TTL, now=0)
    with pytest.raises(LeaseTTLTooLargeError):
        lessor.grant(1, MAX_TTL + 1, now=0)
    with pytest.raises(LeaseExistsError):
        lessor.grant(1, 10, now=0)


def test_lease_is_handed_out_at_its_deadline_and_not_before() -> None:
    lessor = make_lessor()
    lessor.grant(1, 10, now=100)
    assert lessor.take_expired(109.999, 10) == []
    assert ids(lessor.take_expired(110, 10)) == [1]


def test_handed_out_lease_exists_until_it_is_removed() -> None:
    lessor = make_lessor()
    lessor.grant(1, 10, now=0)
    (lease,) = lessor.take_expired(10, 10)
    assert 1 in lessor
    assert lease.deadline == 10
    lessor.remove(lease)
    assert 1 not in lessor
    assert lessor.take_expired(1000, 10) == []


def test_lease_that_could_not_be_revoked_is_handed_out_again_later() -> None:
    lessor = make_lessor()
    lessor.grant(1, 10, now=0)
    assert ids(lessor.take_expired(10.5, 10)) == [1]
    assert lessor.take_expired(17.4, 10) == []
    assert ids(lessor.take_expired(17.5, 10)) == [1]
    assert ids(lessor.take_expired(24.5, 10)) == [1]


def test_deadline_stays_where_it_was_while_revoking_fails() -> None:
    lessor = make_lessor()
    lease = lessor.grant(1, 10, now=0)
    lessor.take_expired(10, 10)
    assert lease.deadline == 10


def test_renewed_lease_outlives_its_first_deadline() -> None:
    lessor = make_lessor()
    lease = lessor.grant(1, 10, now=0)
    lessor.renew(lease, now=9)
    assert lessor.take_expired(10, 10) == []
    assert ids(lessor.take_expired(19, 10)) == [1]


def test_plain_renewal_does_the_same() -> None:
    lessor = make_lessor()
    lease = lessor.grant(1, 10, now=0)
    assert lessor.renew_plain(1, now=9) is lease
    assert lessor.take_expired(10, 10) == []
    assert ids(lessor.take_expired(19, 10)) == [1]


def test_plain_renewal_after_a_restart_gives_no_more_than_the_full_time() -> None:
    lessor = make_lessor()
    lessor.restore([stored(1, 10)], now=0, extra=100)
    assert lessor.renew_plain(1, now=5) is not None
    assert ids(lessor.take_expired(15, 10)) == [1]


def test_plain_renewal_is_not_for_a_lease_that_is_gone_or_has_run_out_or_a_checkpoint() -> None:
    lessor = make_lessor()
    lease = lessor.grant(1, 10, now=0)
    assert lessor.renew_plain(2, now=0) is None
    assert lessor.renew_plain(1, now=10) is None
    lease.checkpoint = 5
    assert lessor.renew_plain(1, now=5) is None
    assert (lease.deadline, lease.checkpoint) == (10, 5)


def test_no_more_are_handed_out_than_asked_for_longest_ended_first() -> None:
    lessor = make_lessor()
    for lease_id in range(5):
        lessor.grant(lease_id + 1, 10 - lease_id, now=0)
    assert ids(lessor.take_expired(100, 3)) == [5, 4, 3]
    assert ids(lessor.take_expired(100, 3)) == [2, 1]


def test_id_granted_again_does_not_end_with_the_old_lease() -> None:
    lessor = make_lessor()
    lessor.remove(lessor.grant(1, 10, now=0))
    lessor.grant(1, 50, now=5)
    assert lessor.take_expired(10, 10) == []
    assert ids(lessor.take_expired(55, 10)) == [1]


def test_nothing_is_left_of_long_leases_that_were_revoked() -> None:
    lessor = make_lessor()
    leases = [lessor.grant(number, 600, now=100) for number in range(1, 6001)]
    for lease in leases[:5000]:
        lessor.remove(lease)
    assert len(lessor._due) < 6000
    assert lessor.next_due() == 700
    for lease in leases[5000:]:
        lessor.remove(lease)
    assert not lessor._due


def test_renewing_for_ever_takes_no_more_memory() -> None:
    lessor = make_lessor()
    lease = lessor.grant(1, 10, now=0)
    for now in range(100_000):
        lessor.renew(lease, now)
    assert len(lessor._due) < 2000
    assert lessor.take_expired(99_999, 10) == []
    assert ids(lessor.take_expired(100_009, 10)) == [1]


@pytest.mark.parametrize(
    ("ttl", "left", "deadline"), [(60, 0, 161), (60, 40, 141), (1, 0, 103), (9, 3, 104)]
)
def test_restored_lease_starts_again_with_something_on_top(
    ttl: int, left: int, deadline: int
) -> None:
    lessor = make_lessor()
    lessor.restore([stored(-4, ttl, left)], now=100, extra=1)
    lease = lessor.get(-4)
    assert lease is not None
    assert (lease.ttl, lease.deadline, lease.checkpoint) == (max(ttl, 2), deadline, left)
    assert ids(lessor.take_expired(deadline, 10)) == [-4]


def test_renewal_after_a_restart_gives_the_full_time_and_forgets_the_checkpoint() -> None:
    lessor = make_lessor()
    lessor.restore([stored(4, 600, 100)], now=0, extra=1)
    lease = lessor.get(4)
    assert lease is not None
    lessor.renew(lease, now=50)
    assert (lease.deadline, lease.checkpoint) == (650, 0)
    assert lease.encoded() == stored(4, 600)


def test_thousands_of_restored_leases_end_spread_over_seconds() -> None:
    lessor = make_lessor()
    lessor.restore([stored(number, 60) for number in range(1, 3001)], now=0, extra=1)
    ends = sorted(lease.deadline for lease in lessor)
    assert ends[0] == 61
    assert ends[749] == 61
    assert ends[-1] == pytest.approx(61 + 3000 / 750)
    assert len(lessor.take_expired(62.0, 5000)) == 750
    assert len(lessor.take_expired(68.9, 5000)) == 2250


def test_few_restored_leases_end_together() -> None:
    lessor = make_lessor()
    lessor.restore([stored(number, 60) for number in range(1, 1000)], now=0, extra=1)
    assert {lease.deadline for lease in lessor} == {61}


@pytest.mark.parametrize("seed", range(20))
def test_random_leases_end_as_in_a_model(seed: int) -> None:
    chance = random.Random(seed)
    lessor = make_lessor()
    deadlines: dict[int, float] = {}
    now = 0.0
    for _ in range(2000):
        now += chance.random()
        lease_id = chance.randrange(1, 50)
        lease = lessor.get(lease_id)
        assert (lease is not None) == (lease_id in deadlines)
        what = chance.randrange(4)
        if lease is None and what < 2:
            ttl = chance.randrange(2, 40)
            lessor.grant(lease_id, ttl, now)
            deadlines[lease_id] = now + ttl
        elif lease is not None and what == 2:
            lessor.renew(lease, now)
            deadlines[lease_id] = now + lease.ttl
        elif lease is not None and what == 3:
            lessor.remove(lease)
            del deadlines[lease_id]
        expired = lessor.take_expired(now, 1000)
        assert sorted(ids(expired)) == sorted(i for i, end in deadlines.items() if end <= now)
        for lease in expired:
            lessor.remove(lease)
            del deadlines[lease.lease_id]
