"""Leases that run out, on both servers at once and by their own clocks."""

from __future__ import annotations

import time
from typing import NamedTuple

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
from tests.conformance.messages import get, put
from tests.conformance.pair import Pair
from tests.conformance.peers import Call, Peer
from tests.support.servers import etcdpy_server

# A lease is revoked at most this long after its end: a look every half a second, and slack.
LATEST = 0.5 + 1.0


@pytest.fixture
def leases(shared_pair: Pair) -> Leases:
    return Leases(shared_pair)


def test_key_goes_within_half_a_second_of_the_end(leases: Leases) -> None:
    began = leases.send(get(b"a")).header.revision

    def live(peer: Peer) -> float:
        peer.send(Call.of(grant(1, 2)))
        granted = time.monotonic()
        peer.send(Call.of(put(b"a", lease=1)))
        ((deleted,),) = deletions(peer, began + 1, 1)
        assert (deleted.kv.key, deleted.kv.mod_revision) == (b"a", began + 2)
        return time.monotonic() - granted

    for lived in on_both(leases.pair, live):
        assert 2.0 <= lived < 2 + LATEST
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
    def keep(peer: Peer) -> list[int]:
        peer.send(Call.of(grant(1, 2)))
        peer.send(Call.of(put(b"a", lease=1)))
        granted = time.monotonic()
        ttls = []
        for moment in (1.2, 2.4, 3.6):
            sleep_until(granted + moment)
            ttls += [reply.TTL for reply in keep_alive(peer, 1)]
        return ttls

    assert same_on_both(leases.pair, keep) == [2, 2, 2]
    assert leases.send(get(b"a")).kvs


def test_leases_that_end_together_have_a_revision_each(leases: Leases) -> None:
    began = leases.send(get(b"a")).header.revision

    def expire(peer: Peer) -> list[list[int]]:
        for lease in (1, 2, 3):
            peer.send(Call.of(grant(lease, 2)))
            peer.send(Call.of(put(b"%d" % lease, lease=lease)))
        messages = deletions(peer, began + 1, 3)
        assert sorted(event.kv.key for events in messages for event in events) == [
            b"1",
            b"2",
            b"3",
        ]
        return [[event.kv.mod_revision for event in events] for events in messages]

    expected = [[began + 4], [began + 5], [began + 6]]
    assert same_on_both(leases.pair, expire) == expected


def test_ended_lease_stays_under_a_corruption_alarm(leases: Leases) -> None:
    leases.send(grant(1, 2))
    granted = time.monotonic()
    leases.send(put(b"a", lease=1))
    alarm = pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, memberID=1, alarm=pb.CORRUPT)
    leases.send(alarm)
    sleep_until(granted + 4.2)
    told = leases.time_to_live(1, keys=True)
    assert told.TTL in (-1, -2)
    assert (told.grantedTTL, list(told.keys)) == (2, [b"a"])
    assert leases.send(get(b"a")).kvs
    alarm.action = pb.AlarmRequest.DEACTIVATE
    leases.send(alarm)

    def gone(peer: Peer) -> float:
        while time_to_live(peer, 1).grantedTTL:
            time.sleep(0.1)
        return time.monotonic() - granted

    # It is tried again a request timeout, 7 seconds, after the first time.
    for lasted in on_both(leases.pair, gone):
        assert 9.0 <= lasted < 9 + LATEST
    assert not leases.send(get(b"a")).kvs


class Restarted(NamedTuple):
    ttl: int
    has_key: bool
    lived: float


def test_lease_starts_again_with_the_server(fresh: Pair) -> None:
    leases = Leases(fresh)
    leases.send(grant(1, 6))
    last = leases.send(put(b"a", lease=1)).header.revision
    fresh.restart(pause=6.5)
    started = time.monotonic()

    def look(peer: Peer) -> Restarted:
        ttl = time_to_live(peer, 1).TTL
        has_key = bool(peer.send(Call.of(get(b"a"))).reply.kvs)
        deletions(peer, last + 1, 1)
        return Restarted(ttl, has_key, time.monotonic() - started)

    for it in on_both(fresh, look):
        # The first of the two servers has been up for as long as the second took to start.
        assert 2 <= it.ttl <= 6
        assert it.has_key
        assert 2.0 <= it.lived < 7 + LATEST
    assert leases.error(put(b"a", lease=1)) == errors.LEASE_NOT_FOUND


@pytest.mark.parametrize(
    ("heartbeat", "election", "shortest"),
    [(100, 1000, 2), (500, 5000, 8), (100, 500, 1), (7, 999, 2), (100, 700, 1), (1, 5, 1)],
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
