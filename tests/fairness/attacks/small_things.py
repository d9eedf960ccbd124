"""Maintenance, the cluster and health: little calls, and what they make the server do."""

from __future__ import annotations

import itertools
from typing import cast

from etcdpy.pb import health_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import attack, keys
from tests.fairness.wire import Crowd, Wire

_HEALTH = "/grpc.health.v1.Health/"


@attack(keys(100_000, 16))
def sixteen_hashes(crowd: Crowd) -> None:
    """Have everything hashed in both ways, 16 at once on each of 4 connections."""
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        if next(numbers) % 2:
            wire.call(w.MAINTENANCE + "Hash", pb.HashRequest())
        else:
            wire.call(w.MAINTENANCE + "HashKV", pb.HashKVRequest())

    crowd.drive(more, 16, 4)


@attack(keys(20_000, 16))
def statuses(crowd: Crowd) -> None:
    """Ask for the status as fast as can be, on 40 connections."""
    request = pb.StatusRequest()
    crowd.drive(lambda wire: wire.call(w.MAINTENANCE + "Status", request), 1000, 40)


@attack()
def member_lists(crowd: Crowd) -> None:
    """Ask for the members as fast as can be, on 40 connections."""
    request = pb.MemberListRequest(linearizable=True)
    crowd.drive(lambda wire: wire.call("/etcdserverpb.Cluster/MemberList", request), 1000, 40)


@attack()
def moves_of_leader(crowd: Crowd) -> None:
    """Have leadership moved to nobody, on 40 connections."""
    request = pb.MoveLeaderRequest(targetID=5)
    crowd.drive(lambda wire: wire.call(w.MAINTENANCE + "MoveLeader", request), 1000, 40)


@attack()
def alarms(crowd: Crowd) -> None:
    """Switch an alarm of a member that there is not on and off, on 10 connections."""
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        action = (pb.AlarmRequest.ACTIVATE, pb.AlarmRequest.DEACTIVATE)[next(numbers) % 2]
        request = pb.AlarmRequest(action=action, memberID=next(numbers), alarm=pb.NONE)
        wire.call(w.MAINTENANCE + "Alarm", request)

    crowd.drive(more, 100, 10)


@attack()
def health_watches(crowd: Crowd) -> None:
    """Watch whether the server is well, on 10,000 streams, and leave, over and over."""
    while not crowd.is_over:
        for wire in crowd.connect(10):
            for _ in range(1000):
                wire.call(_HEALTH + "Watch", health_pb2.HealthCheckRequest())
        crowd.wait(lambda: crowd.is_over or not any(wire.out for wire in crowd.wires), 5.0)
        crowd.pump(0.5)
        for wire in crowd.wires:
            crowd.leave(wire)


@attack()
def health_checks(crowd: Crowd) -> None:
    """Ask whether the server is well as fast as can be, on 40 connections."""
    request = health_pb2.HealthCheckRequest()
    crowd.drive(lambda wire: wire.call(_HEALTH + "Check", request), 1000, 40)


@attack()
def alarms_of_many_members(crowd: Crowd) -> None:
    """Raise an alarm of one member after the other that there is not, and list them."""
    numbers = itertools.count(1)

    def more(wire: Wire) -> None:
        number = next(numbers)
        if number % 100:
            action, kind = pb.AlarmRequest.ACTIVATE, cast("pb.AlarmType.ValueType", 7)
        else:
            action, kind = pb.AlarmRequest.GET, pb.NONE
        request = pb.AlarmRequest(action=action, memberID=number, alarm=kind)
        wire.call(w.MAINTENANCE + "Alarm", request)

    crowd.drive(more, 500, 4)


@attack()
def members_added_of_many_addresses(crowd: Crowd) -> None:
    """Add a member of 20,000 addresses."""
    urls = [f"http://10.0.{i // 250}.{i % 250}:{i}" for i in range(1, 20_000)]
    request = pb.MemberAddRequest(isLearner=True, peerURLs=urls)
    crowd.drive(lambda wire: wire.call("/etcdserverpb.Cluster/MemberAdd", request), 4, 4)
