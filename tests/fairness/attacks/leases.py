"""Leases that end together, and those that are asked for over and over."""

from __future__ import annotations

from etcdpy.pb import rpc_pb2 as pb
from tests.fairness import wire as w
from tests.fairness.attacks.table import attack
from tests.fairness.wire import Crowd, Wire


def _leased(crowd: Crowd) -> None:
    crowd.each(w.LEASE + "LeaseGrant", [pb.LeaseGrantRequest(ID=77, TTL=600)])
    requests = []
    for first in range(0, 100_000, 100):
        request = pb.TxnRequest()
        for i in range(first, first + 100):
            put = pb.PutRequest(key=b"/leased/%d" % i, lease=77)
            request.success.add().request_put.CopyFrom(put)
        requests.append(request)
    crowd.each(w.TXN, requests)


@attack(_leased)
def leases_expire_together(crowd: Crowd) -> None:
    """Let a lease with 100,000 keys expire."""
    for _ in range(20):
        crowd.pump(0.05)
    (wire,) = crowd.connect()
    wire.call(w.LEASE + "LeaseRevoke", pb.LeaseRevokeRequest(ID=77))
    crowd.wait(lambda: crowd.is_over)


@attack(_leased)
def keys_of_a_lease(crowd: Crowd) -> None:
    """Have a lease tell its 100,000 keys, over and over."""
    request = pb.LeaseTimeToLiveRequest(ID=77, keys=True)
    crowd.drive(lambda wire: wire.call(w.LEASE + "LeaseTimeToLive", request), 4, 2)


@attack()
def leases_by_thousands(crowd: Crowd) -> None:
    """Let 10,000 leases, each with a key, expire in one second."""
    (wire,) = crowd.connect()
    leases = 10_000
    for lease in range(1, leases + 1):
        wire.call(w.LEASE + "LeaseGrant", pb.LeaseGrantRequest(ID=lease, TTL=2))
    crowd.wait(lambda: wire.ended >= leases, 30.0)
    for lease in range(1, leases + 1):
        wire.call(w.PUT, pb.PutRequest(key=b"/leased/%d" % lease, lease=lease))
    crowd.wait(lambda: wire.ended >= 2 * leases, 30.0)
    crowd.wait(lambda: False, 4.0)


@attack()
def lease_grants(crowd: Crowd) -> None:
    """Grant leases, and list them all."""

    def more(wire: Wire) -> None:
        if wire.next_id % 400 == 1:
            wire.call(w.LEASE + "LeaseLeases", pb.LeaseLeasesRequest())
        else:
            wire.call(w.LEASE + "LeaseGrant", pb.LeaseGrantRequest(TTL=600))

    crowd.drive(more, 200, 1)


@attack()
def keepalives_flat_out(crowd: Crowd) -> None:
    """Keep leases alive that do not exist, as fast as can be, on 40 connections."""
    body = w.message(pb.LeaseKeepAliveRequest(ID=5))
    wires = crowd.connect(40)
    streams = {wire: wire.begin(w.LEASE + "LeaseKeepAlive") for wire in wires}
    while not crowd.is_over:
        for wire in crowd.wires:
            if len(wire.out) < 1 << 13:
                wire.stream(streams[wire], body * 200)
        crowd.pump()
