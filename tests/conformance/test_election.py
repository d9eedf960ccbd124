"""The Election service: who leads, who would, and what observers are told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2 as elect
from tests.conformance.leasing import on_both, revoke, time_to_live
from tests.conformance.locking import SOON, Locks, Waiting, call_of
from tests.conformance.messages import delete, get, put, txn
from tests.conformance.pair import Pair
from tests.conformance.peers import Call, Peer

NO_LEADER = ("UNKNOWN", "election: no leader")
NOT_LEADER = ("UNKNOWN", "election: not leader")
LEADER_MISSING = ("UNKNOWN", '"leader" field must be provided')
LEASE_NOT_FOUND = ("UNKNOWN", "etcdserver: requested lease not found")
NO_KEY = ("UNKNOWN", "etcdserver: key is not provided")
NO_SPACE = ("UNKNOWN", "etcdserver: mvcc: database space exceeded")
CORRUPT = ("UNKNOWN", "etcdserver: corrupt cluster")
TOO_LARGE = ("UNKNOWN", "etcdserver: request is too large")


@pytest.fixture
def locks(shared_pair: Pair) -> Iterator[Locks]:
    locks = Locks(shared_pair)
    yield locks
    locks.close()


# -------------------------------------------------------------- campaigning


def test_first_candidate_leads_at_once(locks: Locks) -> None:
    won = locks.campaign(b"E", 1, b"v1")
    leader = won.leader
    assert (leader.name, leader.key, leader.lease) == (b"E", b"E/1", 1)
    assert leader.rev == won.header.revision
    assert locks.rev(won) == 2
    assert locks.leader(b"E").kv.value == b"v1"


def test_campaigning_again_with_the_same_value_changes_nothing(locks: Locks) -> None:
    won = locks.campaign(b"E", 1, b"v1")
    assert locks.campaign(b"E", 1, b"v1") == won
    assert locks.head() == 2


def test_campaigning_again_with_another_value_proclaims_it(locks: Locks) -> None:
    won = locks.campaign(b"E", 1, b"v1")
    again = locks.campaign(b"E", 1, b"v2")
    # The header is of the look at the key, before the new value was put.
    assert again == won
    assert locks.head() == 3
    assert locks.leader(b"E").kv.value == b"v2"


def test_candidate_without_a_value(locks: Locks) -> None:
    locks.campaign(b"E", 1, b"")
    assert locks.leader(b"E").kv.value == b""


def test_candidate_waits_and_is_told_when_it_entered(locks: Locks) -> None:
    first = locks.campaign(b"E", 1, b"v")
    waiting = locks.queue_for_election(b"E", 2, b"w")
    locks.send(put(b"other"))
    assert waiting.is_waiting
    locks.resign(first.leader)
    won = waiting.reply()
    assert locks.rev(won) == 3
    assert won.leader.rev == won.header.revision
    assert locks.leader(b"E").kv.key == b"E/2"


def test_candidates_win_in_the_order_in_which_they_entered(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v1").leader
    second, third, fourth = (
        locks.queue_for_election(b"E", lease, b"v%d" % lease) for lease in (3, 2, 4)
    )
    locks.resign(leader)
    leader = second.reply().leader
    assert leader.lease == 3
    assert third.is_waiting
    locks.send(revoke(3))
    assert third.reply().leader.lease == 2
    assert fourth.is_waiting
    locks.send(delete(b"E/2"))
    assert fourth.reply().leader.lease == 4


def test_waiting_candidate_may_change_its_value(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    waiting = locks.queue_for_election(b"E", 2, b"w1")
    again = locks.queue_for_election(b"E", 2, b"w2")
    assert waiting.is_waiting
    assert again.is_waiting
    locks.resign(leader)
    assert waiting.reply().leader == again.reply().leader
    assert locks.leader(b"E").kv.value == b"w2"


def test_cancelled_candidate_leaves_the_queue(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    waiting = locks.queue_for_election(b"E", 2, b"w")
    waiting.cancel()
    locks.wait_until_gone(b"E/2")
    assert locks.leader(b"E").kv.key == leader.key
    assert locks.time_to_live(2).grantedTTL == 100
    assert locks.head() == 4


def test_candidate_leaves_the_queue_at_its_deadline(locks: Locks) -> None:
    locks.campaign(b"E", 1, b"v")
    waiting = locks.start(elect.CampaignRequest(name=b"E", lease=2, value=b"w"), timeout=SOON)
    assert waiting.subject.outcome().code.name == "DEADLINE_EXCEEDED"
    waiting.reference.outcome()
    locks.wait_until_gone(b"E/2")
    assert locks.head() == 4, "it was in the queue"


def test_candidate_whose_lease_ended_wins_without_a_key(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    waiting = locks.queue_for_election(b"E", 2, b"w")
    locks.send(revoke(2))
    assert waiting.is_waiting
    locks.resign(leader)
    assert waiting.reply().leader.lease == 2
    assert locks.refused(elect.LeaderRequest(name=b"E")) == NO_LEADER


def test_candidate_with_an_unknown_lease_is_refused(locks: Locks) -> None:
    request = elect.CampaignRequest(name=b"E", lease=12345, value=b"v")
    assert locks.refused(request) == LEASE_NOT_FOUND
    assert locks.head() == 1


def test_candidate_without_a_lease_gets_one_of_a_minute(locks: Locks) -> None:
    def stand(peer: Peer) -> int:
        reply = peer.send(call_of(elect.CampaignRequest(name=b"F", value=b"v"))).reply
        told = time_to_live(peer, reply.leader.lease, keys=True)
        assert list(told.keys) == [reply.leader.key]
        peer.send(Call.of(revoke(reply.leader.lease)))
        return told.grantedTTL

    assert on_both(locks.pair, stand) == (60, 60)


def test_value_may_be_as_long_as_a_request(locks: Locks) -> None:
    long, too_long = b"v" * 1_500_000, b"v" * 1_600_000
    refused = elect.CampaignRequest(name=b"E", lease=1, value=too_long)
    assert locks.refused(refused) == TOO_LARGE
    leader = locks.campaign(b"E", 1, long).leader
    assert locks.refused(elect.ProclaimRequest(leader=leader, value=too_long)) == TOO_LARGE
    assert locks.leader(b"E").kv.value == long


# -------------------------------------------------------------- proclaiming


def test_leader_proclaims(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v1").leader
    assert locks.rev(locks.proclaim(leader, b"v2")) == 3
    kv = locks.leader(b"E").kv
    assert (kv.value, kv.version, kv.create_revision) == (b"v2", 2, leader.rev)


def test_former_leader_proclaims_in_vain(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v1").leader
    locks.resign(leader)
    request = elect.ProclaimRequest(leader=leader, value=b"v2")
    assert locks.refused(request) == NOT_LEADER
    locks.campaign(b"E", 1, b"v3")
    assert locks.refused(request) == NOT_LEADER
    assert locks.leader(b"E").kv.value == b"v3"


def test_proclaiming_as_nobody_is_refused(locks: Locks) -> None:
    assert locks.refused(elect.ProclaimRequest(value=b"v")) == LEADER_MISSING
    empty = elect.ProclaimRequest(leader=elect.LeaderKey(lease=1), value=b"v")
    assert locks.refused(empty) == NO_KEY


def test_waiting_candidate_may_proclaim(locks: Locks) -> None:
    locks.campaign(b"E", 1, b"v")
    locks.queue_for_election(b"E", 2, b"w")
    created = locks.send(get(b"E/2")).kvs[0].create_revision
    own = elect.LeaderKey(name=b"any", key=b"E/2", rev=created, lease=2)
    assert locks.rev(locks.proclaim(own, b"w2")) == 4
    assert locks.leader(b"E").kv.value == b"v"


def test_proclaiming_moves_the_key_to_the_lease_named(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    leader.lease = 2
    locks.proclaim(leader, b"w")
    assert (locks.keys(1), locks.keys(2)) == ([], [b"E/1"])


def test_proclaiming_without_a_lease_moves_the_key_to_a_new_one(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    leader.ClearField("lease")

    def proclaim(peer: Peer) -> int:
        peer.send(call_of(elect.ProclaimRequest(leader=leader, value=b"w")))
        (kv,) = peer.send(Call.of(get(b"E/1"))).reply.kvs
        told = time_to_live(peer, kv.lease, keys=True)
        assert list(told.keys) == [b"E/1"]
        peer.send(Call.of(revoke(kv.lease)))
        return told.grantedTTL

    assert on_both(locks.pair, proclaim) == (60, 60)


def test_proclaiming_at_revision_zero_makes_the_key(locks: Locks) -> None:
    new = elect.LeaderKey(name=b"Q", key=b"Q/new", rev=0, lease=1)
    locks.proclaim(new, b"v")
    assert locks.send(get(b"Q/new")).kvs[0].lease == 1
    other = elect.LeaderKey(name=b"Q", key=b"Q/other", rev=0, lease=999)
    assert locks.refused(elect.ProclaimRequest(leader=other)) == LEASE_NOT_FOUND
    new.lease = 999
    assert locks.refused(elect.ProclaimRequest(leader=new)) == NOT_LEADER


def test_unknown_lease_is_found_out_only_by_the_leader(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    leader.lease = 999
    assert locks.refused(elect.ProclaimRequest(leader=leader)) == LEASE_NOT_FOUND


# ----------------------------------------------------------------- resigning


def test_resigning_twice_is_no_error(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    assert locks.rev(locks.resign(leader)) == 3
    assert locks.rev(locks.resign(leader)) == 3
    assert locks.refused(elect.LeaderRequest(name=b"E")) == NO_LEADER


def test_resigning_with_another_revision_changes_nothing(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    leader.rev += 1
    locks.resign(leader)
    assert locks.leader(b"E").kv.key == b"E/1"


def test_resigning_does_not_look_for_the_lease(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    leader.lease = 999
    locks.resign(leader)
    assert not locks.has(b"E/1")


def test_resigning_as_nobody_is_refused(locks: Locks) -> None:
    assert locks.refused(elect.ResignRequest()) == LEADER_MISSING
    empty = elect.ResignRequest(leader=elect.LeaderKey(lease=1))
    assert locks.refused(empty) == NO_KEY


def test_waiting_candidate_may_resign_and_still_wins_without_a_key(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    waiting = locks.queue_for_election(b"E", 2, b"w")
    created = locks.send(get(b"E/2")).kvs[0].create_revision
    locks.resign(elect.LeaderKey(key=b"E/2", rev=created, lease=2))
    assert waiting.is_waiting
    locks.resign(leader)
    assert waiting.reply().leader.key == b"E/2"
    assert locks.refused(elect.LeaderRequest(name=b"E")) == NO_LEADER


# ------------------------------------------------------------- who leads now


def test_nobody_leads_an_empty_election(locks: Locks) -> None:
    assert locks.refused(elect.LeaderRequest(name=b"E")) == NO_LEADER


def test_any_key_below_the_name_may_lead(locks: Locks) -> None:
    locks.send(put(b"E/plain", b"x"))
    locks.send(put(b"E/another", b"y"))
    assert locks.leader(b"E").kv.key == b"E/plain"
    assert locks.leader(b"E").kv.lease == 0


# ----------------------------------------------------------------- observing


def test_observer_hears_nothing_until_somebody_leads(locks: Locks) -> None:
    observer = locks.observe(b"E")
    locks.send(put(b"other"))
    assert observer.is_silent
    locks.campaign(b"E", 1, b"v")
    told = observer.take()
    assert told.kv.value == b"v"
    assert told.header.revision == told.kv.mod_revision
    assert observer.is_silent


def test_late_observer_is_told_of_the_leader_at_once(locks: Locks) -> None:
    locks.campaign(b"E", 1, b"v")
    current = locks.send(put(b"other")).header.revision
    told = locks.observe(b"E").take()
    assert told.header.revision == current
    assert told.kv.mod_revision == current - 1


def test_observer_hears_every_proclamation_also_of_the_same_value(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    observer = locks.observe(b"E")
    observer.take()
    assert observer.is_silent
    for value in (b"w", b"w", b"x"):
        locks.proclaim(leader, value)
        assert observer.take().kv.value == value
    assert observer.is_silent


def test_observer_hears_of_a_new_leader_as_it_is_now(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    observer = locks.observe(b"E")
    observer.take()
    waiting = locks.queue_for_election(b"E", 2, b"w")
    locks.send(put(b"other"))
    resigned = locks.resign(leader)
    told = observer.take()
    assert (told.kv.key, locks.rev(told)) == (b"E/2", locks.rev(resigned))
    assert told.kv.mod_revision < told.header.revision
    waiting.reply()


def test_observer_hears_nothing_when_the_last_leader_goes(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    observer = locks.observe(b"E")
    observer.take()
    locks.resign(leader)
    assert observer.is_silent
    locks.campaign(b"E", 2, b"w")
    assert observer.take().kv.value == b"w"


def test_observer_does_not_hear_of_waiting_candidates(locks: Locks) -> None:
    locks.campaign(b"E", 1, b"v")
    observer = locks.observe(b"E")
    observer.take()
    locks.queue_for_election(b"E", 2, b"w1")
    locks.queue_for_election(b"E", 2, b"w2")
    assert observer.is_silent


def _observer_of_nobody(locks: Locks) -> Waiting:
    """Observe an election without a candidate; both servers have seen that there is none."""
    locks.wait_for_watchers_of_etcd(0)
    observer = locks.observe(b"G")
    locks.wait_for_watchers_of_etcd(1)
    assert observer.is_silent
    return observer


def test_first_leader_observed_is_the_first_event_and_not_the_oldest_key(locks: Locks) -> None:
    observer = _observer_of_nobody(locks)
    locks.send(txn(put(b"G/b", b"2"), put(b"G/a", b"1")))
    assert observer.take().kv.key == b"G/b"


def test_observer_takes_a_key_for_the_leader_that_is_gone_already(locks: Locks) -> None:
    observer = _observer_of_nobody(locks)
    locks.send(txn(txn(put(b"G/a")), txn(delete(b"G/a"))))
    assert observer.take().kv.key == b"G/a"
    # Its deletion came with it, so the observer misses that, and whoever leads next.
    locks.campaign(b"G", 1, b"v")
    assert observer.is_silent


def test_observer_at_its_deadline(locks: Locks) -> None:
    locks.campaign(b"E", 1, b"v")
    observer = locks.observe(b"E", timeout=SOON)
    observer.take()
    assert observer.subject.outcome().code.name == "DEADLINE_EXCEEDED"


def test_cancelled_observer(locks: Locks) -> None:
    observer = locks.observe(b"E")
    observer.cancel()
    assert observer.outcome().code.name == "CANCELLED"


# --------------------------------------------------------------------- alarms


def _raise_alarm(locks: Locks, kind: pb.AlarmType.ValueType) -> None:
    locks.send(pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, memberID=1, alarm=kind))


def test_without_space_leaders_can_only_be_looked_at_and_resign(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    _raise_alarm(locks, pb.NOSPACE)
    campaign = elect.CampaignRequest(name=b"E", lease=1, value=b"v")
    assert locks.refused(campaign) == NO_SPACE
    assert locks.refused(elect.ProclaimRequest(leader=leader, value=b"w")) == NO_SPACE
    assert locks.leader(b"E").kv.value == b"v"
    assert locks.observe(b"E").take().kv.value == b"v"
    locks.resign(leader)
    assert not locks.has(b"E/1")


def test_under_corruption_leaders_can_only_be_looked_at(locks: Locks) -> None:
    leader = locks.campaign(b"E", 1, b"v").leader
    _raise_alarm(locks, pb.CORRUPT)
    campaign = elect.CampaignRequest(name=b"E", lease=2, value=b"v")
    assert locks.refused(campaign) == CORRUPT
    assert locks.refused(elect.ProclaimRequest(leader=leader, value=b"w")) == CORRUPT
    assert locks.refused(elect.ResignRequest(leader=leader)) == CORRUPT
    assert locks.leader(b"E").kv.value == b"v"
    assert locks.observe(b"E").take().kv.value == b"v"
