"""``etcdctl watch`` prints the same against etcdpy as against a real etcd."""

from __future__ import annotations

import re
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from etcdpy.pb import rpc_pb2 as pb
from tests.interop.conftest import Pair, reachable
from tests.interop.etcdctl import PATIENT, TIMEOUT, environment
from tests.support.client import Client
from tests.support.servers import Server, etcdpy_server, reference_binary

#: Command lines, what they read, and how many lines they print. Before, the store holds
#: what ``put a 1``, ``put b 2`` and ``put a 3`` leave, made at {r1} to {r3}; afterwards
#: ``b`` is deleted at {r4} and ``put a 5`` follows at {r5}.
COMMANDS = {
    "a key": ("watch a --rev {r1}", "", 9),
    "from the middle": ("watch a --rev {r2}", "", 6),
    "from the future": ("watch a --rev {r5}", "", 3),
    "a range": ("watch a b --rev {r1}", "", 9),
    "a prefix": ("watch '' --prefix --rev {r1}", "", 15),
    "previous values": ("watch '' --prefix --prev-kv --rev {r1}", "", 21),
    "as JSON": ("watch b --rev {r1} -w json", "", 1),
    "as fields": ("watch b --rev {r1} -w fields", "", 18),
    "in hexadecimals": ("watch a --rev {r3} --hex", "", 6),
    "interactive": ("watch -i", "watch a --rev {r1}\nwatch b --rev {r1}\n", 15),
    "a command": (
        "watch b --rev {r1} -- sh -c 'echo $ETCD_WATCH_EVENT_TYPE $ETCD_WATCH_KEY"
        " $ETCD_WATCH_VALUE at $ETCD_WATCH_REVISION'",
        "",
        8,
    ),
    "a range and a command": ("watch a c --rev {r1} -- echo changed", "", 20),
    "interactive, a command": ("watch -i", "watch a --rev {r1} -- echo changed\n", 12),
}

#: What these print depends on which events come together: there, all are history.
COMES_TOGETHER = ("as JSON", "as fields", "a command", "a range and a command")


@pytest.fixture(scope="module")
def etcdctl() -> Path:
    return reference_binary("etcdctl")


@contextmanager
def _running(etcdctl: Path, server: Server, command: str, read: str) -> Iterator[_Output]:
    process = subprocess.Popen(
        [str(etcdctl), f"--endpoints={server.address}", *PATIENT, *shlex.split(command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    assert process.stdin is not None
    process.stdin.write(read)
    process.stdin.flush()
    try:
        yield _Output(process)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


class _Output:
    """What a command prints, as long as it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def lines(self, count: int) -> list[str]:
        """Wait until so many lines were printed; return them."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self._lines) >= count, TIMEOUT)
            assert enough, f"only {self._lines}"
            return list(self._lines)

    def end(self) -> tuple[int, list[str]]:
        """Wait until the command ends; return its status and what it printed."""
        status = self._process.wait(TIMEOUT)
        self._reader.join()
        return status, self._lines

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()


def _put(client: Client, key: bytes, value: bytes) -> int:
    reply = client.kv.Put(pb.PutRequest(key=key, value=value))
    revision: int = reply.header.revision
    return revision


def _before(server: Server) -> Mapping[str, int]:
    with closing(Client(server.address)) as client:
        client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"\0", range_end=b"\0"))
        first = _put(client, b"a", b"1")
        _put(client, b"b", b"2")
        _put(client, b"a", b"3")
    return {f"r{number}": first + number - 1 for number in range(1, 6)}


def _after(server: Server) -> None:
    with closing(Client(server.address)) as client:
        client.kv.DeleteRange(pb.DeleteRangeRequest(key=b"b"))
        _put(client, b"a", b"5")


def _printed(etcdctl: Path, server: Server, name: str) -> list[str]:
    command, read, count = COMMANDS[name]
    revisions = _before(server)
    if name in COMES_TOGETHER:
        _after(server)
    with _running(etcdctl, server, command.format(**revisions), read.format(**revisions)) as output:
        if name not in COMES_TOGETHER:
            _after(server)
        lines = output.lines(count)
    # Of two watches of one stream either may be the first to be served.
    return sorted(lines) if "interactive" in name else lines


@pytest.mark.parametrize("name", COMMANDS)
def test_etcdctl_watch_prints_the_same(etcdctl: Path, pair: Pair, name: str) -> None:
    got = _printed(etcdctl, pair.etcdpy, name)
    assert got == _printed(etcdctl, pair.etcd, name)
    assert len(got) == COMMANDS[name][2]


def test_etcdctl_watch_of_compacted_history_ends(etcdctl: Path, pair: Pair) -> None:
    ended = []
    for server in (pair.etcdpy, pair.etcd):
        revisions = _before(server)
        with closing(Client(server.address)) as client:
            client.kv.Compact(pb.CompactionRequest(revision=revisions["r3"]))
        with _running(etcdctl, server, "watch a --rev {r1}".format(**revisions), "") as output:
            ended.append(output.end())
    assert ended[0] == ended[1]
    status, lines = ended[0]
    assert status != 0
    assert "required revision has been compacted" in "".join(lines)


def test_etcdctl_watch_tells_of_progress(etcdctl: Path) -> None:
    args = ("--watch-progress-notify-interval=200ms", *reachable())
    with etcdpy_server(args=args) as server:
        with _running(etcdctl, server, "watch a --progress-notify", "") as output:
            assert output.lines(2)[:2] == ["progress notify: 1"] * 2
        with _running(etcdctl, server, "watch -i", "watch a\nprogress\n") as output:
            (line, *_) = output.lines(1)
            assert re.fullmatch("progress notify: 1", line)
