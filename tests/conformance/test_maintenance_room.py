"""Running out of room: the quota's exact boundary, and a disk that is full."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance import errors
from tests.conformance.messages import EVERYTHING, delete, get, put
from tests.conformance.peers import Call, Peer
from tests.support.servers import IDENTITY, Server, etcdpy_server
from tests.support.small_disk import mounted, take_all_room

OVERHEAD = 256


def test_a_put_fits_until_it_reaches_the_quota() -> None:
    quota = 16 << 20
    with etcdpy_server(args=[f"--quota-backend-bytes={quota}"]) as server:
        peer = Peer(server.address)
        _fill(peer, quota - (1 << 20))
        key = b"k"
        refused = put(key, b"v" * (quota - _settled_size(peer) - OVERHEAD - len(key)))
        assert peer.send(Call.of(refused)).error == errors.NO_SPACE
        _disarm(peer)
        fits = put(key, b"v" * (quota - _settled_size(peer) - OVERHEAD - len(key) - 1))
        assert peer.send(Call.of(fits)).error is None
        peer.close()


def test_a_burst_overshoots_the_quota_by_little() -> None:
    quota = 8 << 20
    with etcdpy_server(args=[f"--quota-backend-bytes={quota}"]) as server:
        peer = Peer(server.address)
        requests = [Call.of(put(b"%05d" % number, b"v" * 10_000)) for number in range(1600)]
        answers = [peer.start(request) for request in requests]
        refused = sum(answer().error == errors.NO_SPACE for answer in answers)
        assert refused > len(requests) // 4
        # A value takes whole pages, which is known once it is in the database: three here.
        assert _size(peer) < quota * 12_288 // 10_000 + (2 << 20)
        peer.close()


def test_a_quota_that_is_met_outlives_a_kill_until_it_is_disarmed() -> None:
    quota = 8 << 20
    with etcdpy_server(args=[f"--quota-backend-bytes={quota}"]) as server:
        peer = Peer(server.address)
        acknowledged: list[int] = []
        assert _put_until_refused(peer, acknowledged) == errors.NO_SPACE
        (alarm,) = peer.send(Call.of(pb.AlarmRequest())).reply.alarms
        peer.close()
        server.kill()
        server.start()
        peer = Peer(server.address)
        assert _keys(peer) == set(acknowledged)
        assert list(peer.send(Call.of(pb.AlarmRequest())).reply.alarms) == [alarm]
        assert peer.send(Call.of(put(b"k"))).error == errors.NO_SPACE
        peer.send(Call.of(delete(*EVERYTHING)))
        _disarm(peer)
        assert not peer.send(Call.of(pb.AlarmRequest())).reply.alarms
        # What was deleted is history, and takes as much room as before.
        assert _put_until_refused(peer, acknowledged) == errors.NO_SPACE
        peer.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path) as disk:
        yield disk


def test_a_full_disk_loses_nothing_and_serves_again_once_there_is_room(small_disk: Path) -> None:
    server = _server(small_disk)
    ballast = small_disk / "ballast"
    server.start()
    try:
        peer = Peer(server.address)
        acknowledged = [number for number in range(64) if _put(peer, number)]
        take_all_room(ballast)
        refused = _put_until_refused(peer, acknowledged)
        assert refused == errors.NO_SPACE
        assert _keys(peer) >= set(acknowledged)
        assert peer.send(Call.of(pb.StatusRequest())).reply.errors
        peer.close()
        server.kill()
        ballast.unlink()
        server.start()
        peer = Peer(server.address)
        assert _keys(peer) >= set(acknowledged)
        _disarm(peer)
        assert _put(peer, 10_000)
        peer.close()
        assert server.stop() == -15
    finally:
        server.close()


def test_a_server_with_a_full_disk_goes_on_by_itself_and_can_be_stopped(small_disk: Path) -> None:
    server = _server(small_disk)
    ballast = small_disk / "ballast"
    server.start()
    try:
        # A write that needs room to become durable waits for it.
        peer, hasty = Peer(server.address), Peer(server.address, timeout=2)
        acknowledged = [number for number in range(64) if _put(peer, number)]
        take_all_room(ballast)
        _put_until_refused(hasty, acknowledged)
        ballast.unlink()
        _disarm(peer)
        assert _put(peer, 10_000)
        take_all_room(ballast)
        _put_until_refused(hasty, acknowledged)
        peer.close()
        hasty.close()
        assert server.stop() == -15
        ballast.unlink()
        server.start()
        peer = Peer(server.address)
        assert _keys(peer) >= {*acknowledged, 10_000}
        peer.close()
    finally:
        server.close()


def _server(disk: Path) -> Server:
    command = [sys.executable, "-m", "etcdpy", *IDENTITY]
    return Server(command, disk / "data")


def _put(peer: Peer, number: int) -> bool:
    return peer.send(Call.of(put(b"%05d" % number, b"v" * 60_000))).error is None


def _put_until_refused(peer: Peer, acknowledged: list[int]) -> tuple[str, str] | None:
    """Put keys until one is refused; say how. Whatever came before it is acknowledged."""
    for number in range(len(acknowledged), len(acknowledged) + 1000):
        outcome = peer.send(Call.of(put(b"%05d" % number, b"v" * 60_000)))
        if outcome.error:
            return outcome.error
        acknowledged.append(number)
    raise AssertionError("the disk was never full")


def _keys(peer: Peer) -> set[int]:
    reply = peer.send(Call.of(get(*EVERYTHING, keys_only=True))).reply
    return {int(kv.key) for kv in reply.kvs}


def _fill(peer: Peer, size: int) -> None:
    """Write until the database is at least ``size`` bytes, a little at a time."""
    number = 0
    deadline = time.monotonic() + 120
    while _size(peer) < size:
        assert peer.send(Call.of(put(b"f%d" % number, b"v" * 100_000))).error is None
        number += 1
        assert time.monotonic() < deadline


def _size(peer: Peer) -> int:
    size: int = peer.send(Call.of(pb.StatusRequest())).reply.dbSize
    return size


def _settled_size(peer: Peer) -> int:
    """Return the size once what was written is no longer being moved."""
    while (size := _size(peer)) != _after_a_moment(peer):
        pass
    return size


def _after_a_moment(peer: Peer) -> int:
    time.sleep(0.2)
    return _size(peer)


def _disarm(peer: Peer) -> None:
    for alarm in peer.send(Call.of(pb.AlarmRequest())).reply.alarms:
        off = pb.AlarmRequest(action=pb.AlarmRequest.DEACTIVATE)
        off.memberID, off.alarm = alarm.memberID, alarm.alarm
        assert peer.send(Call.of(off)).error is None
