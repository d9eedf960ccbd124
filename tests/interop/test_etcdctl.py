"""etcdctl prints, and exits with, the same against etcdpy as against a real etcd."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2
from tests.interop.conftest import Pair
from tests.interop.etcdctl_commands import ANSWERED, REFUSED
from tests.support.client import Client
from tests.support.servers import Server, reference_binary

PROGRAM_VARIABLE = "ETCDPY_ETCDCTL"
TIMEOUT = 20.0


@dataclass(frozen=True)
class Printed:
    """What came of one command line, without what differs from run to run."""

    stdout: str
    stderr: str
    status: int


@pytest.fixture(scope="module")
def etcdctl() -> Path:
    chosen = os.environ.get(PROGRAM_VARIABLE)
    return Path(chosen) if chosen else reference_binary("etcdctl")


@pytest.fixture
def revisions(pair: Pair) -> Mapping[str, int]:
    """Give both servers the same few keys, and return the revisions those were written at."""
    at, reference = _reset(pair.etcdpy), _reset(pair.etcd)
    assert at == reference, "the servers were not given the same writes"
    return at


def _reset(server: Server) -> Mapping[str, int]:
    with closing(Client(server.address)) as client:
        client.kv.DeleteRange(rpc_pb2.DeleteRangeRequest(key=b"\0", range_end=b"\0"))
        replies = [
            client.kv.Put(rpc_pb2.PutRequest(key=key, value=value))
            for key, value in ((b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"a", b"9"))
        ]
    return {f"r{i}": reply.header.revision for i, reply in enumerate(replies, 1)}


@pytest.mark.parametrize("script", ANSWERED)
def test_etcdctl_prints_the_same(
    etcdctl: Path, pair: Pair, revisions: Mapping[str, int], script: str
) -> None:
    for command in _commands(script, revisions):
        got = _run(etcdctl, pair.etcdpy, command)
        assert got == _run(etcdctl, pair.etcd, command)
        assert got.status == 0, got.stderr


@pytest.mark.parametrize("script", REFUSED)
def test_etcdctl_is_refused_in_the_same_words(
    etcdctl: Path, pair: Pair, revisions: Mapping[str, int], script: str
) -> None:
    *before, refused = _commands(script, revisions)
    for command in before:
        assert _run(etcdctl, pair.etcdpy, command) == _run(etcdctl, pair.etcd, command)
    got = _run(etcdctl, pair.etcdpy, refused)
    assert got == _run(etcdctl, pair.etcd, refused)
    assert got.status == 1
    assert "Error: etcdserver: " in got.stderr


def _commands(script: str, revisions: Mapping[str, int]) -> Iterator[str]:
    for name, revision in revisions.items():
        script = script.replace(f"{{{name}}}", str(revision))
    yield from script.split(" ; ")


def _run(etcdctl: Path, server: Server, command: str) -> Printed:
    words, _, lines = command.partition(" <<< ")
    done = subprocess.run(
        [str(etcdctl), f"--endpoints={server.address}", *shlex.split(words)],
        input="\n".join(line.strip() for line in lines.split("|")).encode(),
        capture_output=True,
        env={"ETCDCTL_API": "3", "NO_PROXY": "127.0.0.1", "PATH": os.environ["PATH"]},
        timeout=TIMEOUT,
    )
    return Printed(
        _without_noise(_text(done.stdout), server),
        _without_noise(_text(done.stderr), server),
        done.returncode,
    )


def _text(printed: bytes) -> str:
    return printed.decode(errors="backslashreplace")


# Where the two servers may differ, and where one differs from itself a moment later.
_NOISE = [
    # A table's columns are as wide as their widest cell.
    (r" {2,}", " "),
    (r"-{3,}|─{3,}", "---"),
    # Log lines of etcdctl's own.
    (r'"ts":"[^"]*"', '"ts":"TIME"'),
    (r'"caller":"[^"]*"', '"caller":"LINE"'),
    (r"LocalAddr: '[^']*'", "LocalAddr: 'PORT'"),
    (r"etcd-endpoints://0x[0-9a-f]+/", "etcd-endpoints://POINTER/"),
    # endpoint health
    (r"\b[0-9.]+(ms|µs|s)\b", "TOOK"),
    # endpoint status: as JSON and fields, then as a line of text and a table
    (r'("(?:dbSize|dbSizeInUse|raftIndex|raftAppliedIndex)":)\d+', r"\1NUMBER"),
    (r'("(?:DBSize|DBSizeInUse|RaftIndex|RaftAppliedIndex)" : )\d+', r"\1NUMBER"),
    (r"\b3\.\d+\.\d+\b", "VERSION"),
    (r"\b\d+(?:\.\d+)? [kM]?B\b", "SIZE"),
    (r"\b\d+%", "PERCENT"),
    (r"(, | [|│] )(\d+)\1\2\b", r"\1INDEX\1INDEX"),
]


def _without_noise(printed: str, server: Server) -> str:
    printed = printed.replace(server.address, "ENDPOINT")
    for pattern, replacement in _NOISE:
        printed = re.sub(pattern, replacement, printed)
    return printed
