"""
Granting, revoking, listing, attaching: the Lease service where time plays no part.

``ETCDPY_CONFORMANCE_LEASE_KEYS`` sets how many keys "very many" are.
"""

from __future__ import annotations

import os
import time
from random import Random

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.leasing import (
    KEEPS_ALL_LEASES,
    Leases,
    grant,
    keep_alive,
    listed,
    revoke,
    time_to_live,
)
from tests.conformance.messages import compact, delete, get, put, txn
from tests.conformance.pair import Pair
from tests.conformance.peers import Call

MAX_TTL = 9_000_000_000
MANY_KEYS = int(os.environ.get("ETCDPY_CONFORMANCE_LEASE_KEYS", "8000"))

EXISTS = ("FAILED_PRECONDITION", "etcdserver: lease already exists")
TOO_LARGE = ("OUT_OF_RANGE", "etcdserver: too large lease TTL")


@pytest.fixture
def leases(shared_pair: Pair) -> Leases:
    return Leases(shared_pair)


# ----------------------------------------------------------------- granting


@pytest.mark.parametrize(
    ("asked", "granted"), [(1, 2), (0, 2), (-7, 2), (-(2**63), 2), (2, 2), (3, 3), (60, 60)]
)
def test_short_time_to_live_is_raised_to_the_minimum(
    leases: Leases, asked: int, granted: int
) -> None:
    assert granted == leases.send(grant(11, asked)).TTL


def test_longest_time_to_live(leases: Leases) -> None:
    assert leases.send(grant(11, MAX_TTL)).TTL == MAX_TTL
    assert leases.error(grant(12, MAX_TTL + 1)) == TOO_LARGE
    assert leases.error(grant(12, 2**63 - 1)) == TOO_LARGE
    assert leases.listed() == [11]


def test_id_can_be_granted_once(leases: Leases) -> None:
    leases.send(grant(5))
    assert leases.error(grant(5)) == EXISTS


def test_too_long_a_time_is_refused_before_a_used_id(leases: Leases) -> None:
    leases.send(grant(5))
    assert leases.error(grant(5, MAX_TTL + 1)) == TOO_LARGE


@pytest.mark.parametrize("lease", [-5, -1, -(2**63), 1, 2**63 - 1])
def test_any_id_but_zero_can_be_chosen(leases: Leases, lease: int) -> None:
    assert lease == leases.send(grant(lease)).ID
    assert leases.listed() == [lease]


def test_server_chooses_a_positive_id_for_id_zero(leases: Leases) -> None:
    for peer in leases.pair.peers:
        chosen = [peer.send(Call.of(grant(0))).reply.ID for _ in range(20)]
        assert all(lease > 0 for lease in chosen)
        assert len(set(chosen)) == 20
        assert {status.ID for status in listed(peer).leases} == set(chosen)


def test_granting_and_revoking_make_no_revision(leases: Leases) -> None:
    assert leases.rev(leases.send(grant(5))) == 1
    assert leases.rev(leases.send(revoke(5))) == 1
    assert leases.rev(leases.send(put(b"a"))) == 2


def test_id_can_be_granted_again_after_its_revocation(leases: Leases) -> None:
    leases.send(grant(5, 60))
    leases.send(revoke(5))
    assert leases.send(grant(5, 70)).TTL == 70


# ----------------------------------------------------------------- revoking


@pytest.mark.parametrize("lease", [1234, 0, -1])
def test_unknown_lease_cannot_be_revoked(leases: Leases, lease: int) -> None:
    assert leases.error(revoke(lease)) == errors.LEASE_NOT_FOUND


def test_keys_go_with_their_lease_in_one_revision_and_in_order(leases: Leases) -> None:
    leases.send(grant(5))
    for key in (b"z", b"b", b"a", b"c"):
        leases.send(put(key, lease=5))
    revoked = leases.send(revoke(5)).header.revision
    events = leases.pair.history(revoked, revoked)
    assert [event.kv.key for event in events] == [b"a", b"b", b"c", b"z"]
    assert leases.error(revoke(5)) == errors.LEASE_NOT_FOUND


