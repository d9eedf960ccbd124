"""All the little calls of a kind at once, and large answers to small questions, over and over."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import NamedTuple

from google.protobuf.message import Message

from etcdpy.pb import auth_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.permissions import somebody, token_of
from tests.fairness.attacks.table import attack, keys
from tests.fairness.attacks.users import QUICK, ROOT
from tests.fairness.wire import Crowd, Wire


class _Call(NamedTuple):
    path: str
    request: Message


def _rounds(crowd: Crowd, calls: list[_Call], most: int, number: int, *extra: bytes) -> None:
    """Make calls in turn, on so many connections."""
    turns = itertools.cycle(calls)

    def more(wire: Wire) -> None:
        call = next(turns)
        wire.call(call.path, call.request, *extra)

    crowd.drive(more, most, number)


@attack(keys(20_000, 100))
def maintenance(crowd: Crowd) -> None:
    """Ask for members, the status, alarms, hashes and snapshots, 50 at once on 40 connections."""
    calls = [
        _Call("/etcdserverpb.Cluster/MemberList", pb.MemberListRequest(linearizable=True)),
        _Call(w.MAINTENANCE + "Status", pb.StatusRequest()),
        _Call(w.MAINTENANCE + "Alarm", pb.AlarmRequest()),
        _Call(w.MAINTENANCE + "HashKV", pb.HashKVRequest()),
        _Call(w.MAINTENANCE + "Hash", pb.HashRequest()),
        _Call(w.MAINTENANCE + "Snapshot", pb.SnapshotRequest()),
    ]
    _rounds(crowd, calls, 50, 40)


@attack(keys(200, 100_000))
def snapshots_read_slowly(crowd: Crowd) -> None:
    """Ask for 100 snapshots and read a byte of each ten times a second; put meanwhile."""
    wires = crowd.connect(100, window=65535, stream_window=65535, reads=False)
    for wire in wires:
        wire.call(w.MAINTENANCE + "Snapshot", pb.SnapshotRequest())
    (writer,) = crowd.connect()
    numbers = itertools.count()
    began = time.monotonic()
    while not crowd.is_over and writer.is_open:
        while writer.unanswered < 20:
            key = b"/keys/%08d" % (next(numbers) % 200)
            writer.call(w.PUT, pb.PutRequest(key=key, value=bytes(10_000)))
        crowd.pump(0.01)
        if time.monotonic() - began >= 0.1:
            began = time.monotonic()
            for wire in wires:
                wire.take(wire.socket.recv(1))


@attack(keys(5_000, 1_000))
def upkeep_in_a_loop(crowd: Crowd) -> None:
    """Put, compact and defragment one after the other, each when the one before is answered."""
    (wire,) = crowd.connect()
    revision = 60
    while not crowd.is_over and wire.is_open:
        for i in range(50):
            wire.call(w.PUT, pb.PutRequest(key=b"/keys/%08d" % i, value=bytes(1000)))
        crowd.wait(lambda: not wire.unanswered or crowd.is_over)
        wire.call(w.COMPACT, pb.CompactionRequest(revision=revision, physical=True))
        crowd.wait(lambda: not wire.unanswered or crowd.is_over)
        wire.call(w.MAINTENANCE + "Defragment", pb.DefragmentRequest())
        crowd.wait(lambda: not wire.unanswered or crowd.is_over)
        revision += 50


@attack(somebody(), QUICK, user=ROOT)
def logins_of_nobody(crowd: Crowd) -> None:
    """Log in as users that there are not, each another one, 200 at once on 10 connections."""
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        name = f"nobody{next(numbers)}"
        wire.call(w.AUTH + "Authenticate", pb.AuthenticateRequest(name=name, password="bad"))

    crowd.drive(more, 200, 10)


@attack(somebody(), QUICK, user=ROOT)
def users_and_roles(crowd: Crowd) -> None:
    """Add users and roles and grant both by root, and read by somebody else meanwhile."""
    root, eve = token_of(crowd, "root"), token_of(crowd, "eve")
    options = auth_pb2.UserAddOptions(no_password=True)
    get = pb.RangeRequest(key=b"/a/1")
    numbers = itertools.count()

    def grant(wire: Wire) -> None:
        number, kind = divmod(next(numbers), 8)
        name = f"x{number}"
        perm = auth_pb2.Permission(key=b"/x/%d" % number)
        changes: list[Callable[[], _Call]] = [
            lambda: _Call("UserAdd", pb.AuthUserAddRequest(name=name, options=options)),
            lambda: _Call("RoleAdd", pb.AuthRoleAddRequest(name=name)),
            lambda: _Call("RoleGrantPermission", _granted(name, perm)),
            lambda: _Call("UserGrantRole", pb.AuthUserGrantRoleRequest(user="eve", role=name)),
        ]
        if kind < len(changes):
            call = changes[kind]()
            wire.call(w.AUTH + call.path, call.request, root)
        else:
            wire.call(w.RANGE, get, eve)

    crowd.drive(grant, 40, 4)


def _granted(name: str, perm: auth_pb2.Permission) -> pb.AuthRoleGrantPermissionRequest:
    return pb.AuthRoleGrantPermissionRequest(name=name, perm=perm)


@attack(keys(2_000, 16))
def puts_of_nothing(crowd: Crowd) -> None:
    """Keep the value and the lease of keys that there are not, 100 in a transaction, flat out."""
    request = pb.TxnRequest()
    for i in range(100):
        put = pb.PutRequest(key=b"/none/%d" % i, ignore_value=i % 2 == 0, ignore_lease=i % 2 == 1)
        request.success.add().request_put.CopyFrom(put)
    crowd.drive(lambda wire: wire.call(w.TXN, request), 100, 40)


@attack(keys(2, 1_400_000, b"/huge/"))
def huge_values_watched(crowd: Crowd) -> None:
    """Put and delete 1.4 MB that 200 streams watch with filters, in fragments, with what was."""
    streams = 0
    for wire in crowd.connect(20):
        for _ in range(10):
            streams += 1
            kept = [pb.WatchCreateRequest.NOPUT, pb.WatchCreateRequest.NODELETE][streams % 2]
            create = pb.WatchCreateRequest(
                key=b"/huge/", range_end=b"/huge0", prev_kv=True, fragment=True, filters=[kept]
            )
            body = w.message(pb.WatchRequest(create_request=create))
            wire.out += w.data(wire.begin(w.WATCH), body, end=False)
    crowd.pump(0.1)
    (writer,) = crowd.connect()
    while not crowd.is_over and writer.is_open:
        writer.call(w.PUT, pb.PutRequest(key=b"/huge/a", value=bytes(1_400_000)))
        writer.call(w.DELETE, pb.DeleteRangeRequest(key=b"/huge/a"))
        crowd.wait(lambda: not writer.unanswered or crowd.is_over)


def _leases(crowd: Crowd) -> None:
    grants = [pb.LeaseGrantRequest(ID=lease, TTL=600) for lease in range(1, 11)]
    crowd.each(w.LEASE + "LeaseGrant", grants)
    requests = []
    for first in range(0, 100_000, 100):
        request = pb.TxnRequest()
        for i in range(first, first + 100):
            put = pb.PutRequest(key=b"/leased/%d" % i, lease=1 + i % 10)
            request.success.add().request_put.CopyFrom(put)
        requests.append(request)
    crowd.each(w.TXN, requests)


@attack(_leases)
def keys_of_many_leases(crowd: Crowd) -> None:
    """Have ten leases tell their 10,000 keys each while those move from one to the next."""
    leases = itertools.cycle(range(1, 11))
    numbers = itertools.count()

    def more(wire: Wire) -> None:
        if next(numbers) % 20:
            key = b"/leased/%d" % (next(numbers) % 100_000)
            wire.call(w.PUT, pb.PutRequest(key=key, lease=next(leases)))
        else:
            request = pb.LeaseTimeToLiveRequest(ID=next(leases), keys=True)
            wire.call(w.LEASE + "LeaseTimeToLive", request)

    crowd.drive(more, 20, 10)
