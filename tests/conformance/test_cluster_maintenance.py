"""What clients ask to find their way: MemberList, Status and Alarm; and the hash of it all."""

from __future__ import annotations

import time
from typing import Any

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import differences, errors
from tests.conformance.conftest import StartPair
from tests.conformance.messages import EVERYTHING, compact, compare, delete, get, put, txn
from tests.conformance.pair import MismatchError, Pair
from tests.conformance.peers import Call, Method, Peer
from tests.conformance.store import Store
from tests.support import servers

#: Seconds for what a server does by itself, on a busy machine too.
PATIENCE = 60.0

NOSPACE, CORRUPT = pb.NOSPACE, pb.CORRUPT
GET, ACTIVATE, DEACTIVATE = (
    pb.AlarmRequest.GET,
    pb.AlarmRequest.ACTIVATE,
    pb.AlarmRequest.DEACTIVATE,
)


def test_the_member_list_has_one_member_and_no_revision(store: Store) -> None:
    for linearizable in (False, True):
        reply = store.send(pb.MemberListRequest(linearizable=linearizable)).reply
        (member,) = reply.members
        assert member.clientURLs
        assert reply.header.member_id == member.ID
        assert reply.header.revision == 0


# What comes between two changes of an etcd's members. It drops, unanswered, one that reaches raft
# before the one before it counts as applied there, as it does once a later write is answered.
BETWEEN_CHANGES = delete(b"nothing")


@pytest.mark.needs("Cluster/MemberAdd")
def test_members_that_cannot_be_changed(store: Store) -> None:
    own = store.send(pb.MemberListRequest()).reply.members[0]
    assert store.error(pb.MemberRemoveRequest(ID=own.ID)) == errors.TOO_FEW_MEMBERS
    assert store.error(pb.MemberPromoteRequest(ID=own.ID)) == errors.NOT_A_LEARNER
    taken = pb.MemberAddRequest(peerURLs=own.peerURLs)
    assert store.error(taken) == errors.PEER_URL_EXISTS
    for unknown in (0, 1, 2**64 - 1):
        for request in (pb.MemberRemoveRequest, pb.MemberPromoteRequest, pb.MemberUpdateRequest):
            assert store.error(request(ID=unknown)) == errors.MEMBER_NOT_FOUND
            assert store.error(BETWEEN_CHANGES) is None
    for urls in ([], ["http://a"], ["ftp://a:1"], ["http://a:1/path"], [""]):
        assert store.error(pb.MemberAddRequest(peerURLs=urls)) == errors.BAD_URLS


def test_a_learner_is_taken_listed_and_removed_but_not_promoted(etcdpy: Peer, request: Any) -> None:
    """Each server by itself: the ID is made of the second in which a learner is added."""
    with servers.reference_etcd() as reference:
        etcd = Peer(reference.address)
        request.addfinalizer(etcd.close)
        for peer in (etcdpy, etcd):
            add = pb.MemberAddRequest(peerURLs=["http://a:2", "http://a:1"], isLearner=True)
            added = peer.send(Call.of(add)).reply
            learner = added.member
            assert (learner.isLearner, list(learner.peerURLs)) == (
                True,
                ["http://a:1", "http://a:2"],
            )
            assert list(peer.send(Call.of(pb.MemberListRequest())).reply.members) == list(
                added.members
            )
            second = pb.MemberAddRequest(peerURLs=["http://b:1"], isLearner=True)
            assert peer.send(Call.of(second)).error == errors.TOO_MANY_LEARNERS
            promote = pb.MemberPromoteRequest(ID=learner.ID)
            assert peer.send(Call.of(promote)).error == errors.LEARNER_NOT_READY
            assert not peer.send(Call.of(BETWEEN_CHANGES)).error
            removal = peer.send(Call.of(pb.MemberRemoveRequest(ID=learner.ID)))
            assert len(removal.reply.members) == 1
            assert not peer.send(Call.of(BETWEEN_CHANGES)).error
            assert peer.send(Call.of(promote)).error == errors.MEMBER_NOT_FOUND


