"""Clients that do not read cost bounded memory, disturb nobody, and lose nothing."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.wire import delimited
from tests.conformance.locking import wait_for
from tests.support.client import Client
from tests.support.http1 import get
from tests.support.servers import Server, etcdpy_server

MIB = 1 << 20
PATIENCE = 60.0

# A client's windows stay as small as they begin, so that it is soon in arrears.
SMALL_WINDOWS = ("grpc.http2.bdp_probe", 0)


@pytest.fixture
def server() -> Iterator[Server]:
    with etcdpy_server() as server:
        yield server


def _anonymous_memory(server: Server) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


def _watchers(server: Server) -> int:
    page = get(server.address, "/metrics").body.decode()
    (told,) = re.findall(r"^etcd_debugging_mvcc_watcher_total (\d+)", page, re.MULTILINE)
    return int(told)


def _create(key: bytes, end: bytes = b"", **options: Any) -> pb.WatchRequest:
    request = pb.WatchCreateRequest(key=key, range_end=end, **options)
    return pb.WatchRequest(create_request=request)


class _Flood:
    """Sends requests as fast as the server takes them, and counts those it took."""

    def __init__(self, *kinds: pb.WatchRequest) -> None:
        self.sent = 0
        self._kinds = itertools.cycle(kinds)

    def __iter__(self) -> Iterator[pb.WatchRequest]:
        yield _create(b"a")
        for request in self._kinds:
            self.sent += 1
            yield request

    def wait_until_stuck(self) -> None:
        deadline = time.monotonic() + PATIENCE
        before = -1
        while before != self.sent:
            assert time.monotonic() < deadline, f"{self.sent} requests, and no end"
            before = self.sent
            time.sleep(1.0)


def _padded(request: pb.WatchRequest) -> pb.WatchRequest:
    """Return a request with a field nobody knows, so that few of them fill what is in between."""
    return pb.WatchRequest.FromString(request.SerializeToString() + delimited(15, bytes(500)))


FLOODS = {
    "refused creates": [_padded(_create(b"z", b"a"))],
    "progress": [_padded(pb.WatchRequest(progress_request=pb.WatchProgressRequest()))],
    "creates and cancels": [
        _padded(_create(b"b", watch_id=7)),
        _padded(pb.WatchRequest(cancel_request=pb.WatchCancelRequest(watch_id=7))),
    ],
}


@pytest.mark.parametrize("kind", FLOODS)
def test_who_floods_and_does_not_read_is_read_no_more(server: Server, kind: str) -> None:
    flood = _Flood(*FLOODS[kind])
    flooding = Client(server.address, SMALL_WINDOWS)
    with closing(flooding) as client, closing(Client(server.address)) as other:
        before = _anonymous_memory(server)
        call = client.watch.Watch(iter(flood))
        flood.wait_until_stuck()
        assert _anonymous_memory(server) - before < 32 * MIB
        # Others go on, and so does this one as soon as it reads.
        other.kv.Put(pb.PutRequest(key=b"a"))
        stuck_at = flood.sent
        deadline = time.monotonic() + PATIENCE
        while flood.sent <= stuck_at and time.monotonic() < deadline:
            next(call)
        assert flood.sent > stuck_at
        call.cancel()


def test_who_stops_reading_costs_little_and_then_receives_everything(server: Server) -> None:
    value = bytes(20_000)
    ops = [pb.RequestOp(request_put=pb.PutRequest(key=b"a%d" % n, value=value)) for n in range(50)]
    with closing(Client(server.address)) as client, closing(Client(server.address)) as other:
        call = client.watch.Watch(iter([_create(b"a", b"b")]))
        assert next(call).created
        for _ in range(20):
            other.kv.Txn(pb.TxnRequest(success=ops))
        # From here on memory for what is under way to the disk is there.
        before = _anonymous_memory(server)
        revisions = 100
        for _ in range(revisions):
            reply = other.kv.Txn(pb.TxnRequest(success=ops))
        grown = _anonymous_memory(server) - before
        print(f"{revisions} MB were not read: {grown / MIB:.1f} MiB more")
        assert grown < 48 * MIB
        seen: list[int] = []
        while not seen or seen[-1] < reply.header.revision:
            told = next(call)
            assert len(told.events) % len(ops) == 0, "a revision was torn"
            seen += [event.kv.mod_revision for event in told.events[:: len(ops)]]
        assert seen == list(range(2, reply.header.revision + 1))


def test_watchers_go_with_their_client(server: Server) -> None:
    with closing(Client(server.address)) as keeper:
        keeper.kv.Put(pb.PutRequest(key=b"a"))

        def open_and_go() -> None:
            with closing(Client(server.address)) as client:
                requests = [_create(b"many/%d" % n) for n in range(10_000)]
                call = client.watch.Watch(iter(requests))
                for _ in requests:
                    next(call)
            wait_for(lambda: _watchers(server) == 0, "no watcher is left")

        open_and_go()
        first = _anonymous_memory(server)
        for _ in range(3):
            open_and_go()
        # Three times 10,000 watchers would be 19 MiB.
        assert _anonymous_memory(server) - first < 8 * MIB


def test_a_server_that_stops_ends_its_watches(server: Server) -> None:
    with closing(Client(server.address)) as client:
        call = client.watch.Watch(iter([_create(b"a")]))
        next(call)
        # As with etcd, open watches use up the time that calls are given to end.
        server.stop()
        with pytest.raises(grpc.RpcError) as ended:
            next(call)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
