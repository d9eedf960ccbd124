"""What is left when a command, or the server it talks to, ends in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from etcdpy.cli.snapshot_save import Endpoint, SaveError, save
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb.kv_pb2 import KeyValue
from tests.snapshot.stores import TIMEOUT, etcdpy
from tests.support.client import Client
from tests.support.servers import etcdpy_server
from tests.unit.storage.bolt_material import make_file
from tests.unit.storage.material import row_key


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that takes a while to restore."""
    value = KeyValue(key=b"k", value=b"x" * 1_000).SerializeToString()
    rows = [(row_key(revision), value) for revision in range(2, 60_000)]
    path = tmp_path_factory.mktemp("large") / "db"
    path.write_bytes(make_file({b"key": rows, b"meta": []}))
    return path


def wait_for(seen: Callable[[], bool]) -> None:
    """Wait for what another process does to its files."""
    limit = time.monotonic() + TIMEOUT
    while not seen():
        assert time.monotonic() < limit
        time.sleep(0.001)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_restore_that_is_ended_leaves_no_member(
    tmp_path: Path, large: Path, number: signal.Signals
) -> None:
    data_dir = tmp_path / "data"
    command = [sys.executable, "-m", "etcdpy", "snapshot", "restore", str(large)]
    flags = ["--skip-hash-check", f"--data-dir={data_dir}"]
    process = subprocess.Popen(
        [*command, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for((data_dir / "restoring" / "member" / "lmdb" / "data.mdb").exists)
    process.send_signal(number)
    status = process.wait(TIMEOUT)
    if number == signal.SIGKILL:
        assert status == -number
        assert [entry.name for entry in data_dir.iterdir()] == ["restoring"]
    else:
        assert status == 130
        assert not data_dir.exists()


def test_what_a_killed_restore_left_is_not_restored_over(tmp_path: Path, large: Path) -> None:
    (tmp_path / "data" / "restoring").mkdir(parents=True)
    again = etcdpy("restore", large, "--skip-hash-check", "--data-dir", tmp_path / "data")
    assert again.returncode == 1
    assert "not empty" in again.stderr


def test_a_server_that_is_killed_leaves_no_file_and_loses_nothing(tmp_path: Path) -> None:
    with etcdpy_server() as server:
        with closing(Client(server.address)) as client:
            for number in range(50):
                put = pb.PutRequest(key=b"%02d" % number, value=b"x" * 100_000)
                client.kv.Put(put)
        killed: list[int] = []

        def kill(done: int, left: int) -> None:
            if not killed:
                killed.append(done)
                server.kill()

        with pytest.raises(SaveError, match="UNAVAILABLE"):
            save(Endpoint(server.address), tmp_path / "file.db", kill)
        assert [entry.name for entry in tmp_path.iterdir()] == []
        server.start()
        with closing(Client(server.address)) as client:
            found = client.kv.Range(pb.RangeRequest(key=b"\0", range_end=b"\0", count_only=True))
            assert (found.count, found.header.revision) == (50, 51)


def test_a_server_that_is_told_to_stop_finishes_what_it_sends(tmp_path: Path) -> None:
    with etcdpy_server() as server:
        with closing(Client(server.address)) as client:
            for number in range(200):  # more than a client takes in unread
                client.kv.Put(pb.PutRequest(key=b"%03d" % number, value=b"x" * 100_000))
            messages = client.maintenance.Snapshot(pb.SnapshotRequest(), timeout=TIMEOUT)
            file = next(messages).blob
            with ThreadPoolExecutor() as threads:
                stopped = threads.submit(server.stop)
                *chunks, checksum = messages
                assert stopped.result() == -signal.SIGTERM
        file += b"".join(message.blob for message in chunks)
        assert checksum.blob == sha256(file).digest()
