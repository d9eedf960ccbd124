"""Clients reach a server that listens on a unix socket, by the names each of them has for it."""

from __future__ import annotations

import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2
from tests.interop import go_client
from tests.interop.etcdctl import PATIENT, TIMEOUT, environment
from tests.support.client import Client
from tests.support.servers import Server, etcdpy_server, reference_binary


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    # A socket's address holds some 100 bytes, fewer than pytest's own directories may need.
    with tempfile.TemporaryDirectory(prefix="etcdpy-") as directory:
        yield Path(directory, "socket")


@pytest.fixture(scope="module")
def server(path: Path) -> Iterator[Server]:
    urls = f"--listen-client-urls=unix://{path}", f"--advertise-client-urls=unix://{path}"
    with etcdpy_server(args=urls) as running:
        yield running


def test_grpcio(server: Server, path: Path) -> None:
    with closing(Client(f"unix:{path}")) as client:
        put = client.kv.Put(rpc_pb2.PutRequest(key=b"k", value=b"v"))
        found = client.kv.Range(rpc_pb2.RangeRequest(key=b"k"))
        members = client.cluster.MemberList(rpc_pb2.MemberListRequest()).members
    assert found.kvs[0].value == b"v"
    assert found.kvs[0].mod_revision == put.header.revision
    assert members[0].clientURLs == [f"unix://{path}"]


@pytest.mark.parametrize("scheme", ["unix:", "unix://"])
def test_etcdctl(server: Server, path: Path, scheme: str) -> None:
    done = subprocess.run(
        [
            str(reference_binary("etcdctl")),
            f"--endpoints={scheme}{path}",
            *PATIENT,
            "put",
            "k",
            "v",
        ],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.stdout == "OK\n", done.stderr


@pytest.mark.usefixtures("go_program")
@pytest.mark.parametrize("name", go_client.names())
def test_go_client(server: Server, path: Path, name: str) -> None:
    go_client.run(name, f"unix://{path}")


@pytest.mark.usefixtures("go_program")
@pytest.mark.parametrize("name", go_client.RECONNECTIONS)
def test_go_client_survives_a_restart(server: Server, path: Path, name: str) -> None:
    go_client.run_with_restart(name, f"unix://{path}", server.restart)


def test_the_socket_goes_with_the_server(server: Server, path: Path) -> None:
    assert stat.S_ISSOCK(path.stat().st_mode)
    server.stop()
    assert not path.exists()
    server.start()
    assert stat.S_ISSOCK(path.stat().st_mode)


def test_a_socket_left_by_a_killed_server_is_replaced(server: Server, path: Path) -> None:
    server.kill()
    assert stat.S_ISSOCK(path.stat().st_mode)
    server.start()
    with closing(Client(f"unix:{path}")) as client:
        assert client.kv.Range(rpc_pb2.RangeRequest(key=b"k")).header.revision > 0
