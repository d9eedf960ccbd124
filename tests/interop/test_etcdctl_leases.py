"""etcdctl lease, lock and elect: the same of etcdpy as of a real etcd."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from etcdpy.pb import rpc_pb2 as pb
from etcdpy.pb import v3lock_pb2, v3lock_pb2_grpc
from tests.conformance.locking import wait_for
from tests.interop.etcdctl import PATIENT, TIMEOUT, environment
from tests.support.client import Client
from tests.support.servers import Server, reference_binary

_lock: Any = v3lock_pb2_grpc


class Etcdctl:
    """etcdctl, of one server."""

    def __init__(self, program: Path, server: Server) -> None:
        self._command = [str(program), f"--endpoints={server.address}", *PATIENT]
        self.client = Client(server.address)

    def run(self, *words: str) -> str:
        """Return what a command prints that must succeed."""
        done = self.run_any(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run_any(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*self._command, *words]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment(), timeout=TIMEOUT
        )

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Let a command run that does not end by itself."""
        with subprocess.Popen(
            [*self._command, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    def keys(self, prefix: bytes) -> list[bytes]:
        request = pb.RangeRequest(key=prefix, range_end=prefix[:-1] + bytes([prefix[-1] + 1]))
        return [kv.key for kv in self.client.kv.Range(request).kvs]

    def wait_for_keys(self, prefix: bytes, count: int) -> None:
        wait_for(lambda: len(self.keys(prefix)) == count, f"{count} keys below {prefix!r}")

    def close(self) -> None:
        self.client.close()


@pytest.fixture
def etcdctl(server: Server) -> Iterator[Etcdctl]:
    with closing(Etcdctl(reference_binary("etcdctl"), server)) as it:
        yield it


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def _interrupted(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGINT)
    return process.wait(TIMEOUT)


def _granted(etcdctl: Etcdctl, ttl: int = 100) -> str:
    said = re.fullmatch(
        rf"lease ([0-9a-f]{{16}}) granted with TTL\({ttl}s\)\n",
        etcdctl.run("lease", "grant", str(ttl)),
    )
    assert said
    return said[1]


def test_lease_is_granted_looked_at_and_revoked(etcdctl: Etcdctl) -> None:
    lease = _granted(etcdctl)
    etcdctl.run("put", "lease/a", "1", f"--lease={lease}")
    told = etcdctl.run("lease", "timetolive", lease, "--keys")
    left = r"remaining\(([1-9]\d)s\)"
    granted = rf"lease {lease} granted with TTL\(100s\), {left}, attached keys\(\[lease/a\]\)\n"
    assert re.fullmatch(granted, told), told
    assert lease in etcdctl.run("lease", "list").splitlines()
    assert etcdctl.run("lease", "revoke", lease) == f"lease {lease} revoked\n"
    assert etcdctl.run("get", "lease/a") == ""
    assert etcdctl.run("lease", "timetolive", lease) == f"lease {lease} already expired\n"
    refused = etcdctl.run_any("lease", "revoke", lease)
    assert refused.returncode == 1
    assert "requested lease not found" in refused.stderr


def test_lease_is_kept_alive(etcdctl: Etcdctl) -> None:
    # Long enough for a busy machine to start a program.
    lease = _granted(etcdctl, 6)
    said = f"lease {lease} keepalived with TTL(6)"
    assert etcdctl.run("lease", "keep-alive", "--once", lease) == said + "\n"
    with etcdctl.running("lease", "keep-alive", lease) as process:
        assert [_line(process) for _ in range(3)] == [said] * 3
        etcdctl.run("lease", "revoke", lease)
        assert _line(process) == f"lease {lease} expired or revoked."


def test_lock_is_taken_and_released_by_a_signal(etcdctl: Etcdctl) -> None:
    with etcdctl.running("lock", "shop") as process:
        key = _line(process)
        assert re.fullmatch(r"shop/[0-9a-f]+", key)
        assert etcdctl.keys(b"shop/") == [key.encode()]
        assert _interrupted(process) == 0
    assert etcdctl.keys(b"shop/") == []


def test_lease_of_a_released_lock_stays(etcdctl: Etcdctl) -> None:
    with etcdctl.running("lock", "left") as process:
        lease = _line(process).removeprefix("left/")
        assert _interrupted(process) == 0
    told = etcdctl.run("lease", "timetolive", lease)
    assert told.startswith(f"lease {lease:0>16} granted with TTL(10s)")
    etcdctl.run("lease", "revoke", lease)


def test_holder_whose_lease_is_lost_ends(etcdctl: Etcdctl) -> None:
    with etcdctl.running("lock", "lost", "--ttl=10") as process:
        lease = _line(process).removeprefix("lost/")
        etcdctl.run("lease", "revoke", lease)
        _, said = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert "session expired" in said
    assert etcdctl.keys(b"lost/") == []


def test_lock_runs_a_command(etcdctl: Etcdctl) -> None:
    printed = etcdctl.run("lock", "job", "--", "sh", "-c", "echo $ETCD_LOCK_KEY $ETCD_LOCK_REV")
    key, revision = printed.split()
    assert re.fullmatch(r"job/[0-9a-f]+", key)
    assert int(revision) > 1
    assert etcdctl.keys(b"job/") == []
    assert etcdctl.run_any("lock", "job", "--", "sh", "-c", "exit 3").returncode == 3


def test_locks_are_served_in_order_to_every_kind_of_client(etcdctl: Etcdctl) -> None:
    lease = etcdctl.client.lease.LeaseGrant(pb.LeaseGrantRequest(TTL=100)).ID
    lock = _lock.LockStub(etcdctl.client.channel)
    with etcdctl.running("lock", "both") as first:
        held = _line(first)
        waiting = lock.Lock.future(v3lock_pb2.LockRequest(name=b"both", lease=lease))
        etcdctl.wait_for_keys(b"both/", 2)
        with etcdctl.running("lock", "both") as third:
            etcdctl.wait_for_keys(b"both/", 3)
            assert not waiting.done()
            assert _interrupted(first) == 0
            own = waiting.result(timeout=TIMEOUT).key
            assert own == b"both/%x" % lease != held.encode()
            lock.Unlock(v3lock_pb2.UnlockRequest(key=own))
            last = _line(third)
            assert etcdctl.keys(b"both/") == [last.encode()]
            assert _interrupted(third) == 0


def test_lock_of_a_dead_client_passes_on_when_its_lease_ends(etcdctl: Etcdctl) -> None:
    with etcdctl.running("lock", "dead", "--ttl=5") as first:
        _line(first)
        with etcdctl.running("lock", "dead") as second:
            etcdctl.wait_for_keys(b"dead/", 2)
            first.kill()
            key = _line(second)
            assert etcdctl.keys(b"dead/") == [key.encode()]
            assert _interrupted(second) == 0


def test_election_is_won_observed_and_passed_on(etcdctl: Etcdctl) -> None:
    def campaign(value: str) -> AbstractContextManager[subprocess.Popen[str]]:
        return etcdctl.running("elect", "post", value)

    with etcdctl.running("elect", "-l", "post") as observer, campaign("one") as first:
        key, value = _line(first), _line(first)
        assert (re.fullmatch(r"post/[0-9a-f]+", key) is not None, value) == (True, "one")
        assert [_line(observer), _line(observer)] == [key, "one"]
        with campaign("two") as second:
            etcdctl.wait_for_keys(b"post/", 2)
            assert _interrupted(first) == 0
            assert [_line(second), _line(second)][1] == "two"
            _, now = _line(observer), _line(observer)
            assert now == "two"
            assert _interrupted(second) == 0
    assert etcdctl.keys(b"post/") == []