def test_very_many_keys_go_with_their_lease_in_one_revision(leases: Leases) -> None:
    numbers = [*range(MANY_KEYS)]
    Random(0).shuffle(numbers)
    leases.send(grant(5))
    for start in range(0, len(numbers), 100):
        puts = [put(b"%06d" % number, lease=5) for number in numbers[start : start + 100]]
        last = leases.send(txn(*puts)).header.revision
    assert leases.send(revoke(5)).header.revision == last + 1
    events = leases.pair.history(last + 1, last + 1)
    assert [event.kv.key for event in events] == [b"%06d" % number for number in range(MANY_KEYS)]
    assert leases.listed() == []


def test_watcher_is_told_of_a_revocation_in_one_message(leases: Leases) -> None:
    leases.send(grant(5))
    for key in (b"z", b"a"):
        last = leases.send(put(key, lease=5)).header.revision
    leases.send(revoke(5))
    request = pb.WatchCreateRequest(
        key=b"\0", range_end=b"\0", start_revision=last + 1, prev_kv=True
    )
    _, told = leases.pair.watch(request, 2)
    assert [event.kv.key for event in told.events] == [b"a", b"z"]


def test_revoking_a_lease_without_keys_makes_no_revision(leases: Leases) -> None:
    leases.send(grant(5))
    before = leases.send(get(b"a")).header.revision
    assert leases.send(revoke(5)).header.revision == before


# --------------------------------------------------------------- keep-alive


def test_keep_alive_tells_zero_for_an_unknown_lease_and_goes_on(leases: Leases) -> None:
    leases.send(grant(5, 60))
    replies = leases.keep_alive(1234, 5, 0, 5)
    assert [(reply.ID, reply.TTL) for reply in replies] == [(1234, 0), (5, 60), (0, 0), (5, 60)]


def test_keep_alive_without_a_request_ends_well(leases: Leases) -> None:
    assert leases.keep_alive() == []


def test_keep_alive_answers_many_requests_in_order(leases: Leases) -> None:
    for lease in range(1, 6):
        leases.send(grant(lease, 60 + lease))
    asked = [1 + number * 7 % 6 for number in range(300)]
    replies = leases.keep_alive(*asked)
    assert [reply.ID for reply in replies] == asked
    assert {reply.TTL for reply in replies} == {0, 61, 62, 63, 64, 65}


def test_keep_alive_names_the_current_revision(leases: Leases) -> None:
    leases.send(grant(5))
    current = leases.send(put(b"a")).header.revision
    (reply,) = leases.keep_alive(5)
    assert reply.header.revision == current


def test_keep_alive_of_a_revoked_lease_tells_zero(leases: Leases) -> None:
    leases.send(grant(5))
    leases.send(revoke(5))
    assert [reply.TTL for reply in leases.keep_alive(5)] == [0]


# --------------------------------------------------- time to live and the list


@pytest.mark.parametrize("keys", [False, True])
@pytest.mark.parametrize("lease", [1234, 0, -1])
def test_time_to_live_of_an_unknown_lease(leases: Leases, lease: int, keys: bool) -> None:
    told = leases.time_to_live(lease, keys=keys)
    assert (told.ID, told.TTL, told.grantedTTL, list(told.keys)) == (lease, -1, 0, [])


def test_time_to_live_is_whole_seconds_cut_off(leases: Leases) -> None:
    began = time.monotonic()
    leases.send(grant(5, 60))
    left = leases.time_to_live(5).TTL
    assert 59 - (time.monotonic() - began) <= left <= 59


def test_keys_are_listed_when_they_are_asked_for(leases: Leases) -> None:
    leases.send(grant(5))
    for key in (b"z", b"\x00\xff", b"a"):
        leases.send(put(key, lease=5))
    assert leases.keys(5) == [b"\x00\xff", b"a", b"z"]
    assert not leases.time_to_live(5).keys


def test_leases_are_listed_by_the_time_they_have_left(leases: Leases) -> None:
    for lease, ttl in ((1, MAX_TTL), (-2, 600), (3, 100), (4, 300), (-5, 5000)):
        leases.send(grant(lease, ttl))
    assert leases.listed() == [3, 4, -2, -5, 1]


def test_no_leases(leases: Leases) -> None:
    assert leases.listed() == []


