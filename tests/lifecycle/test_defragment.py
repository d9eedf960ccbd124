"""Defragmenting a whole server: at start, on a small disk, and when it ends meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.lifecycle.process import PORT_0, Process
from tests.support.client import Client
from tests.support.small_disk import mounted

DEFRAGMENT = pb.DefragmentRequest()
VALUE = bytes(100_000)
THRESHOLD = "--bootstrap-defrag-threshold-megabytes"
FINISHED = "finished defragmenting directory"


@contextmanager
def serving(data_dir: Path, *flags: str) -> Iterator[tuple[Process, Client]]:
    with Process("--data-dir", data_dir, *flags, *PORT_0) as server:
        (address,) = server.wait_ready()
        with closing(Client(address)) as client:
            yield server, client


def fill(client: Client, count: int) -> None:
    for number in range(count):
        client.kv.Put(pb.PutRequest(key=b"%d" % number, value=VALUE), timeout=60)


def count(client: Client) -> int:
    request = pb.RangeRequest(key=b"\0", range_end=b"\0", count_only=True)
    return int(client.kv.Range(request, timeout=60).count)


def delete_all_but_one(client: Client) -> None:
    request = pb.DeleteRangeRequest(key=b"1", range_end=b"\0")
    revision = client.kv.DeleteRange(request, timeout=60).header.revision
    client.kv.Compact(pb.CompactionRequest(revision=revision, physical=True), timeout=60)


def end(server: Process) -> None:
    server.signal(signal.SIGTERM)
    assert server.wait() == -signal.SIGTERM


def file_of(data_dir: Path) -> Path:
    return data_dir / "member" / "lmdb" / "data.mdb"


def copies(data_dir: Path) -> list[Path]:
    return list((data_dir / "member" / "lmdb").glob("defrag-*"))


def copying(data_dir: Path) -> list[int]:
    """Return the processes that copy this database."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"defrag_copy" in command and bytes(data_dir) in command:
            found.append(int(process.name))
    return found


def wait_until_none_copies(data_dir: Path) -> None:
    deadline = time.monotonic() + 20
    while copying(data_dir):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_defragmentation_is_logged_in_etcds_words(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, client):
        client.maintenance.Defragment(DEFRAGMENT, timeout=60)
        server.wait_line("finished defragment")
        end(server)
    words = [line["msg"] for line in server.lines if "defragment" in line["msg"]]
    assert words == ["starting defragment", "defragmenting", FINISHED, "finished defragment"]
    fields = server.find(FINISHED)
    assert fields["path"] == str(file_of(tmp_path).parent)
    assert fields["current-db-size-bytes"] == file_of(tmp_path).stat().st_size


def test_a_start_gives_space_back_where_it_is_worth_it(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, client):
        fill(client, 200)
        delete_all_but_one(client)
        end(server)
    size = file_of(tmp_path).stat().st_size
    assert size > 5 << 20
    with serving(tmp_path, f"{THRESHOLD}=1000") as (server, client):
        assert server.find("Skipping defragmentation")["current-db-size-bytes"] >= size
        end(server)
    with serving(tmp_path) as (server, client):
        assert "Skipping defragmentation" not in server.messages(), "0 is never"
        end(server)
    assert file_of(tmp_path).stat().st_size >= size
    with serving(tmp_path, f"{THRESHOLD}=1") as (server, client):
        assert server.find(FINISHED)["current-db-size-bytes-diff"] < -5 << 20
        assert client.kv.Range(pb.RangeRequest(key=b"0"), timeout=60).kvs[0].value == VALUE
        end(server)
    assert file_of(tmp_path).stat().st_size < 1 << 20


def test_a_disk_without_room_for_a_copy_is_no_harm(tmp_path: Path) -> None:
    with mounted(tmp_path, 64 << 20) as disk, serving(disk) as (server, client):
        fill(client, 250)
        with pytest.raises(grpc.RpcError) as refused:
            client.maintenance.Defragment(DEFRAGMENT, timeout=60)
        assert refused.value.code() == grpc.StatusCode.UNKNOWN
        assert refused.value.details() == "no space left on device"
        assert copies(disk) == []
        client.kv.Put(pb.PutRequest(key=b"small", value=b"1"), timeout=60)
        assert not client.maintenance.Status(pb.StatusRequest(), timeout=60).errors
        delete_all_but_one(client)
        client.maintenance.Defragment(DEFRAGMENT, timeout=60)
        assert file_of(disk).stat().st_size < 2 << 20
        end(server)


def test_a_server_that_ends_meanwhile_leaves_nothing_behind(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, client):
        fill(client, 300)
        call = client.maintenance.Defragment.future(DEFRAGMENT, timeout=60)
        server.wait_line("defragmenting")
        end(server)
        assert call.exception() is None or call.code() == grpc.StatusCode.UNAVAILABLE
    assert copies(tmp_path) == []
    assert copying(tmp_path) == []
    with serving(tmp_path) as (server, client):
        assert count(client) == 300
        end(server)


def test_a_server_that_is_killed_meanwhile_is_not_outlived_by_the_copying(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, client):
        fill(client, 300)
        # Held on to: grpcio cancels a call that nobody holds.
        defragmenting = client.maintenance.Defragment.future(DEFRAGMENT, timeout=60)
        server.wait_line("defragmenting")
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        assert defragmenting.exception() is not None
    wait_until_none_copies(tmp_path)
    with serving(tmp_path) as (server, client):
        assert copies(tmp_path) == []
        assert count(client) == 300
        end(server)
