"""Crowds that wait for a lock or for an election."""

from __future__ import annotations

from google.protobuf.message import Message

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3election_pb2, v3lock_pb2
from tests.fairness import wire as w
from tests.fairness.attacks.table import attack
from tests.fairness.wire import Crowd


@attack()
def locks_of_one_name(crowd: Crowd) -> None:
    """Have 3,000 wait for one lock, and let them in one after the other."""
    _locks(crowd, 3000, b"name")


@attack()
def locks_of_long_names(crowd: Crowd) -> None:
    """Wait for locks with names of a megabyte."""
    _locks(crowd, 60, bytes(1_000_000))


def _locks(crowd: Crowd, number: int, name: bytes) -> None:
    (wire,) = crowd.connect()
    for lease in range(1, number + 1):
        wire.call(w.LEASE + "LeaseGrant", pb.LeaseGrantRequest(ID=lease, TTL=60))
    crowd.wait(lambda: wire.ended >= number)
    for lease in range(1, number + 1):
        wire.call(w.LOCK, v3lock_pb2.LockRequest(name=name, lease=lease))
    released = 0
    while not crowd.is_over and wire.is_open:
        # Each that has got in goes out: its unlocking is answered as well.
        got = wire.ended - number - released
        crowd.pump(0.01)
        while released < min(number, got):
            released += 1
            key = name + b"/%x" % released
            wire.call(w.UNLOCK, v3lock_pb2.UnlockRequest(key=key))


@attack()
def waiters_leave_at_once(crowd: Crowd) -> None:
    """Have 5,000 wait for a lock, and cut the connection."""
    _leave_at_once(crowd, w.LOCK, v3lock_pb2.LockRequest(name=b"left"))


@attack()
def campaigners_leave_at_once(crowd: Crowd) -> None:
    """Have 5,000 campaign, and cut the connection."""
    _leave_at_once(crowd, w.CAMPAIGN, v3election_pb2.CampaignRequest(name=b"left", value=b"me"))


def _leave_at_once(crowd: Crowd, path: str, request: Message) -> None:
    while not crowd.is_over:
        (wire,) = crowd.connect()
        for _ in range(5000):
            wire.call(path, request)
        while wire.out and not crowd.is_over:
            crowd.pump()
        crowd.pump(0.5)
        crowd.leave(wire)
