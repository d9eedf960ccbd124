"""Leases that run out, on both servers at once and by their own clocks."""

from __future__ import annotations

import time

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.leasing import (
    Leases,
    deletions,
    grant,
    keep_alive,
    on_both,
    same_on_both,
    sleep_until,
    time_to_live,
)
from tests.conformance.messages import get, put, txn
from tests.conformance.pair import Pair
from tests.conformance.peers import Call, Peer
from tests.support.servers import etcdpy_server

# A lease is revoked at most this long after its end: a look every half a second, and what a busy
# machine needs.
LATEST = 0.5 + 20.0


@pytest.fixture
def leases(shared_pair: Pair) -> Leases:
    return Leases(shared_pair)


def test_key_goes_soon_after_the_end(leases: Leases) -> None:
    began = leases.send(get(b"a")).header.revision

    def live(peer: Peer) -> float:
        asked = time.monotonic()
        peer.send(Call.of(grant(1, 3)))
        peer.send(Call.of(put(b"a", lease=1)))
        ((deleted,),) = deletions(peer, began + 1, 1)
        assert (deleted.kv.key, deleted.kv.mod_revision) == (b"a", began + 2)
        return time.monotonic() - asked

    for lived in on_both(leases.pair, live):
        assert 3.0 <= lived < 3 + LATEST
    assert leases.error(put(b"a", lease=1)) == errors.LEASE_NOT_FOUND


def test_keep_alive_of_an_ended_lease_waits_for_its_revocation(leases: Leases) -> None:
    def too_late(peer: Peer) -> tuple[int, float]:
        peer.send(Call.of(grant(1, 2)))
        granted = time.monotonic()
        sleep_until(granted + 2.05)
        (reply,) = keep_alive(peer, 1)
        return reply.TTL, time.monotonic() - granted

    for ttl, answered in on_both(leases.pair, too_late):
        assert ttl == 0
        assert answered < 2 + LATEST
    assert leases.listed() == []


def test_kept_alive_it_stays(leases: Leases) -> None:
    def keep(peer: Peer) -> tuple[list[int], bool]:
        peer.send(Call.of(grant(1, 6)))
        granted = time.monotonic()
        peer.send(Call.of(put(b"a", lease=1)))
        sleep_until(granted + 2.5)
        ttls = [reply.TTL for reply in keep_alive(peer, 1)]
        sleep_until(granted + 6.1)
        return ttls, bool(peer.send(Call.of(get(b"a"))).reply.kvs)

    assert same_on_both(leases.pair, keep) == ([6], True)


def test_leases_that_end_together_have_a_revision_each(leases: Leases) -> None:
    began = leases.send(get(b"a")).header.revision

    def expire(peer: Peer) -> list[list[int]]:
        for lease in (1, 2, 3):
            peer.send(Call.of(grant(lease, 5)))
        puts = [put(b"%d" % lease, lease=lease) for lease in (1, 2, 3)]
        peer.send(Call.of(txn(*puts)))
        messages = deletions(peer, began + 1, 3)
        assert sorted(event.kv.key for events in messages for event in events) == [
            b"1",
            b"2",
            b"3",
        ]
        return [[event.kv.mod_revision for event in events] for events in messages]

    expected = [[began + 2], [began + 3], [began + 4]]
    assert same_on_both(leases.pair, expire) == expected


def test_ended_lease_stays_under_a_corruption_alarm(leases: Leases) -> None:
    asked = time.monotonic()
    leases.send(grant(1, 4))
    leases.send(put(b"a", lease=1))
    alarm = pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, memberID=1, alarm=pb.CORRUPT)
    leases.send(alarm)
    sleep_until(time.monotonic() + 5.1)
    told = leases.time_to_live(1, keys=True)
    assert told.TTL < 0
    assert (told.grantedTTL, list(told.keys)) == (4, [b"a"])
    assert leases.send(get(b"a")).kvs
    alarm.action = pb.AlarmRequest.DEACTIVATE
    leases.send(alarm)

    def gone(peer: Peer) -> float:
        while time_to_live(peer, 1).grantedTTL:
            time.sleep(0.1)
        return time.monotonic() - asked

    # It is tried again a request timeout, 7 seconds, after the first time.
    for lasted in on_both(leases.pair, gone):
        assert 4 + 7 <= lasted < 4 + 7 + LATEST
    assert not leases.send(get(b"a")).kvs


def test_lease_starts_again_with_the_server(fresh: Pair) -> None:
    leases = Leases(fresh)
    leases.send(grant(1, 6))
    last = leases.send(put(b"a", lease=1)).header.revision
    # They are started behind the pause, one after the other, in whatever time that takes.
    earliest = time.monotonic() + 6.5 + 6
    fresh.restart(pause=6.5)

    def look(peer: Peer) -> None:
        ttl = time_to_live(peer, 1).TTL
        has_key = bool(peer.send(Call.of(get(b"a"))).reply.kvs)
        if time.monotonic() < earliest:
            assert has_key
            assert earliest - time.monotonic() - 1 <= ttl <= 6
        deletions(peer, last + 1, 1)
        assert earliest <= time.monotonic() < earliest + LATEST

    on_both(fresh, look)
    assert leases.error(put(b"a", lease=1)) == errors.LEASE_NOT_FOUND


@pytest.mark.parametrize(
    ("heartbeat", "election", "shortest"),
    [(500, 5000, 8), (7, 999, 2), (1, 5, 1)],
)
def test_shortest_lease_follows_from_the_election_timeout(
    heartbeat: int, election: int, shortest: int
) -> None:
    times = (f"--heartbeat-interval={heartbeat}", f"--election-timeout={election}")
    with etcdpy_server(args=times) as server:
        peer = Peer(server.address)
        assert shortest == peer.send(Call.of(grant(1, 1))).reply.TTL
        peer.close()


def test_shortest_lease_is_etcds(start_pair: object) -> None:
    times = ("--heartbeat-interval=200", "--election-timeout=2300")
    with start_pair(times) as pair:  # type: ignore[operator]
        assert Leases(pair).send(grant(1, 0)).TTL == 4
