"""
A large store with leases goes through etcd's tools to a real etcd, and back.

``ETCDPY_ROUND_TRIP_KEYS`` sets how many keys it has.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from etcdpy.mvcc import check
from etcdpy.pb import rpc_pb2 as pb
from tests.snapshot.stores import Content, Kind, content_of, restore, save, started
from tests.support.client import Client

KEYS = int(os.environ.get("ETCDPY_ROUND_TRIP_KEYS", "4000"))
KEYS_PER_LEASE = 50
OPS_PER_TXN = 100
BUMP = 1_000_000

WAYS: list[tuple[Kind, Kind]] = [("etcdpy", "etcd"), ("etcd", "etcdpy")]


def fill(client: Client) -> None:
    """Leave KEYS keys, some of them changed, most of those with a lease, on some history."""
    rng = random.Random(5)
    order = list(range(KEYS))
    rng.shuffle(order)
    for lease in range(1, KEYS // KEYS_PER_LEASE + 1):
        client.lease.LeaseGrant(pb.LeaseGrantRequest(ID=lease << 32, TTL=3600 + lease))
    _write(client, [_put(rng, number) for number in order])
    doomed = rng.sample(order, KEYS // 10)
    deletions = [pb.DeleteRangeRequest(key=_key(number)) for number in doomed]
    _write(client, [pb.RequestOp(request_delete_range=deletion) for deletion in deletions])
    _write(client, [_put(rng, number) for number in rng.sample(order, KEYS // 4)])
    head = client.kv.Range(pb.RangeRequest(key=b"\0")).header.revision
    client.kv.Compact(pb.CompactionRequest(revision=head * 3 // 4, physical=True))
    _write(client, [_put(rng, number) for number in doomed])
    client.lease.LeaseRevoke(pb.LeaseRevokeRequest(ID=1 << 32))
    for number in range(50):
        client.kv.Put(pb.PutRequest(key=b"last", value=b"%d" % number))


def _write(client: Client, operations: list[pb.RequestOp]) -> None:
    for first in range(0, len(operations), OPS_PER_TXN):
        client.kv.Txn(pb.TxnRequest(success=operations[first : first + OPS_PER_TXN]))


def _put(rng: random.Random, number: int) -> pb.RequestOp:
    lease = number % (KEYS // KEYS_PER_LEASE) + 1
    if rng.random() < 0.2:
        lease = 0
    value = rng.randbytes(rng.choice((0, 8, 60, 250)))
    return pb.RequestOp(request_put=pb.PutRequest(key=_key(number), value=value, lease=lease << 32))


def _key(number: int) -> bytes:
    return b"registry/%07d" % number


@pytest.fixture(scope="module", params=WAYS, ids="->".join)
def way(request: pytest.FixtureRequest) -> tuple[Kind, Kind]:
    kinds: tuple[Kind, Kind] = request.param
    return kinds


@pytest.fixture(scope="module")
def saved(way: tuple[Kind, Kind], tmp_path_factory: pytest.TempPathFactory) -> tuple[Content, Path]:
    """What a store holds, and the file that etcdctl, or etcdpy, has saved of it."""
    here, there = way
    directory = tmp_path_factory.mktemp("saved")
    file = directory / "snapshot.db"
    with started(here, directory / "old") as server:
        with closing(Client(server.address)) as client, _timed(f"{KEYS} keys put into {here}"):
            fill(client)
        content = content_of(server)
        with _timed(f"saved from {here} for {there}"):
            save(there, server, file)
    assert len(content.rows) > KEYS * 0.9
    assert len(content.leases) == KEYS // KEYS_PER_LEASE - 1
    return content, file


def test_everything_arrives(
    way: tuple[Kind, Kind], saved: tuple[Content, Path], tmp_path: Path
) -> None:
    content, file = saved
    _, there = way
    with _timed(f"restored for {there}"):
        restore(there, file, tmp_path / "new")
    with started(there, tmp_path / "new") as server:
        assert content_of(server) == content
        server.stop()
        if there == "etcdpy":
            check.verify(tmp_path / "new")
        server.start()
        assert content_of(server) == content


def test_everything_arrives_with_later_revisions(
    saved: tuple[Content, Path], tmp_path: Path
) -> None:
    content, file = saved
    newest = content.revision + BUMP
    flags = (f"--bump-revision={BUMP}", "--mark-compacted")
    restore("etcdpy", file, tmp_path / "new", *flags)
    check.verify(tmp_path / "new")
    with started("etcdpy", tmp_path / "new") as server:
        bumped = content_of(server)
        assert replace(bumped, revision=0, hash=(0, 0)) == replace(content, revision=0, hash=(0, 0))
        assert bumped.revision == bumped.hash[1] == newest
        with closing(Client(server.address)) as client:
            put = client.kv.Put(pb.PutRequest(key=b"next", value=b"1"))
            assert put.header.revision == newest + 1
            client.kv.Put(pb.PutRequest(key=b"next", value=b"2"))
            client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"next"))
        server.stop()
        check.verify(tmp_path / "new")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - began:.1f} s")
