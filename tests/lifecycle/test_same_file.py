"""The configuration file of a real etcd of one node starts etcdpy as well, unchanged."""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.support.client import Client
from tests.support.servers import Server, reference_binary
from tests.unit.config.test_file import USUAL

#: What an operator might have come to, over some years and versions of etcd.
GROWN = """
name: shop-1
data-dir: /var/lib/etcd
wal-dir: ''
listen-client-urls: "http://localhost:2379"
advertise-client-urls: http://localhost:2379,http://shop-1.example.net:2379
listen-peer-urls: http://localhost:2380
initial-advertise-peer-urls: http://localhost:2380
initial-cluster: shop-1=http://localhost:2380
initial-cluster-token: shop
initial-cluster-state: new

# Room, and what is forgotten when
quota-backend-bytes: 6442450944
auto-compaction-mode: revision
auto-compaction-retention: '1000'
max-txn-ops: 3
max-request-bytes: 65536
max-concurrent-streams: 500
snapshot-count: 50_000
max-snapshots: 3
max-wals: 0
backend-batch-interval: 50000000
backend-batch-limit: 5000

# Times: durations are nanoseconds here
heartbeat-interval: 250
election-timeout: 2500
grpc-keepalive-min-time: 10000000000
grpc-keepalive-interval: 7200000000000
grpc-keepalive-timeout: 20000000000

# Kept from older versions; some of it is known to none any more
enable-v2: false
experimental-initial-corrupt-check: true
experimental-corrupt-check-time: 0
experimental-compaction-batch-limit: 500
experimental-watch-progress-notify-interval: 60000000000
experimental-txn-mode-write-with-shared-buffer: true
feature-gates: InitialCorruptCheck=true
socket-options:
  reuse-port: true
  reuse-address: true

client-transport-security:
  client-cert-auth: false
  auto-tls: false
peer-transport-security:
  client-cert-auth: false
  auto-tls: false

logger: zap
log-level: info
log-outputs: [stderr, LOGFILE]
metrics: extensive
enable-pprof: false
pre-vote: true
strict-reconfig-check: true
host-whitelist: '*'
cors: '*'
"""

#: As other programs write it.
AS_JSON = """
{"name": "one", "data-dir": "/var/lib/etcd", "listen-client-urls": "http://localhost:2379",
 "advertise-client-urls": "http://localhost:2379", "listen-peer-urls": "http://localhost:2380",
 "initial-advertise-peer-urls": "http://localhost:2380",
 "initial-cluster": "one=http://localhost:2380", "log-outputs": ["stderr"], "max-txn-ops": 64,
 "client-transport-security": {"cert-file": "", "key-file": "", "auto-tls": false}}
"""

FILES = {"as it comes with etcd": USUAL, "grown": GROWN, "JSON": AS_JSON}


class Seen(NamedTuple):
    """What clients see of a server's settings."""

    members: list[bytes]
    revision: int
    too_many: str
    too_large: str


#: Where to listen is the one thing that would meet other servers on this machine.
_LISTEN = re.compile(r"(listen-(?:client|peer)-urls\W+http://)localhost:\d+")


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file as an operator has it, but for addresses and directories."""
    text = FILES[request.param].replace("/var/lib/etcd", str(tmp_path / "data"))
    text = text.replace("LOGFILE", str(tmp_path / "etcd.log"))
    text, count = _LISTEN.subn(r"\g<1>127.0.0.1:0", text)
    assert count == 2
    path = tmp_path / "etcd.conf.yml"
    path.write_text(text)
    return path


def test_what_starts_etcd_starts_etcdpy(file: Path, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    text = file.read_text()
    expected = _seen(Server([str(reference_binary()), f"--config-file={file}"], data_dir))
    shutil.rmtree(data_dir)
    command = [sys.executable, "-m", "etcdpy", f"--config-file={file}"]
    assert _seen(Server(command, data_dir)) == expected
    assert file.read_text() == text


def _seen(server: Server) -> Seen:
    """Start a server, look at it, and end it in an orderly way."""
    server.start()
    try:
        with closing(Client(server.address)) as client:
            members = client.cluster.MemberList(pb.MemberListRequest())
            put = client.kv.Put(pb.PutRequest(key=b"k", value=b"v"))
            puts = [
                pb.RequestOp(request_put=pb.PutRequest(key=b"%d" % number)) for number in range(200)
            ]
            seen = Seen(
                [member.SerializeToString(deterministic=True) for member in members.members],
                put.header.revision,
                _refusal(client, pb.TxnRequest(success=puts)),
                _refusal(client, pb.TxnRequest(success=[_large_put()])),
            )
        assert server.stop() == -15
        assert (server.data_dir / "member").is_dir()
        return seen
    finally:
        server.close()


def _large_put() -> pb.RequestOp:
    return pb.RequestOp(request_put=pb.PutRequest(key=b"large", value=bytes(70_000)))


def _refusal(client: Client, request: pb.TxnRequest) -> str:
    try:
        client.kv.Txn(request)
    except grpc.RpcError as error:
        return str(error.details())
    return ""
