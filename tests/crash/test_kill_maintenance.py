"""
kill -9 while a store is compacted, while a snapshot of it is sent, and on a disk that is full.

The server has to come back by itself with everything it acknowledged.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from etcdpy.mvcc import check
from etcdpy.mvcc.restore import FINISHED_COMPACTION, SCHEDULED_COMPACTION
from etcdpy.mvcc.revision import parse_row_key
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import rpc_pb2_grpc
from etcdpy.storage import Backend, Bucket
from tests.crash.workload import Ledger, connect, verify, work_until_killed
from tests.locks.connection import is_away
from tests.snapshot.stores import started
from tests.support.client import Client
from tests.support.seeds import SEED
from tests.support.servers import IDENTITY, Server, ServerError, etcdpy_server
from tests.support.small_disk import mounted, take_all_room

#: A compaction is there to be killed for as long as anybody may want.
SLOWLY = ("--compaction-batch-limit=50", "--compaction-sleep-interval=1h")
KEYS = 40
CHANGES = 3_000
OPS = 100
CALL_TIMEOUT = 30.0

_stubs: Any = rpc_pb2_grpc


# -------------------- compaction


def _change(client: Client, rng: random.Random, changes: int = CHANGES, size: int = 50) -> int:
    """Write to the same few keys again and again; return the newest revision."""
    revision = 1
    for number in range(changes // OPS):
        puts = [
            pb.RequestOp(request_put=pb.PutRequest(key=b"%02d" % key, value=rng.randbytes(size)))
            for key in rng.sample(range(KEYS), KEYS - 5)
        ]
        revision = client.kv.Txn(pb.TxnRequest(success=puts)).header.revision
        if number % 7 == 0:
            deletion = pb.DeleteRangeRequest(key=b"%02d" % rng.randrange(KEYS))
            revision = client.kv.DeleteRange(deletion).header.revision
    return revision


def _history(client: Client, first: int, last: int) -> list[bytes]:
    """Return what there was at each revision."""
    everything = [
        pb.RangeRequest(key=b"\0", range_end=b"\0", revision=revision)
        for revision in range(first, last + 1)
    ]
    pages = (client.kv.Range(request) for request in everything)
    return [b"".join(kv.SerializeToString() for kv in page.kvs) for page in pages]


def _is_compacted(client: Client, revision: int) -> bool:
    try:
        client.kv.Range(pb.RangeRequest(key=b"k", revision=revision))
    except grpc.RpcError as error:
        if error.details() != "etcdserver: mvcc: required revision has been compacted":
            raise
        return True
    return False


def _copy_checked(data_dir: Path) -> tuple[int, int]:
    """Check a copy of a store; return where its compaction was begun, and where one ended."""
    with tempfile.TemporaryDirectory() as directory:
        copy = shutil.copytree(data_dir, Path(directory, "data"))
        check.verify(copy)
        backend = Backend.open(copy)
        try:
            marks = (SCHEDULED_COMPACTION, FINISHED_COMPACTION)
            stored = [backend.get(Bucket.META, mark) for mark in marks]
        finally:
            backend.close()
    begun, ended = (parse_row_key(mark).main if mark else 0 for mark in stored)
    return begun, ended


def test_a_compaction_that_is_killed_is_finished_after_the_start(tmp_path: Path) -> None:
    rng = random.Random(1)
    data_dir = tmp_path / "data"
    with started("etcdpy", data_dir, *SLOWLY) as server:
        with closing(Client(server.address)) as client:
            newest = _change(client, rng)
            at = newest - 10
            before = _history(client, at, newest)
            client.kv.Compact(pb.CompactionRequest(revision=at))
        for _ in range(3):
            server.kill()
            assert _copy_checked(data_dir) == (at, 0), "it was killed in the middle"
            server.start()
            with closing(Client(server.address)) as client:
                assert _history(client, at, newest) == before
                assert _is_compacted(client, at - 1)
        server.kill()
    with started("etcdpy", data_dir) as server:
        with closing(Client(server.address)) as client:
            # One that is waited for comes after the one that goes on.
            client.kv.Compact(pb.CompactionRequest(revision=at + 1, physical=True))
            assert _history(client, at + 1, newest) == before[1:]
        server.kill()
        assert _copy_checked(data_dir) == (at + 1, at + 1)


# -------------------- snapshots


async def test_nothing_is_lost_when_snapshots_compactions_and_writes_are_killed() -> None:
    chance = random.Random(SEED)
    ledger = Ledger.for_writers(8)
    with etcdpy_server() as server:
        with closing(Client(server.address)) as client:
            for number in range(300):  # more than a client takes in unread
                client.kv.Put(pb.PutRequest(key=b"ballast %d" % number, value=bytes(100_000)))
            ledger.revision = client.kv.Range(pb.RangeRequest(key=b"b")).header.revision
        for _ in range(4):
            sending = asyncio.Event()
            readers = [asyncio.create_task(_stream(server.address, sending)) for _ in range(3)]
            await work_until_killed(server, ledger, chance, longest=0.5, until=sending.wait)
            assert any(await asyncio.gather(*readers)), "it was killed while it sent snapshots"
            _copy_checked(server.data_dir)
            server.start()
            await verify(server.address, ledger)


async def _stream(address: str, sending: asyncio.Event) -> bool:
    """Read snapshots until the server is gone; tell whether that was in the middle of one."""
    connection = connect(address)
    stub = _stubs.MaintenanceStub(connection)
    began = False
    try:
        while True:
            began = False
            async for _ in stub.Snapshot(pb.SnapshotRequest()):
                began = True
                sending.set()
                await asyncio.sleep(0.005)
    except grpc.aio.AioRpcError as error:
        if not is_away(error):
            raise
        return began
    finally:
        await connection.close(None)


# -------------------- a full disk

#: Room for a store that clients do not take in unread, twice, and for the journal.
DISK_BYTES = 128 << 20

#: A put is refused once the disk is known to be full. One that finds it out waits for room.
UNACKNOWLEDGED = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED)
WAITING = 3.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path, DISK_BYTES) as disk:
        yield disk


@contextmanager
def _server_on(disk: Path, *flags: str) -> Iterator[Server]:
    server = Server([sys.executable, "-m", "etcdpy", *IDENTITY, *flags], disk / "data")
    server.start()
    try:
        yield server
    finally:
        server.close()


def _put_until_refused(client: Client, first: int) -> list[int]:
    """Return the numbers of the puts that were acknowledged before one was not."""
    acknowledged: list[int] = []
    for number in range(first, first + 2_000):
        try:
            _put(client, number, timeout=WAITING)
        except grpc.RpcError as error:
            if error.code() not in UNACKNOWLEDGED:
                raise
            return acknowledged
        acknowledged.append(number)
    raise AssertionError("the disk was never full")


def _put(client: Client, number: int, timeout: float = CALL_TIMEOUT) -> None:
    put = pb.PutRequest(key=b"large %05d" % number, value=bytes(100_000))
    client.kv.Put(put, timeout=timeout)


def _numbers(client: Client) -> set[int]:
    request = pb.RangeRequest(key=b"large ", range_end=b"large!", keys_only=True)
    return {int(kv.key[6:]) for kv in client.kv.Range(request, timeout=CALL_TIMEOUT).kvs}


def _disarm(client: Client) -> None:
    for alarm in client.maintenance.Alarm(pb.AlarmRequest(), timeout=CALL_TIMEOUT).alarms:
        off = pb.AlarmRequest(action=pb.AlarmRequest.DEACTIVATE)
        off.memberID, off.alarm = alarm.memberID, alarm.alarm
        client.maintenance.Alarm(off, timeout=CALL_TIMEOUT)


def test_a_kill_during_both_on_a_full_disk_loses_nothing(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    acknowledged = list(range(250))
    with _server_on(small_disk, *SLOWLY) as server:
        with closing(Client(server.address)) as client:
            newest = _change(client, random.Random(2))
            at = newest - 10
            before = _history(client, at, newest)
            for number in acknowledged:
                _put(client, number)
            client.kv.Compact(pb.CompactionRequest(revision=at))
            snapshot = client.maintenance.Snapshot(pb.SnapshotRequest(), timeout=CALL_TIMEOUT)
            assert next(snapshot).blob
            take_all_room(ballast)
            acknowledged += _put_until_refused(client, len(acknowledged))
            server.kill()
            with pytest.raises(grpc.RpcError) as ended:
                list(snapshot)
            assert is_away(ended.value)
        with pytest.raises(ServerError, match="No space left on device"):
            server.start()  # as often as its supervisor tries, until there is room
        ballast.unlink()
    with _server_on(small_disk) as server:
        with closing(Client(server.address)) as client:
            assert _numbers(client) >= set(acknowledged)
            assert _history(client, at, newest) == before
            assert _is_compacted(client, at - 1)
            _disarm(client)
            _put(client, 10_000)
            compaction = pb.CompactionRequest(revision=at + 1, physical=True)
            client.kv.Compact(compaction, timeout=CALL_TIMEOUT)
            assert len(list(client.maintenance.Snapshot(pb.SnapshotRequest()))) > 2
        server.kill()
        assert _copy_checked(small_disk / "data") == (at + 1, at + 1)