# ------------------------------------------------------- attach and detach


def test_put_with_an_unknown_lease_writes_nothing(leases: Leases) -> None:
    assert leases.error(put(b"a", lease=999)) == errors.LEASE_NOT_FOUND
    assert not leases.send(get(b"a")).kvs


def test_key_moves_from_one_lease_to_another(leases: Leases) -> None:
    leases.send(grant(1))
    leases.send(grant(2))
    leases.send(put(b"a", lease=1))
    leases.send(put(b"a", lease=2))
    assert (leases.keys(1), leases.keys(2)) == ([], [b"a"])
    leases.send(revoke(1))
    assert leases.send(get(b"a")).kvs[0].lease == 2
    leases.send(revoke(2))
    assert not leases.send(get(b"a")).kvs


def test_key_put_twice_is_listed_once(leases: Leases) -> None:
    leases.send(grant(1))
    leases.send(put(b"a", b"1", lease=1))
    leases.send(put(b"a", b"2", lease=1))
    assert leases.keys(1) == [b"a"]


@pytest.mark.parametrize(
    ("request_", "stays"),
    [
        (put(b"a", b"2"), False),
        (put(b"a", ignore_value=True), False),
        (put(b"a", b"2", ignore_lease=True), True),
        (put(b"a", ignore_value=True, ignore_lease=True), True),
        (put(b"a", ignore_value=True, lease=1), True),
        (delete(b"a"), False),
        (delete(b"a", b"c"), False),
        (delete(b"\0", b"\0"), False),
        (delete(b"b"), True),
        (txn(delete(b"a")), False),
        (txn(put(b"a")), False),
        (txn(txn(put(b"a"))), False),
        (txn(txn(put(b"a", lease=1))), True),
        (txn(put(b"b", lease=1)), True),
    ],
    ids=lambda value: str(value).replace("\n", " ")[:60],
)
def test_key_stays_on_its_lease_or_leaves_it(
    leases: Leases, request_: pb.PutRequest, stays: bool
) -> None:
    leases.send(grant(1))
    leases.send(put(b"a", b"1", lease=1))
    leases.send(request_)
    assert (b"a" in leases.keys(1)) == stays
    had_key = bool(leases.send(get(b"a")).kvs)
    leases.send(revoke(1))
    assert bool(leases.send(get(b"a")).kvs) == (had_key and not stays)


def test_put_that_keeps_a_lease_and_names_one_is_refused(leases: Leases) -> None:
    leases.send(grant(1))
    leases.send(put(b"a", lease=1))
    assert leases.error(put(b"a", lease=1, ignore_lease=True)) == errors.LEASE_PROVIDED
    assert leases.error(put(b"none", ignore_lease=True)) == errors.KEY_NOT_FOUND


def test_key_deleted_and_put_again_outlives_the_lease(leases: Leases) -> None:
    leases.send(grant(1))
    leases.send(put(b"a", lease=1))
    leases.send(delete(b"a"))
    leases.send(put(b"a"))
    leases.send(revoke(1))
    assert leases.send(get(b"a")).kvs


def test_key_put_and_deleted_in_one_transaction_is_on_no_lease(leases: Leases) -> None:
    leases.send(grant(1))
    leases.send(txn(txn(put(b"x", lease=1)), txn(delete(b"x"))))
    assert leases.keys(1) == []


def test_transaction_with_an_unknown_lease_writes_nothing(leases: Leases) -> None:
    leases.send(grant(1))
    request = txn(put(b"x", lease=1), put(b"y", lease=999))
    assert leases.error(request) == errors.LEASE_NOT_FOUND
    assert not leases.send(get(b"x")).kvs
    assert leases.keys(1) == []


def test_lease_of_a_branch_not_taken_is_not_looked_at(leases: Leases) -> None:
    leases.send(txn(put(b"x"), otherwise=[put(b"y", lease=999)]))
    assert leases.send(get(b"x")).kvs


def test_old_revisions_show_the_lease_of_their_time(leases: Leases) -> None:
    leases.send(grant(1))
    attached = leases.send(put(b"a", lease=1)).header.revision
    leases.send(put(b"a"))
    leases.send(revoke(1))
    assert leases.send(get(b"a", revision=attached)).kvs[0].lease == 1
    assert leases.send(get(b"a")).kvs[0].lease == 0


