"""What is in a server, and ways to move it between servers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from etcdpy.pb import rpc_pb2 as pb
from tests.interop.etcdctl import PATIENT
from tests.support.client import Client
from tests.support.consistency import check_data_dir
from tests.support.servers import IDENTITY, Server, reference_binary

TIMEOUT = 120.0

Kind = Literal["etcdpy", "etcd"]

_PEER_URL = "http://127.0.0.1:2380"
FOUNDING = (
    "--name=conformance",
    f"--initial-cluster=conformance={_PEER_URL}",
    f"--initial-advertise-peer-urls={_PEER_URL}",
)


@dataclass(frozen=True)
class Content:
    """
    Everything a client can see of a store.

    Attributes:
        rows: The encoded pairs, with their revisions, version and lease.
        leases: By ID, what was granted in seconds, and the keys attached.
        hash: Of all rows, history included, and the compaction it stands on.

    """

    revision: int
    rows: list[bytes]
    leases: dict[int, tuple[int, list[bytes]]]
    alarms: list[bytes]
    hash: tuple[int, int]


def content_of(server: Server) -> Content:
    return content_at(server.address)


def content_at(address: str) -> Content:
    with closing(Client(address)) as client:
        found = client.kv.Range(pb.RangeRequest(key=b"\0", range_end=b"\0"))
        hashed = client.maintenance.HashKV(pb.HashKVRequest())
        alarms = client.maintenance.Alarm(pb.AlarmRequest()).alarms
        return Content(
            found.header.revision,
            [kv.SerializeToString(deterministic=True) for kv in found.kvs],
            _leases(client),
            sorted(alarm.SerializeToString(deterministic=True) for alarm in alarms),
            (hashed.hash, hashed.compact_revision),
        )


def _leases(client: Client) -> dict[int, tuple[int, list[bytes]]]:
    leases = {}
    for lease in client.lease.LeaseLeases(pb.LeaseLeasesRequest()).leases:
        asked = pb.LeaseTimeToLiveRequest(ID=lease.ID, keys=True)
        reply = client.lease.LeaseTimeToLive(asked)
        leases[lease.ID] = (reply.grantedTTL, sorted(reply.keys))
    return leases


def version_of(server: Server) -> tuple[int, ...]:
    """Return the version that a server says it is."""
    with closing(Client(server.address)) as client:
        text: str = client.maintenance.Status(pb.StatusRequest()).version
        return tuple(int(part) for part in text.split("."))


def run(program: Path | str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(program), *map(str, words)], capture_output=True, text=True, timeout=TIMEOUT
    )


def etcdpy(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``etcdpy snapshot``."""
    return run(sys.executable, "-m", "etcdpy", "snapshot", *words)


def done(finished: subprocess.CompletedProcess[str]) -> str:
    """Return what a command that must succeed has printed."""
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def save(by: Kind, server: Server, path: Path, user: str = "") -> None:
    """Save a snapshot, by etcdctl or by etcdpy's own command, as ``NAME:PASSWORD`` or nobody."""
    done(saving(by, server, path, user))


def saving(
    by: Kind, server: Server, path: Path, user: str = ""
) -> subprocess.CompletedProcess[str]:
    """Try to."""
    who = [f"--user={user}"] if user else []
    if by == "etcdpy":
        return etcdpy("save", path, "--endpoints", server.address, *who)
    ctl = reference_binary("etcdctl")
    return run(ctl, "--endpoints", server.address, *PATIENT, *who, "snapshot", "save", path)


def restore(to: Kind, path: Path, data_dir: Path, *flags: str) -> None:
    """Make a data directory of a snapshot, by etcdutl or by etcdpy's own command."""
    words = [str(path), f"--data-dir={data_dir}", *FOUNDING, *flags]
    if to == "etcdpy":
        done(etcdpy("restore", *words))
    else:
        done(run(reference_binary("etcdutl"), "snapshot", "restore", *words))


@contextmanager
def started(kind: Kind, data_dir: Path, *flags: str) -> Iterator[Server]:
    """Run a server on ``data_dir`` until the block ends."""
    etcd = [str(reference_binary())]
    command = [sys.executable, "-m", "etcdpy"] if kind == "etcdpy" else etcd
    server = Server([*command, *IDENTITY, *flags], data_dir)
    server.start()
    try:
        yield server
    finally:
        server.close()
    if kind == "etcdpy":
        check_data_dir(data_dir)
