"""A client that dies while it waits leaves its place in the queue, though it never says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.locking import wait_for
from tests.support.client import Client
from tests.support.servers import Transport, etcdpy_server

# Waits, in a process of its own, for what somebody else holds.
WAITER = """
import sys, grpc
from etcdpy.pb import v3election_pb2 as elect, v3election_pb2_grpc as elections
from etcdpy.pb import v3lock_pb2 as lock, v3lock_pb2_grpc as locks

channel = grpc.insecure_channel(sys.argv[2], options=[("grpc.enable_http_proxy", 0)])
if sys.argv[1] == "lock":
    locks.LockStub(channel).Lock(lock.LockRequest(name=b"m", lease=2))
else:
    request = elect.CampaignRequest(name=b"m", lease=2, value=b"v")
    elections.ElectionStub(channel).Campaign(request)
"""


@contextmanager
def _waiter(call: str, address: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", WAITER, call, address]) as process:
        try:
            yield process
        finally:
            process.kill()


def _queue(client: Client) -> list[bytes]:
    reply = client.kv.Range(pb.RangeRequest(key=b"m/", range_end=b"m0"))
    return [kv.key for kv in reply.kvs]


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize("call", ["lock", "campaign"])
def test_waiter_that_is_killed_leaves_the_queue_and_its_lease(
    transport: Transport, call: str
) -> None:
    with etcdpy_server(transport) as server, closing(Client(server.address)) as client:
        for lease in (1, 2):
            client.lease.LeaseGrant(pb.LeaseGrantRequest(ID=lease, TTL=100))
        client.kv.Put(pb.PutRequest(key=b"m/1", lease=1))
        with _waiter(call, server.address) as waiter:
            wait_for(lambda: _queue(client) == [b"m/1", b"m/2"], "two in the queue")
            waiter.kill()
            wait_for(lambda: _queue(client) == [b"m/1"], "one in the queue")
        told = client.lease.LeaseTimeToLive(pb.LeaseTimeToLiveRequest(ID=2))
        assert told.grantedTTL == 100
