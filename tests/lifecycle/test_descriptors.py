"""Clients cannot take the descriptors that the server keeps its promises with."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.lifecycle.process import PORT_0, Process
from tests.support.client import Client

NOFILE = resource.RLIMIT_NOFILE
TOO_LOW = "file descriptor limit of etcd process is too low; please set higher"

#: More than the journal has files for.
MEGABYTES = 20


@contextmanager
def descriptors_here(count: int) -> Iterator[None]:
    """Let this process have enough descriptors for that many clients."""
    needed = count + 500
    soft, hard = resource.getrlimit(NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"a limit of {hard} open files is too low for {count} clients")
    resource.setrlimit(NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(NOFILE, (soft, hard))


def server(soft: int, hard: int, data_dir: Path, *flags: str) -> Process:
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "from etcdpy.cli.main import main; raise SystemExit(main())"
    )
    return Process("--data-dir", data_dir, *flags, *PORT_0, program=("-c", code))


@contextmanager
def crowd(port: int, count: int) -> Iterator[None]:
    """Clients that connect and stay, whether or not anybody accepts; every other one half-open."""
    with descriptors_here(count), ExitStack() as leaving:
        for number in range(count):
            client = leaving.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            if number % 2:
                try:
                    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
                except OSError:
                    continue  # not connected yet: idle, then
        yield


def lowest_free(pid: int) -> int:
    """Return the descriptor that a process would open next."""
    taken = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    return next(number for number in itertools.count() if number not in taken)


def put(client: Client, number: int) -> None:
    request = pb.PutRequest(key=b"%d" % number, value=bytes(1_000_000))
    client.kv.Put(request, timeout=60)


def test_the_soft_limit_is_raised_to_the_hard_one(tmp_path: Path) -> None:
    with server(200, 700, tmp_path) as running:
        running.wait_ready()
        assert resource.prlimit(running.pid, NOFILE) == (700, 700)


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize("limit", [256, 1024])
def test_ten_times_as_many_clients_cost_no_write(
    tmp_path: Path, transport: str, limit: int
) -> None:
    with server(limit, limit, tmp_path, f"--transport={transport}") as running:
        (address,) = running.wait_ready()
        port = int(address.rpartition(":")[2])
        with ExitStack() as leaving:
            busy = [leaving.enter_context(closing(Client(address))) for _ in range(10)]
            waiting = leaving.enter_context(closing(Client(address)))
            for client in busy:
                put(client, 0)
            with crowd(port, 10 * limit):
                for number in range(MEGABYTES):
                    put(busy[number % len(busy)], number)
                # A process and its pipes, and a second database.
                busy[0].maintenance.Defragment(pb.DefragmentRequest(), timeout=60)
                call = waiting.kv.Put.future(
                    pb.PutRequest(key=b"late"), timeout=50, wait_for_ready=True
                )
                assert len(os.listdir(f"/proc/{running.pid}/fd")) < limit - 60
            # The others have left.
            call.result()
        running.signal(signal.SIGTERM)
        assert running.wait() == -signal.SIGTERM
    with server(limit, limit, tmp_path) as again:
        (address,) = again.wait_ready()
        with closing(Client(address)) as client:
            request = pb.RangeRequest(key=b"\0", range_end=b"\0", count_only=True)
            assert client.kv.Range(request, timeout=60).count == MEGABYTES + 1


def test_without_a_descriptor_left_all_goes_on_but_what_needs_one(tmp_path: Path) -> None:
    with Process("--data-dir", tmp_path, *PORT_0) as running:
        (address,) = running.wait_ready()
        with closing(Client(address)) as client, closing(Client(address)) as late:
            put(client, 0)
            limits = resource.prlimit(running.pid, NOFILE)
            # Looked at some times, as one may be open for a moment only.
            lowest = min(lowest_free(running.pid) for _ in range(20))
            resource.prlimit(running.pid, NOFILE, (lowest, limits[1]))
            for number in range(MEGABYTES):
                put(client, number)
            size = sum(len(m.blob) for m in client.maintenance.Snapshot(pb.SnapshotRequest()))
            assert size > MEGABYTES * 1_000_000
            with pytest.raises(grpc.RpcError, match="Too many open files"):
                client.maintenance.Defragment(pb.DefragmentRequest(), timeout=60)
            call = late.kv.Put.future(pb.PutRequest(key=b"k"), timeout=50, wait_for_ready=True)
            running.wait_line("new connections have to wait")
            put(client, 0)
            assert not call.done()
            resource.prlimit(running.pid, NOFILE, limits)
            call.result()
            client.maintenance.Defragment(pb.DefragmentRequest(), timeout=60)
        running.signal(signal.SIGTERM)
        assert running.wait() == -signal.SIGTERM


@pytest.mark.parametrize("limit", [100, 150])
def test_a_limit_that_leaves_nothing_for_clients_is_refused_in_etcds_words(
    tmp_path: Path, limit: int
) -> None:
    data_dir = tmp_path / "data"
    with server(limit, limit, data_dir) as refused:
        assert refused.wait() == 1
    line = refused.find(TOO_LOW)
    assert line == refused.lines[-1]
    told = {key: line[key] for key in ("level", "msg", "limit", "recommended-limit")}
    assert not data_dir.exists()
    etcd = shutil.which("etcd", path=Path(sys.executable).parent)
    if etcd is None:
        pytest.skip("no etcd to compare with")
    words = [etcd, "--data-dir", str(data_dir)]
    for name in ("listen-client-urls", "listen-peer-urls"):
        words += [f"--{name}", "http://127.0.0.1:0"]
    words += ["--advertise-client-urls", "http://127.0.0.1:1"]
    limited = f'ulimit -n {limit}; exec "$@"'
    ended = subprocess.run(
        ["/bin/sh", "-c", limited, "sh", *words], capture_output=True, text=True, timeout=60
    )
    etcds = json.loads(ended.stderr.splitlines()[-1])
    assert ended.returncode == 1
    assert told == {key: etcds[key] for key in told}
