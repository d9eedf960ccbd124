"""What can become of a lease: every state and every input, against a list written by hand."""

from __future__ import annotations

from itertools import product

import pytest

from etcdpy.lease.lease import IllegalMoveError, Lease, LeaseInput, LeaseState
from etcdpy.lease.lessor import Lessor
from etcdpy.pb.lease_pb2 import Lease as StoredLease

#: State, input, and the state that follows; "no" where that cannot happen.
EXPECTED = """
    GRANTED   RENEW       GRANTED
    GRANTED   CHECKPOINT  GRANTED
    GRANTED   EXPIRE      EXPIRED
    GRANTED   REVOKE      REVOKED
    EXPIRED   RENEW       no
    EXPIRED   CHECKPOINT  no
    EXPIRED   EXPIRE      EXPIRED
    EXPIRED   REVOKE      REVOKED
    REVOKED   RENEW       no
    REVOKED   CHECKPOINT  no
    REVOKED   EXPIRE      no
    REVOKED   REVOKE      no
"""
ROWS = [line.split() for line in EXPECTED.split("\n") if line.strip()]


def test_the_list_names_every_pair_once() -> None:
    pairs = [(state, given) for state, given, _ in ROWS]
    every = product(LeaseState.__members__, LeaseInput.__members__)
    assert sorted(pairs) == sorted(every)


@pytest.mark.parametrize(("state", "given", "after"), ROWS)
def test_a_lease_moves_as_listed(state: str, given: str, after: str) -> None:
    lease = Lease(7, ttl=10, deadline=10)
    assert lease.state is LeaseState.GRANTED
    lease.state = LeaseState[state]
    if after == "no":
        with pytest.raises(IllegalMoveError, match=f"7: {given} in {state}"):
            lease.move(LeaseInput[given])
        assert lease.state is LeaseState[state]
    else:
        lease.move(LeaseInput[given])
        assert lease.state is LeaseState[after]


@pytest.mark.parametrize("state", LeaseState)
def test_the_plain_renewal_does_what_the_table_says(state: LeaseState) -> None:
    """It does not look: whatever is not GRANTED any more is past its deadline, or unknown."""
    lessor = Lessor(min_ttl=2, retry_after=7)
    lease = lessor.grant(7, 10, now=0)
    now = 5
    if state is LeaseState.EXPIRED:
        now = 10
        assert lessor.take_expired(now, 10) == [lease]
    elif state is LeaseState.REVOKED:
        lessor.remove(lease)
    assert lease.state is state
    renewed = lessor.renew_plain(7, now)
    assert (renewed is not None) == ([state.name, "RENEW", state.name] in ROWS)
    assert lease.state is state


def test_a_lease_that_was_handed_out_is_not_renewed() -> None:
    lessor = Lessor(min_ttl=2, retry_after=7)
    lease = lessor.grant(7, 10, now=0)
    lessor.take_expired(10, 10)
    with pytest.raises(IllegalMoveError):
        lessor.renew(lease, now=10)
    with pytest.raises(IllegalMoveError):
        lessor.checkpoint(lease, 5)
    assert (lease.deadline, lease.checkpoint) == (10, 0)


def test_a_lease_is_removed_once() -> None:
    lessor = Lessor(min_ttl=2, retry_after=7)
    lease = lessor.grant(7, 10, now=0)
    lessor.remove(lease)
    with pytest.raises(IllegalMoveError):
        lessor.remove(lease)


def test_a_lease_is_stored_with_what_its_checkpoint_left() -> None:
    lease = Lease(-7, ttl=1000, deadline=0, checkpoint=400)
    assert StoredLease.FromString(lease.encoded()) == StoredLease(ID=-7, TTL=1000, RemainingTTL=400)
    assert lease.span == 400
    assert Lease(7, ttl=1000, deadline=0).span == 1000


def test_what_remains_is_negative_once_it_has_run_out() -> None:
    lease = Lease(7, ttl=10, deadline=110)
    assert lease.remaining(107.5) == 2.5
    assert lease.remaining(110) == 0
    assert lease.remaining(112) == -2
