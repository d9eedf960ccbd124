"""Places in a queue outlive the server, however it ends."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3lock_pb2, v3lock_pb2_grpc
from tests.conformance.locking import wait_for
from tests.support.client import Client
from tests.support.servers import Transport, etcdpy_server

# The shortest: what still waits is cut off six seconds after the signal.
TIMES = ("--heartbeat-interval=100", "--election-timeout=500")

_lock: Any = v3lock_pb2_grpc


def _lock_request(lease: int) -> v3lock_pb2.LockRequest:
    return v3lock_pb2.LockRequest(name=b"m", lease=lease)


def _queue(client: Client) -> list[tuple[bytes, int]]:
    reply = client.kv.Range(pb.RangeRequest(key=b"m/", range_end=b"m0"))
    return [(kv.key, kv.create_revision) for kv in reply.kvs]


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_waiter_finds_its_place_again(transport: Transport, how: str) -> None:
    with etcdpy_server(transport, TIMES) as server:
        with closing(Client(server.address)) as client:
            for lease in (1, 2):
                client.lease.LeaseGrant(pb.LeaseGrantRequest(ID=lease, TTL=100))
            lock = _lock.LockStub(client.channel)
            lock.Lock(_lock_request(1))
            waiting = lock.Lock.future(_lock_request(2))
            wait_for(lambda: len(_queue(client)) == 2, "two in the queue")
            before = _queue(client)
            getattr(server, how)()
            with pytest.raises(grpc.RpcError):
                waiting.result(timeout=20)
        server.start()
        with closing(Client(server.address)) as client:
            assert _queue(client) == before
            lock = _lock.LockStub(client.channel)
            again = lock.Lock.future(_lock_request(2))
            lock.Unlock(v3lock_pb2.UnlockRequest(key=b"m/1"))
            assert again.result(timeout=20).key == b"m/2"
            assert _queue(client) == before[1:]
