"""``Maintenance.Snapshot`` as a client receives it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from typing import Any

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.kv_pb2 import KeyValue
from etcdpy.storage.bolt_read import BoltReader
from tests.support.client import Client
from tests.support.servers import Server, Transport, etcdpy_server

CHUNK = 32768


@pytest.fixture(scope="module", params=["native", "grpcio"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    transport: Transport = request.param
    with etcdpy_server(transport) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with closing(Client(server.address)) as client:
        yield client


def put(client: Client, key: bytes, value: bytes) -> int:
    revision: int = client.kv.Put(pb.PutRequest(key=key, value=value)).header.revision
    return revision


def received(client: Client) -> list[Any]:
    return list(client.maintenance.Snapshot(pb.SnapshotRequest(), timeout=60))


def rows_of(messages: list[Any]) -> dict[int, KeyValue]:
    """Check a snapshot and return its pairs by revision."""
    file = b"".join(message.blob for message in messages[:-1])
    assert messages[-1].blob == sha256(file).digest()
    reader = BoltReader(file)
    reader.check()
    rows = reader.entries(b"key")
    return {int.from_bytes(key[:8], "big"): KeyValue.FromString(row) for key, row in rows}


def test_messages_are_as_etcds(client: Client) -> None:
    put(client, b"large", b"x" * 100_000)
    *chunks, checksum = received(client)
    assert {len(message.blob) for message in chunks[:-1]} == {CHUNK}
    left = sum(len(message.blob) for message in chunks)
    assert left % 512 == 0
    for message in chunks:
        left -= len(message.blob)
        assert message.remaining_bytes == left
    assert left == checksum.remaining_bytes == 0
    assert len(checksum.blob) == 32
    for message in (*chunks, checksum):
        assert message.version == "3.7.0"
        assert not message.HasField("header")


def test_a_snapshot_has_all_that_was_acknowledged_before_it_was_asked_for(client: Client) -> None:
    for number in range(5):
        revision = put(client, b"key", b"%d" % number)
        assert max(rows_of(received(client))) == revision


def test_a_snapshot_taken_while_others_write_is_of_one_moment(
    server: Server, client: Client
) -> None:
    stop = threading.Event()
    first = put(client, b"counter", b"0")

    def write() -> None:
        with closing(Client(server.address)) as writer:
            number = 0
            while not stop.is_set():
                number += 1
                put(writer, b"counter", b"%d" % number)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        snapshots = [rows_of(received(client)) for _ in range(10)]
        while max(snapshots[-1]) == first:
            snapshots.append(rows_of(received(client)))
    finally:
        stop.set()
        writing.join()
    newest = 0
    for rows in snapshots:
        assert max(rows) >= newest
        newest = max(rows)
        # Every revision is there, and each has the value it was given.
        values = [int(rows[revision].value) for revision in range(first, newest + 1)]
        assert values == list(range(newest - first + 1))
    assert newest > first


def test_more_snapshots_at_a_time_than_there_are_readers_are_refused(server: Server) -> None:
    clients = [Client(server.address) for _ in range(20)]
    for number in range(200):  # more than a connection takes in without being read
        put(clients[0], b"%d" % number, b"x" * 100_000)
    refused = []
    calls = [client.maintenance.Snapshot(pb.SnapshotRequest()) for client in clients]
    for call in calls:
        try:
            next(call)
        except grpc.RpcError as error:
            refused.append(error.code())
    assert 0 < len(refused) < 10
    assert set(refused) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    put(clients[0], b"a", b"still served")
    for client in clients:
        client.close()


def test_a_client_that_goes_away_leaves_the_server_well(client: Client) -> None:
    for number in range(100):
        put(client, b"%d" % number, b"x" * 10_000)
    for _ in range(40):  # more than a database has readers for
        call = client.maintenance.Snapshot(pb.SnapshotRequest())
        assert next(call).blob
        call.cancel()
        with pytest.raises(grpc.RpcError):
            list(call)
    assert len(rows_of(received(client))) >= 100