def test_the_status_of_a_new_store(fresh: Pair) -> None:
    reply = _settled_status(fresh)
    assert reply.header.revision == 1
    assert reply.leader == reply.header.member_id
    assert reply.storageVersion == "3.7.0"
    assert reply.dbSizeQuota == 2147483648
    assert reply.HasField("downgradeInfo")
    assert not reply.errors
    assert list(fresh.send(pb.AlarmRequest()).reply.alarms) == []


def test_the_status_of_its_own_disk_and_log_makes_sense(etcdpy: Peer) -> None:
    before = etcdpy.send(Call.of(pb.StatusRequest())).reply
    etcdpy.send(Call.of(put(b"k", b"v" * 100_000)))
    after = etcdpy.send(Call.of(pb.StatusRequest())).reply
    for status in (before, after):
        assert 0 < status.dbSizeInUse <= status.dbSize
        assert status.raftAppliedIndex <= status.raftIndex
    assert after.raftIndex > before.raftIndex


def test_the_raft_index_counts_starts_and_writes(fresh: Pair) -> None:
    _settled_status(fresh)
    _assert_raft_indexes(fresh, 4)
    for request in (put(b"k"), get(b"k"), txn(delete(b"k")), pb.LeaseGrantRequest(ID=1, TTL=60)):
        fresh.send(request)
    _assert_raft_indexes(fresh, 7)
    for index in (9, 11):
        fresh.restart()
        _settled_status(fresh)
        _assert_raft_indexes(fresh, index)


def _assert_raft_indexes(pair: Pair, index: int) -> None:
    """Fail unless both come to an index, which a real etcd does in its own time when it starts."""
    status = Call.of(pb.StatusRequest())
    deadline = time.monotonic() + PATIENCE
    for peer in pair.peers:
        while (found := peer.send(status).reply.raftIndex) < index:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        assert found == index


