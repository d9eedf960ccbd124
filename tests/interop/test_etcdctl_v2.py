"""etcdctl's v2 commands print the same and end alike, whether etcdpy or etcd 3.5 answers."""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.conftest import reachable, start_v2
from tests.support.servers import Server, distro_binary

TIMEOUT = 30.0

#: What is typed, in order: each line finds what those before it have left.
LINES = """
set /a 1
get /a
mk /a 1
mk /b 2
mkdir /d
mkdir /d
set /d/x 1 --ttl 100
set /d/_hidden 1
set '/d/ü <&>' 'é <&> "'
get '/d/ü <&>'
ls --sort
ls --sort -p -r
ls --sort /d
ls /zz
get /d
get /d/x/y
update /a 2
update /zz 2
setdir /e --ttl 100
setdir /e
rm /b
rm /d
rmdir /d
rmdir /e
rm -r /d
get /zz
-o extended get /a
-o json get /a
-o json ls --sort
set --swap-with-value 2 /a 3
set --swap-with-value 2 /a 3
set --swap-with-index 1 /a 3
rm --with-value 2 /a
rm --with-value 3 /a
mk --in-order /q v
mk --in-order /q w
get --quorum --sort /q
ls --sort /q
rm --dir /q
rm -r /
set / x
set /ttl x --ttl 0
exec-watch --help
member list
cluster-health
user list
role list
member remove abc
""".strip().splitlines()


class Printed(NamedTuple):
    stdout: str
    stderr: str
    status: int


@pytest.fixture(scope="module")
def program() -> Path:
    return distro_binary("etcdctl")


@pytest.fixture(scope="module")
def etcdpy() -> Iterator[Server]:
    with start_v2("etcdpy", *reachable()) as server:
        yield server


def environment() -> dict[str, str]:
    return {"ETCDCTL_API": "2", "NO_PROXY": "127.0.0.1", "PATH": os.environ["PATH"]}


def command(program: Path, server: Server, line: str) -> list[str]:
    return [str(program), f"--endpoints=http://{server.address}", *shlex.split(line)]


def typed(program: Path, server: Server, line: str) -> Printed:
    done = subprocess.run(
        command(program, server, line),
        capture_output=True,
        text=True,
        env=environment(),
        timeout=TIMEOUT,
    )
    return Printed(without_noise(done.stdout, server), without_noise(done.stderr, server),
                   done.returncode)  # fmt: skip


def without_noise(text: str, server: Server) -> str:
    """Return a text without addresses, and indexes but for their order in it."""
    text = text.replace(server.address, "SERVER")
    text = re.sub(r"isLeader=\w+", "isLeader=?", text)
    return re.sub(r"\b\d{20}\b|\[\d+\]|(?<=ndex[\":]{2})\d+|(?<=Index: )\d+", "N", text)


def test_what_is_printed_is_the_same(program: Path, etcdpy: Server) -> None:
    with start_v2("etcd", *reachable()) as etcd:
        for line in LINES:
            ours, etcds = (typed(program, server, line) for server in (etcdpy, etcd))
            assert ours == etcds, line


def test_directory_is_updated_as_documented(program: Path, etcdpy: Server) -> None:
    """etcd 3.5 refuses that: tests/conformance/v2/differences.py."""
    assert typed(program, etcdpy, "mkdir /updated").status == 0
    assert typed(program, etcdpy, "updatedir /updated --ttl 100") == Printed("", "", 0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("watch /w", "v\n"),
        ("watch --recursive /", "[set] /w\nv\n"),
        ("watch --forever --recursive /", "[set] /w\nv\n"),
        ("exec-watch /w -- sh -c 'echo $ETCD_WATCH_ACTION $ETCD_WATCH_KEY; kill $PPID'", "set /w"),
    ],
)
def test_watches(program: Path, etcdpy: Server, line: str, told: str) -> None:
    with subprocess.Popen(
        command(program, etcdpy, line), stdout=subprocess.PIPE, text=True, env=environment()
    ) as watching:
        try:
            assert watching.stdout is not None
            # When it has begun to watch it does not say.
            is_told = False
            while not is_told:
                assert typed(program, etcdpy, "set /w v").status == 0
                is_told = bool(select.select([watching.stdout], [], [], 0.2)[0])
            output = "".join(watching.stdout.readline() for _ in told.splitlines())
            assert output.rstrip() == told.rstrip()
        finally:
            watching.kill()
