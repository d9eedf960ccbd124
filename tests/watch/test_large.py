"""A revision that changes very many keys, told by a server to watchers of all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from queue import SimpleQueue
from typing import Any

import pytest

from etcdpy.pb import kv_pb2
from etcdpy.pb import rpc_pb2 as pb
from tests.support.client import Client
from tests.support.servers import Server, Transport, etcdpy_server

KEYS = 12_000
KEYS_AT_ONCE = 1000
LEASE = 77


@pytest.fixture(scope="module", params=["native", "grpcio"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    transport: Transport = request.param
    with etcdpy_server(transport, [f"--max-txn-ops={KEYS_AT_ONCE}"]) as server:
        yield server


def _create(key: bytes, end: bytes = b"", **options: Any) -> pb.WatchRequest:
    request = pb.WatchCreateRequest(key=key, range_end=end, **options)
    return pb.WatchRequest(create_request=request)


def _fill(client: Client, lease: int) -> None:
    for first in range(0, KEYS, KEYS_AT_ONCE):
        puts = [
            pb.PutRequest(key=b"k%05d" % number, value=b"v%d" % number, lease=lease)
            for number in range(first, first + KEYS_AT_ONCE)
        ]
        client.kv.Txn(pb.TxnRequest(success=[pb.RequestOp(request_put=put) for put in puts]))


WATCHES = {
    1: _create(b"k", b"l", watch_id=1),
    2: _create(b"k", b"l", watch_id=2, prev_kv=True, fragment=True),
    3: _create(b"k", b"l", watch_id=3, filters=[pb.WatchCreateRequest.NOPUT]),
    4: _create(b"k00007", watch_id=4, prev_kv=True),
    5: _create(b"k00010", b"k00020", watch_id=5),
    6: _create(b"k", b"l", watch_id=6, filters=[pb.WatchCreateRequest.NODELETE]),
}
TOLD = {1: KEYS, 2: KEYS, 3: KEYS, 4: 1, 5: 10}


@pytest.mark.parametrize("how", ["lease", "range"])
def test_a_revision_of_very_many_keys_reaches_everyone_whole(server: Server, how: str) -> None:
    with closing(Client(server.address)) as client, closing(Client(server.address)) as other:
        client.lease.LeaseGrant(pb.LeaseGrantRequest(ID=LEASE, TTL=600))
        _fill(client, LEASE)
        requests: SimpleQueue[pb.WatchRequest] = SimpleQueue()
        for request in WATCHES.values():
            requests.put(request)
        watching = other.watch.Watch(iter(requests.get, None))
        assert [next(watching).watch_id for _ in WATCHES] == list(WATCHES)
        if how == "lease":
            reply = client.lease.LeaseRevoke(pb.LeaseRevokeRequest(ID=LEASE))
        else:
            reply = client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"k", range_end=b"l"))
            client.lease.LeaseRevoke(pb.LeaseRevokeRequest(ID=LEASE))
        revision = reply.header.revision
        # Who asks at once how far it has come is told so behind the events. While the stream is
        # in arrears that is no answer, as with etcd: what is refused behind it says so.
        ask = (pb.WatchRequest(progress_request=pb.WatchProgressRequest()), _create(b"l", b"k"))
        for request in ask:
            requests.put(request)
        late = client.watch.Watch(iter([_create(b"k", b"l", start_revision=revision)]))
        assert next(late).created
        told: dict[int, list[kv_pb2.Event]] = {number: [] for number in WATCHES}
        while (response := next(watching)).watch_id != -1 or response.created:
            if response.created:
                for request in ask:
                    requests.put(request)
                continue
            told[response.watch_id] += response.events
            assert response.header.revision == revision
        assert response.header.revision == revision
        assert {number: len(events) for number, events in told.items() if events} == TOLD
        everything = [b"k%05d" % number for number in range(KEYS)]
        for number in (1, 2, 3):
            assert [event.kv.key for event in told[number]] == everything
            assert {event.kv.mod_revision for event in told[number]} == {revision}
        assert [event.prev_kv.value for event in told[2]] == [b"v%d" % n for n in range(KEYS)]
        assert len(next(late).events) == KEYS
        for call in (watching, late):
            call.cancel()
        requests.put(WATCHES[1])  # ends the thread that waits for one