def test_compaction_leaves_attachments_alone(leases: Leases) -> None:
    leases.send(grant(1))
    leases.send(put(b"a", lease=1))
    leases.send(compact(leases.send(put(b"b")).header.revision))
    assert leases.keys(1) == [b"a"]
    leases.send(revoke(1))
    assert not leases.send(get(b"a")).kvs


# ------------------------------------------------------------------- alarms


def _raise_alarm(leases: Leases, kind: pb.AlarmType.ValueType) -> None:
    leases.send(pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, memberID=1, alarm=kind))


def test_no_lease_is_granted_without_space(leases: Leases) -> None:
    leases.send(grant(1, 60))
    leases.send(put(b"a", lease=1))
    _raise_alarm(leases, pb.NOSPACE)
    assert leases.error(grant(2)) == errors.NO_SPACE
    assert leases.error(grant(1)) == errors.NO_SPACE
    assert leases.error(grant(2, MAX_TTL + 1)) == errors.NO_SPACE
    assert leases.error(revoke(1234)) == errors.LEASE_NOT_FOUND
    assert [reply.TTL for reply in leases.keep_alive(1)] == [60]
    leases.send(revoke(1))
    assert not leases.send(get(b"a")).kvs


def test_corruption_stops_granting_and_revoking(leases: Leases) -> None:
    leases.send(grant(1, 60))
    _raise_alarm(leases, pb.CORRUPT)
    assert leases.error(grant(2)) == errors.CORRUPT
    assert leases.error(revoke(1)) == errors.CORRUPT
    assert leases.error(revoke(1234)) == errors.CORRUPT
    assert [reply.TTL for reply in leases.keep_alive(1, 1234)] == [60, 0]
    assert leases.time_to_live(1).grantedTTL == 60
    assert leases.listed() == [1]


# ------------------------------------------------------------------ restart


@pytest.mark.parametrize("how", ["restart", "crash"])
def test_leases_and_their_keys_outlive_the_server(fresh: Pair, how: str) -> None:
    leases = Leases(fresh)
    for lease, ttl in ((1, 1), (2, 60), (3, 5000), (4, MAX_TTL), (5, 70)):
        leases.send(grant(lease, ttl))
    for number in range(6):
        leases.send(put(b"%d" % number, lease=2 if number % 2 else 3))
    leases.send(put(b"1", lease=4))
    leases.send(delete(b"2"))
    leases.send(put(b"3"))
    leases.send(revoke(5))
    getattr(fresh, how)()
    assert leases.keys(2) == [b"5"]
    assert leases.keys(3) == [b"0", b"4"]
    assert leases.keys(4) == [b"1"]
    assert 60 - leases.tolerance <= leases.time_to_live(2).TTL <= 60
    assert [lease for lease in leases.listed() if lease != 1] == [2, 3, 4]
    assert leases.error(revoke(5)) == errors.LEASE_NOT_FOUND
    leases.send(revoke(3))
    assert not leases.send(get(b"0")).kvs


def test_any_id_outlives_the_server(fresh: Pair) -> None:
    leases = Leases(fresh)
    ids = {b"a": -1, b"b": -(2**63), b"c": 2**63 - 1}
    for key, lease in ids.items():
        leases.send(grant(lease, 60))
        leases.send(put(key, lease=lease))
    fresh.restart()
    for key, lease in ids.items():
        subject, reference = (time_to_live(peer, lease, keys=True) for peer in fresh.peers)
        assert (subject.grantedTTL, list(subject.keys)) == (60, [key])
        if fresh.version >= KEEPS_ALL_LEASES:
            assert (reference.grantedTTL, list(reference.keys)) == (60, [key])


def test_keep_alive_and_time_to_live_agree_after_a_restart(fresh: Pair) -> None:
    leases = Leases(fresh)
    leases.send(grant(7, 60))
    fresh.restart()
    for peer in fresh.peers:
        assert [reply.TTL for reply in keep_alive(peer, 7)] == [60]
        assert 40 < time_to_live(peer, 7).TTL <= 59
