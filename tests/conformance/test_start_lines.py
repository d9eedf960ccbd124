"""A server starts with the lines of a real etcd: same order, same fields, same values."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import pytest

from tests.conformance import start_lines
from tests.conformance.conftest import SUBJECT_VARIABLE
from tests.conformance.start_lines import SETTINGS, Line
from tests.support.servers import Server, etcdpy_server, reference_etcd

# Flags that every etcd to compare with has.
FLAGS: Mapping[str, Sequence[str]] = {
    "none": (),
    "every kind": (
        "--snapshot-count=7",
        "--max-wals=2",
        "--max-snapshots=3",
        "--heartbeat-interval=20",
        "--election-timeout=109",
        "--pre-vote=false",
        "--initial-election-tick-advance=false",
        "--initial-cluster-token=t",
        "--quota-backend-bytes=1048577",
        "--max-request-bytes=1000000",
        "--auto-compaction-mode=revision",
        "--auto-compaction-retention=1000",
        "--host-whitelist=b,a,b",
        "--cors=http://b:2,http://a:1",
        "--listen-metrics-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",
    ),
    "periodic compaction": ("--auto-compaction-retention=90m", "--quota-backend-bytes=-1"),
}


def lives(server: Server) -> list[list[Line]]:
    """Return what a server logged at its first start, and at one on what that left."""
    server.stop()
    first = start_lines.lines_of(server)
    server.start()
    server.stop()
    return [first, start_lines.lines_of(server)]


@pytest.mark.parametrize("flags", FLAGS)
def test_lines_of_a_start_are_etcds(flags: str) -> None:
    if SUBJECT_VARIABLE in os.environ:
        pytest.skip(f"{SUBJECT_VARIABLE} takes the place of etcdpy")
    with reference_etcd(FLAGS[flags]) as reference, etcdpy_server(args=FLAGS[flags]) as subject:
        for theirs, ours in zip(lives(reference), lives(subject), strict=True):
            version = start_lines.version_in(theirs)
            assert start_lines.steps(ours, version) == start_lines.steps(theirs, version)
            by_message = {line["msg"]: line for line in ours}
            for line in theirs:
                if not start_lines.is_repeated(line, theirs, version):
                    _assert_same(by_message[line["msg"]], line, version)


def _assert_same(ours: Line, theirs: Line, version: start_lines.Version) -> None:
    found = list(start_lines.comparable(ours, version).items())
    expected = list(start_lines.comparable(theirs, version).items())
    if ours["msg"] == SETTINGS:
        # Settings that etcd leaves out stand behind those it has.
        found = found[: len(expected)]
    assert found == expected
