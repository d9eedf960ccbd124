"""An operator's etcdctl prints, and exits with, the same as against a real etcd.

``ETCDPY_CHECK_PERF`` is for the load tests that etcdctl has: a minute for each server.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.interop.conftest import Pair, reachable
from tests.interop.etcdctl import Etcdctl, Printed, commands, reset
from tests.interop.operations_commands import (
    ANSWERED,
    CORRUPT,
    DOWNGRADES,
    MISTAKEN,
    OVER_QUOTA,
    REFUSED,
    ROOM_AGAIN,
)
from tests.support.client import Client
from tests.support.servers import Server, etcdpy_server, reference_etcd

PERF_VARIABLE = "ETCDPY_CHECK_PERF"
PERF_TIMEOUT = 180.0

Names = Mapping[str, int | str]


@pytest.fixture
def names(pair: Pair) -> Names:
    """Give both servers the same few keys; return what command lines call things."""
    at, reference = reset(pair.etcdpy), reset(pair.etcd)
    assert at == reference, "the servers were not given the same writes"
    own = _own_id(pair.etcdpy)
    assert own == _own_id(pair.etcd)
    return {**at, "own": f"{own:x}"}


def _own_id(server: Server) -> int:
    with closing(Client(server.address)) as client:
        number: int = client.cluster.MemberList(pb.MemberListRequest()).header.member_id
        return number


def _same(etcdctl: Etcdctl, pair: Pair, command: str) -> Printed:
    got = etcdctl.run(pair.etcdpy, command)
    assert got == etcdctl.run(pair.etcd, command), command
    return got


@pytest.mark.parametrize("script", ANSWERED)
def test_etcdctl_prints_the_same(etcdctl: Etcdctl, pair: Pair, names: Names, script: str) -> None:
    for command in commands(script, names):
        got = _same(etcdctl, pair, command)
        assert got.status == 0, got.stderr


@pytest.mark.parametrize("script", REFUSED)
def test_etcdctl_is_refused_in_the_same_words(
    etcdctl: Etcdctl, pair: Pair, names: Names, script: str
) -> None:
    *before, refused = commands(script, names)
    for command in before:
        assert _same(etcdctl, pair, command).status == 0
    got = _same(etcdctl, pair, refused)
    assert got.status == 1
    assert "etcdserver: " in got.stderr


@pytest.mark.parametrize("script", MISTAKEN)
def test_etcdctl_is_mistaken_in_the_same_way(
    etcdctl: Etcdctl, pair: Pair, names: Names, script: str
) -> None:
    (command,) = commands(script, names)
    assert _same(etcdctl, pair, command).status != 0


@pytest.mark.parametrize("command", DOWNGRADES)
def test_etcdctl_downgrades_the_same(etcdctl: Etcdctl, pair: Pair, command: str) -> None:
    if not etcdctl.has("downgrade"):
        pytest.skip("this etcdctl has no command for a downgrade")
    _same(etcdctl, pair, command)


def test_a_downgrade_begins_and_ends_the_same(etcdctl: Etcdctl, pair: Pair) -> None:
    if not etcdctl.has("downgrade"):
        pytest.skip("this etcdctl has no command for a downgrade")
    assert _same(etcdctl, pair, "downgrade enable 3.6").status == 0
    assert _same(etcdctl, pair, "downgrade cancel").status == 0


def test_no_voter_is_added(etcdctl: Etcdctl, pair: Pair) -> None:
    # A real etcd would take the member in, and be without a quorum until it comes.
    refused = etcdctl.run(pair.etcdpy, "member add other --peer-urls=http://127.0.0.1:7")
    assert refused.status == 1
    assert refused.stderr.endswith(
        "Error: etcdserver: re-configuration failed due to not enough started members\n"
    )


# -------------------- alarms


@pytest.fixture
def without_room() -> Iterator[Pair]:
    """Two servers whose quota no put fits."""
    with _pair("--quota-backend-bytes=1") as pair:
        yield pair


@pytest.fixture
def with_little_room() -> Iterator[Pair]:
    """Two servers whose quota some large puts fill."""
    with _pair(f"--quota-backend-bytes={8 << 20}") as pair:
        yield pair


@contextmanager
def _pair(*args: str) -> Iterator[Pair]:
    ours, theirs = (*reachable(), *args), (*reachable(), *args)
    with etcdpy_server(args=ours) as etcdpy, reference_etcd(args=theirs) as etcd:
        yield Pair(etcdpy, etcd)


def test_an_operator_meets_the_quota(etcdctl: Etcdctl, without_room: Pair) -> None:
    printed = [_same(etcdctl, without_room, command) for command in OVER_QUOTA]
    by_command = dict(zip(OVER_QUOTA, printed, strict=True))
    assert "database space exceeded" in by_command["put a 3"].stderr
    assert "alarm:NOSPACE" in by_command["endpoint status -w table"].stdout
    assert re.fullmatch(r"memberID:\d+ alarm:NOSPACE\n", printed[1].stdout)
    assert printed[-1].stdout == ""


def test_an_operator_makes_room_again(etcdctl: Etcdctl, with_little_room: Pair) -> None:
    for server in (with_little_room.etcdpy, with_little_room.etcd):
        with closing(Client(server.address)) as client:
            with pytest.raises(grpc.RpcError, match="database space exceeded"):
                _put_for_ever(client)
            deletion = pb.DeleteRangeRequest(key=b"\0", range_end=b"\0")
            head = client.kv.DeleteRange(deletion).header.revision
            client.kv.Compact(pb.CompactionRequest(revision=head, physical=True))
    printed = [_same(etcdctl, with_little_room, command) for command in ROOM_AGAIN]
    by_command = dict(zip(ROOM_AGAIN, printed, strict=True))
    assert by_command["put k 2"].status == 1
    assert by_command["put k 3"].stdout == "OK\n"


def _put_for_ever(client: Client) -> None:
    while True:
        client.kv.Put(pb.PutRequest(key=b"large", value=bytes(200_000)))


def test_an_operator_meets_corruption(etcdctl: Etcdctl, pair: Pair, names: Names) -> None:
    for server in (pair.etcdpy, pair.etcd):
        with closing(Client(server.address)) as client:
            request = pb.AlarmRequest(action=pb.AlarmRequest.ACTIVATE, alarm=pb.CORRUPT)
            request.memberID = _own_id(server)
            client.maintenance.Alarm(request)
    lines = [line for script in CORRUPT for line in commands(script, names)]
    printed = [_same(etcdctl, pair, command) for command in lines]
    by_script = dict(zip(CORRUPT, printed, strict=True))
    assert "etcdserver: corrupt cluster" in by_script["del a"].stderr
    assert by_script["get a"].stdout == "a\n9\n"
    assert printed[-1].stdout == "OK\n"


# -------------------- snapshots


def test_a_snapshot_is_saved_with_the_same_words(
    etcdctl: Etcdctl, pair: Pair, names: Names, tmp_path: Path
) -> None:
    printed = []
    for server, name in ((pair.etcdpy, "a"), (pair.etcd, "b")):
        path = str(tmp_path / name)
        done = etcdctl.run(server, f"snapshot save {path}")
        stdout, stderr = done.stdout.replace(path, "PATH"), done.stderr.replace(path, "PATH")
        printed.append(Printed(stdout, stderr, done.status))
    assert printed[0] == printed[1]
    assert printed[0].status == 0
    assert "Snapshot saved at PATH\n" in printed[0].stdout


# -------------------- etcdctl's own load


@pytest.mark.skipif(not os.environ.get(PERF_VARIABLE), reason=f"{PERF_VARIABLE} is not set")
def test_etcdctl_finds_it_fast_enough(etcdctl: Etcdctl, server: Server) -> None:
    found = etcdctl.run(server, "check perf --load s", PERF_TIMEOUT)
    assert found.status == 0, found.stdout.splitlines()[-5:]
    assert found.stdout.endswith("PASS\n")
