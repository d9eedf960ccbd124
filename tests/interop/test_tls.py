"""Clients reach a server over TLS, with certificates of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2
from tests.interop import go_client
from tests.interop.conftest import start
from tests.interop.etcdctl import PATIENT, TIMEOUT, environment
from tests.support.certificates import Authority, Pair
from tests.support.client import Client
from tests.support.ports import free_port
from tests.support.servers import Server, reference_binary


@dataclass(frozen=True)
class Secured:
    """A server that asks its clients for certificates, and what one of them has."""

    server: Server
    authority: Authority
    alice: Pair

    @property
    def url(self) -> str:
        return f"https://{self.server.address}"


@pytest.fixture(scope="module", params=["etcdpy", "etcd"])
def secured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    authority = Authority.make(tmp_path_factory.mktemp("tls"))
    pair = authority.server()
    url = f"https://127.0.0.1:{free_port()}"
    flags = (
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--cert-file={pair.certificate}",
        f"--key-file={pair.key}",
        f"--trusted-ca-file={authority.path}",
        "--client-cert-auth",
    )
    with start(request.param, *flags) as server:
        yield Secured(server, authority, authority.client("alice"))


def etcdctl(secured: Secured, pair: Pair | None, *words: str) -> subprocess.CompletedProcess[str]:
    shown = [f"--cert={pair.certificate}", f"--key={pair.key}"] if pair else []
    return subprocess.run(
        [
            str(reference_binary("etcdctl")),
            f"--endpoints={secured.url}",
            f"--cacert={secured.authority.path}",
            *shown,
            *PATIENT,
            *words,
        ],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def test_etcdctl(secured: Secured) -> None:
    assert etcdctl(secured, secured.alice, "put", "k", "v").stdout == "OK\n"
    assert etcdctl(secured, secured.alice, "get", "k").stdout == "k\nv\n"
    health = etcdctl(secured, secured.alice, "endpoint", "health")
    assert "is healthy" in health.stdout + health.stderr


def test_etcdctl_finds_the_server_by_the_address_it_advertises(secured: Secured) -> None:
    status = etcdctl(secured, secured.alice, "endpoint", "status", "--cluster")
    assert secured.url in status.stdout, status.stderr


def test_etcdctl_without_a_certificate_is_not_let_in(secured: Secured) -> None:
    refused = etcdctl(secured, None, "--command-timeout=3s", "--dial-timeout=3s", "get", "k")
    assert refused.returncode != 0


def test_grpcio(secured: Secured) -> None:
    credentials = secured.authority.credentials(secured.alice)
    with closing(Client(secured.server.address, credentials=credentials)) as client:
        put = client.kv.Put(rpc_pb2.PutRequest(key=b"grpcio", value=b"v"), timeout=TIMEOUT)
        found = client.kv.Range(rpc_pb2.RangeRequest(key=b"grpcio"), timeout=TIMEOUT)
    assert found.kvs[0].mod_revision == put.header.revision


@pytest.mark.usefixtures("go_program")
@pytest.mark.parametrize("name", go_client.names())
def test_go_client(secured: Secured, name: str) -> None:
    files: dict[str, Path] = {
        "ETCD_CACERT": secured.authority.path,
        "ETCD_CERT": secured.alice.certificate,
        "ETCD_KEY": secured.alice.key,
    }
    go_client.run(name, secured.url, {name: str(path) for name, path in files.items()})
