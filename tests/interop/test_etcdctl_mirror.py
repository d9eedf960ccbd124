"""``etcdctl make-mirror`` copies etcdpy to a real etcd, and a real etcd to etcdpy."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.locking import wait_for
from tests.interop.auth_house import settle_in
from tests.interop.conftest import reachable, start
from tests.interop.etcdctl import PATIENT, Etcdctl, environment
from tests.support.client import Client
from tests.support.servers import Server

#: More than the pages that a mirror asks for, of a thousand keys.
KEYS = 1_200

#: As many puts as a transaction takes.
OPS = 128

Pairs = dict[bytes, bytes]


@pytest.fixture(params=[("etcdpy", "etcd"), ("etcd", "etcdpy")], ids="->".join)
def sides(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Server]]:
    """The server that is copied, and the one that it is copied to."""
    here, there = request.param
    with start(here, *reachable()) as source, start(there, *reachable()) as copy:
        yield source, copy


@pytest.fixture
def clients(sides: tuple[Server, Server]) -> Iterator[tuple[Client, Client]]:
    with ExitStack() as stack:
        source, copy = (stack.enter_context(closing(Client(server.address))) for server in sides)
        yield source, copy


@contextmanager
def _mirroring(etcdctl: Etcdctl, sides: tuple[Server, Server], *flags: str) -> Iterator[None]:
    """Let the mirror run, which it does until it is ended."""
    source, copy = sides
    program = [str(etcdctl.program), f"--endpoints={source.address}", *PATIENT, *etcdctl.flags]
    command = [*program, "make-mirror"]
    process = subprocess.Popen(
        [*command, *flags, copy.address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        yield
        assert process.poll() is None, "the mirror ended by itself"
    finally:
        process.kill()  # it does not end by SIGTERM while it waits for changes
        _, said = process.communicate(timeout=60)
        print(said)


def _fill(client: Client, pairs: Pairs) -> None:
    puts = [
        pb.RequestOp(request_put=pb.PutRequest(key=key, value=value))
        for key, value in pairs.items()
    ]
    for first in range(0, len(puts), OPS):
        client.kv.Txn(pb.TxnRequest(success=puts[first : first + OPS]))


def _put(client: Client, key: bytes, value: bytes) -> None:
    client.kv.Put(pb.PutRequest(key=key, value=value))


def _pairs(client: Client) -> Pairs:
    everything = pb.RangeRequest(key=b"\0", range_end=b"\0")
    return {kv.key: kv.value for kv in client.kv.Range(everything).kvs}


def _wait_until_alike(client: Client, expected: Pairs) -> None:
    wait_for(lambda: _pairs(client) == expected, "the same keys on both sides")


def _numbered(count: int, prefix: bytes = b"") -> Pairs:
    return {b"%skey %05d" % (prefix, number): b"%d" % number for number in range(count)}


def _change(client: Client, keys: Sequence[bytes]) -> None:
    """Put, delete, and do several of both at once; one change tells that it was the last."""
    _put(client, keys[0], b"put again")
    _put(client, keys[0] + b" new", b"")
    client.kv.DeleteRange(pb.DeleteRangeRequest(key=keys[1]))
    client.kv.DeleteRange(pb.DeleteRangeRequest(key=keys[2], range_end=keys[5]))
    operations = [
        pb.RequestOp(request_put=pb.PutRequest(key=keys[6], value=b"in a transaction")),
        pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=keys[7])),
        pb.RequestOp(request_put=pb.PutRequest(key=keys[0] + b" newer", value=b"x" * 100_000)),
    ]
    client.kv.Txn(pb.TxnRequest(success=operations))
    _put(client, keys[0] + b" newest", b"the end")


def test_what_is_there_and_what_comes_is_mirrored(
    etcdctl: Etcdctl, sides: tuple[Server, Server], clients: tuple[Client, Client]
) -> None:
    source, copy = clients
    keys = _numbered(KEYS)
    _fill(source, keys)
    with _mirroring(etcdctl, sides):
        _wait_until_alike(copy, keys)
        _change(source, list(keys))
        _wait_until_alike(copy, _pairs(source))
        _fill(source, dict.fromkeys(keys, b"all again"))
        _wait_until_alike(copy, _pairs(source))


def test_a_prefix_is_mirrored_to_another(
    etcdctl: Etcdctl, sides: tuple[Server, Server], clients: tuple[Client, Client]
) -> None:
    source, copy = clients
    keys = _numbered(20, b"from/")
    _fill(source, keys)
    _put(source, b"other", b"not copied")
    _put(copy, b"own", b"left alone")

    def expected() -> Pairs:
        found = _pairs(source).items()
        moved = {b"to/" + k[5:]: value for k, value in found if k.startswith(b"from/")}
        return {**moved, b"own": b"left alone"}

    with _mirroring(etcdctl, sides, "--prefix=from/", "--dest-prefix=to/"):
        _wait_until_alike(copy, expected())
        _change(source, list(keys))
        _put(source, b"others", b"not copied")
        _wait_until_alike(copy, expected())


def test_a_mirror_without_a_prefix_at_its_end(
    etcdctl: Etcdctl, sides: tuple[Server, Server], clients: tuple[Client, Client]
) -> None:
    source, copy = clients
    keys = _numbered(10, b"from/")
    _fill(source, keys)
    _put(source, b"other", b"not copied")

    def expected() -> Pairs:
        return {k[5:]: value for k, value in _pairs(source).items() if k.startswith(b"from/")}

    with _mirroring(etcdctl, sides, "--prefix=from/", "--no-dest-prefix"):
        _wait_until_alike(copy, expected())
        _change(source, list(keys))
        _wait_until_alike(copy, expected())


def test_root_copies_where_one_has_to_log_in(
    etcdctl: Etcdctl, sides: tuple[Server, Server]
) -> None:
    source, copy = sides
    for server in sides:
        settle_in(etcdctl, server)
    root = etcdctl.with_flags("--user=root:r")
    assert root.run(source, "put before 1").status == 0
    with _mirroring(root, sides, "--dest-user=root:r"):
        wait_for(lambda: "1" in root.run(copy, "get before").stdout, "what was there")
        assert root.run(source, "put meanwhile 2").status == 0
        wait_for(lambda: "2" in root.run(copy, "get meanwhile").stdout, "what came")