def _settled_status(pair: Pair) -> pb.StatusResponse:
    """Wait until the reference has agreed with itself on a storage version."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            reply: pb.StatusResponse = pair.send(pb.StatusRequest()).reply
        except MismatchError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return reply


# -------------------- alarms


def raise_alarm(store: Store, alarm: pb.AlarmType.ValueType) -> None:
    request = pb.AlarmRequest(action=ACTIVATE, memberID=42, alarm=alarm)
    assert store.send(request).reply.alarms[0].memberID == 42


def test_alarms_are_raised_listed_and_cleared_exactly(store: Store) -> None:
    nothing = [
        pb.AlarmRequest(action=ACTIVATE),
        pb.AlarmRequest(action=ACTIVATE, memberID=42),
        pb.AlarmRequest(action=DEACTIVATE, memberID=42, alarm=NOSPACE),
        pb.AlarmRequest(action=DEACTIVATE),
        pb.AlarmRequest(action=GET, memberID=42),
    ]
    for request in nothing:
        assert not store.send(request).reply.alarms
    raise_alarm(store, NOSPACE)
    raise_alarm(store, NOSPACE)
    for request in (
        pb.AlarmRequest(),
        pb.AlarmRequest(memberID=7),
        pb.AlarmRequest(alarm=NOSPACE),
        pb.AlarmRequest(alarm=CORRUPT),
        pb.AlarmRequest(action=DEACTIVATE, memberID=7, alarm=NOSPACE),
        pb.AlarmRequest(action=DEACTIVATE, memberID=42, alarm=CORRUPT),
        pb.AlarmRequest(action=DEACTIVATE, memberID=42),
        pb.AlarmRequest(),
    ):
        store.send(request)


def test_no_space_refuses_what_needs_space(store: Store) -> None:
    raise_alarm(store, NOSPACE)
    assert store.error(put(b"a")) == errors.NO_SPACE
    assert store.error(put(b"a", lease=99)) == errors.NO_SPACE
    assert store.error(put(b"")) == errors.NO_KEY
    assert store.error(put(b"a", b"v", ignore_value=True)) == errors.VALUE_PROVIDED
    assert store.error(put(b"a", b"v" * (1536 * 1024))) == errors.TOO_LARGE
    assert store.error(txn(put(b"a"))) == errors.NO_SPACE
    assert store.error(txn(otherwise=[put(b"a")])) == errors.NO_SPACE
    assert store.error(txn(txn(otherwise=[put(b"a")]))) == errors.NO_SPACE
    assert store.error(txn(put(b"a"), put(b"a"))) == errors.DUPLICATE_KEY
    assert store.error(txn(put(b"a", lease=99))) == errors.NO_SPACE
    assert store.error(txn(txn(get(b"a")))) is None
    assert store.error(txn(txn())) is None
    assert store.error(txn(get(b"a"), delete(b"b"))) is None
    assert store.error(delete(b"c")) is None
    assert store.error(compact(store.rev(4))) is None
    assert store.error(get(*EVERYTHING)) is None


def test_corruption_refuses_every_change(store: Store) -> None:
    raise_alarm(store, CORRUPT)
    assert store.error(put(b"a")) == errors.CORRUPT
    assert store.error(put(b"")) == errors.NO_KEY
    assert store.error(delete(b"nope")) == errors.CORRUPT
    assert store.error(delete(b"")) == errors.NO_KEY
    assert store.error(txn(delete(b"nope"))) == errors.CORRUPT
    assert store.error(txn(txn())) == errors.CORRUPT
    assert store.error(compact(store.rev(4))) == errors.CORRUPT
    assert store.error(compact(store.rev(6))) == errors.CORRUPT
    assert store.error(get(*EVERYTHING)) is None
    assert store.error(txn(get(b"a"), when=[compare(b"a", "MOD", "GREATER")])) is None
    assert store.error(txn()) is None
    raise_alarm(store, NOSPACE)
    assert store.error(put(b"a")) == errors.CORRUPT
    store.send(pb.StatusRequest())


@pytest.mark.parametrize("alarm", [NOSPACE, CORRUPT])
def test_alarms_leave_readers_and_operators_alone(
    store: Store, alarm: pb.AlarmType.ValueType
) -> None:
    raise_alarm(store, alarm)
    (own,) = store.send(pb.MemberListRequest()).reply.members
    for request in (
        get(*EVERYTHING),
        pb.MemberUpdateRequest(ID=own.ID, peerURLs=own.peerURLs),
        pb.MemberListRequest(linearizable=True),
        pb.StatusRequest(),
        pb.HashKVRequest(),
        pb.MoveLeaderRequest(targetID=own.ID),
        pb.DefragmentRequest(),
    ):
        assert store.error(request) is None
    for kind in (pb.MemberRemoveRequest, pb.MemberPromoteRequest):
        assert store.error(kind(ID=1)) == errors.MEMBER_NOT_FOUND
    watch = pb.WatchCreateRequest(key=b"a", start_revision=store.rev(2))
    _, history = store.pair.watch(watch, 2)
    assert [event.kv.value for event in history.events] == [b"1", b"9"]
    # Their files are not the same, byte for byte.
    snapshot = Method("/etcdserverpb.Maintenance/Snapshot", pb.SnapshotResponse)
    for peer in store.pair.peers:
        assert list(peer.stream(snapshot, iter([b""]), 20))


@pytest.mark.needs("Lease/LeaseGrant")
def test_alarms_refuse_leases(store: Store) -> None:
    lease = store.send(pb.LeaseGrantRequest(ID=17, TTL=600)).reply.ID
    raise_alarm(store, NOSPACE)
    assert store.error(pb.LeaseGrantRequest(ID=18, TTL=600)) == errors.NO_SPACE
    raise_alarm(store, CORRUPT)
    assert store.error(pb.LeaseGrantRequest(ID=18, TTL=600)) == errors.CORRUPT
    assert store.error(pb.LeaseRevokeRequest(ID=lease)) == errors.CORRUPT
    store.pair.settle()
    assert store.error(pb.LeaseRevokeRequest(ID=lease)) is None


def test_alarms_outlive_a_restart_and_show_in_the_status(fresh: Pair) -> None:
    store = Store(fresh)
    raise_alarm(store, NOSPACE)
    fresh.restart()
    assert [alarm.memberID for alarm in store.send(pb.AlarmRequest()).reply.alarms] == [42]
    assert store.error(put(b"a")) == errors.NO_SPACE
    (error,) = _settled_status(fresh).errors
    assert error.split() == ["memberID:42", "alarm:NOSPACE"]


# -------------------- the quota


def test_over_quota_everything_that_costs_is_refused_first_of_all(start_pair: StartPair) -> None:
    with start_pair(["--quota-backend-bytes=1"]) as pair:
        assert pair.send(put(b"")).error == errors.NO_SPACE
        own = pair.send(pb.MemberListRequest()).reply.members[0].ID
        (alarm,) = pair.send(pb.AlarmRequest()).reply.alarms
        assert (alarm.memberID, alarm.alarm) == (own, NOSPACE)
        assert pair.send(put(b"a", b"v", ignore_value=True)).error == errors.NO_SPACE
        assert pair.send(txn(*[put(b"")] * 129)).error == errors.NO_SPACE
        assert pair.send(txn(otherwise=[put(b"a")])).error == errors.NO_SPACE
        assert pair.send(pb.LeaseGrantRequest(TTL=600)).error == errors.NO_SPACE
        if pair.version >= differences.FREE_IS_WITHIN_QUOTA:
            assert pair.send(txn(delete(b"a"), get(b"a"))).error is None
        assert pair.send(delete(*EVERYTHING)).error is None
        assert pair.send(delete(b"")).error == errors.NO_KEY
        assert pair.send(compact(1)).error is None
        off = pb.AlarmRequest(action=DEACTIVATE, memberID=own, alarm=NOSPACE)
        assert pair.send(off).reply.alarms
        assert not pair.send(pb.AlarmRequest()).reply.alarms
        assert pair.send(put(b"a")).error == errors.NO_SPACE
        assert pair.send(pb.AlarmRequest()).reply.alarms


@pytest.mark.parametrize(("quota", "told"), [(0, 2 << 30), (-1, -1), (9 << 30, 9 << 30)])
def test_the_quota_is_told_as_it_is_set(start_pair: StartPair, quota: int, told: int) -> None:
    with start_pair([f"--quota-backend-bytes={quota}"]) as pair:
        assert pair.send(put(b"a", b"1")).error is None
        subject, _ = pair.peers
        assert subject.send(Call.of(pb.StatusRequest())).reply.dbSizeQuota == told
        if pair.version >= differences.TELLS_QUOTA:
            _settled_status(pair)


# -------------------- hashes


@pytest.mark.needs("Maintenance/HashKV")
def test_the_hash_of_every_revision(fresh: Pair) -> None:
    store = Store(fresh)
    store.send(delete(b"b"))
    store.send(txn(put(b"d", b"4"), delete(b"c"), put(b"e", b"5")))
    for revision in range(-1, store.rev(9)):
        store.send(pb.HashKVRequest(revision=revision))


# -------------------- leader and downgrade


def test_the_leader_stays_where_it_is(store: Store) -> None:
    own = store.send(pb.MemberListRequest()).reply.members[0].ID
    assert store.send(pb.MoveLeaderRequest(targetID=own)).payloads == (b"",)
    for other in (0, 1, 2**64 - 1):
        assert store.error(pb.MoveLeaderRequest(targetID=other)) == errors.BAD_TRANSFEREE


def test_only_the_version_before_can_be_gone_down_to(fresh: Pair) -> None:
    if fresh.version < differences.DOWNGRADES:
        pytest.skip("this etcd goes down to another version")
    _settled_status(fresh)
    validate, enable = pb.DowngradeRequest.VALIDATE, pb.DowngradeRequest.ENABLE
    for version in ("3.6", "3.6.0", "3.6.5", "3.6.5-rc.1", "3.6.5+x"):
        reply = fresh.send(pb.DowngradeRequest(action=validate, version=version)).reply
        assert reply.version == "3.7"
    for action in (validate, enable):
        for version in ("", "3", "x", "v3.6", "3.6.", "3.6-rc", " 3.6", "3.6.5.4"):
            request = pb.DowngradeRequest(action=action, version=version)
            assert fresh.send(request).error == errors.BAD_DOWNGRADE_FORMAT
        for version in ("3.5", "3.7", "3.8", "2.6", "4.6", "3.7.1"):
            request = pb.DowngradeRequest(action=action, version=version)
            assert fresh.send(request).error == errors.BAD_DOWNGRADE_TARGET
    cancel = pb.DowngradeRequest(action=pb.DowngradeRequest.CANCEL, version="nonsense")
    assert fresh.send(cancel).reply.version == "3.7"


def test_a_downgrade_moves_the_versions_and_outlives_a_restart(fresh: Pair) -> None:
    if fresh.version < differences.DOWNGRADES:
        pytest.skip("this etcd goes down to another version")
    _settled_status(fresh)
    request = pb.DowngradeRequest(action=pb.DowngradeRequest.ENABLE, version="3.6")
    fresh.send(request)
    assert fresh.send(pb.StatusRequest()).reply.downgradeInfo.targetVersion == "3.6.0"
    _wait_for_storage_version(fresh, "3.6.0")
    assert fresh.send(request).error == errors.BAD_DOWNGRADE_TARGET
    request.version = "3.5"
    assert fresh.send(request).error == errors.DOWNGRADE_IN_PROGRESS
    fresh.send(pb.DowngradeRequest(action=pb.DowngradeRequest.CANCEL))
    _wait_for_storage_version(fresh, "3.7.0")


def _wait_for_storage_version(pair: Pair, version: str) -> None:
    """Wait until both servers have looked at their versions again."""
    deadline = time.monotonic() + PATIENCE
    for peer in pair.peers:
        while peer.send(Call.of(pb.StatusRequest())).reply.storageVersion != version:
            assert time.monotonic() < deadline
            time.sleep(0.1)


# -------------------- what changes this member


def test_other_peer_urls_outlive_a_restart(fresh: Pair) -> None:
    own = fresh.send(pb.MemberListRequest()).reply.members[0].ID
    for urls in (["bad url", "b"], [], ["http://127.0.0.1:9", "http://127.0.0.1:8"]):
        reply = fresh.send(pb.MemberUpdateRequest(ID=own, peerURLs=urls)).reply
        assert list(reply.members[0].peerURLs) == urls
        fresh.send(pb.MemberListRequest())
        fresh.send(BETWEEN_CHANGES)
    fresh.restart()
    assert len(fresh.send(pb.MemberListRequest()).reply.members[0].peerURLs) == 2
    taken = pb.MemberAddRequest(peerURLs=["http://127.0.0.1:8"])
    assert fresh.send(taken).error == errors.PEER_URL_EXISTS


def test_no_voter_is_added(etcdpy: Peer) -> None:
    request = pb.MemberAddRequest(peerURLs=["http://127.0.0.1:7"])
    assert etcdpy.send(Call.of(request)).error == errors.TOO_FEW_MEMBERS
    assert len(etcdpy.send(Call.of(pb.MemberListRequest())).reply.members) == 1
