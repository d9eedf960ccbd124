"""etcdctl, and what it prints without what differs from run to run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from etcdpy.pb import rpc_pb2
from tests.support.client import Client
from tests.support.servers import Server, reference_binary

PROGRAM_VARIABLE = "ETCDPY_ETCDCTL"
TIMEOUT = 100.0
#: How long it waits for a connection and for an answer, which a busy machine may need.
PATIENT = ("--dial-timeout=30s", "--command-timeout=30s")


def environment() -> dict[str, str]:
    """Return what etcdctl is run with: nothing of the caller's settings for it."""
    return {"ETCDCTL_API": "3", "NO_PROXY": "127.0.0.1", "PATH": os.environ["PATH"]}


@dataclass(frozen=True)
class Printed:
    """What came of one command line, without what differs from run to run."""

    stdout: str
    stderr: str
    status: int


@dataclass(frozen=True)
class Etcdctl:
    """
    The program that is run, for one server after another.

    Attributes:
        flags: What every command line has, such as certificates.

    """

    program: Path
    flags: tuple[str, ...] = ()

    @classmethod
    def found(cls) -> Etcdctl:
        """Return the one that ``ETCDPY_ETCDCTL`` names or else the reference's; or skip."""
        chosen = os.environ.get(PROGRAM_VARIABLE)
        return cls(Path(chosen) if chosen else reference_binary("etcdctl"))

    def with_flags(self, *flags: str) -> Etcdctl:
        """Return it with more flags."""
        return replace(self, flags=(*self.flags, *flags))

    def run(self, server: Server, command: str, timeout: float = TIMEOUT) -> Printed:
        """Run one command line, ``command <<< line | line``, to its end."""
        words, _, lines = command.partition(" <<< ")
        done = subprocess.run(
            [
                str(self.program),
                f"--endpoints={server.address}",
                *PATIENT,
                *self.flags,
                *shlex.split(words),
            ],
            input="\n".join(line.strip() for line in lines.split("|")).encode(),
            capture_output=True,
            env=environment(),
            timeout=timeout,
        )
        return Printed(
            _without_noise(_text(done.stdout), server),
            _without_noise(_text(done.stderr), server),
            done.returncode,
        )

    @contextmanager
    def running(self, server: Server, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Let a command run that does not end by itself; it is killed when the block ends."""
        with subprocess.Popen(
            [str(self.program), f"--endpoints={server.address}", *PATIENT, *self.flags, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def has(self, *words: str) -> bool:
        """Tell whether this version has a command."""
        command = [str(self.program), *words, "--help"]
        done = subprocess.run(command, capture_output=True, env=environment(), timeout=TIMEOUT)
        return done.returncode == 0 and b"unknown command" not in done.stderr

    def knows(self, *words: str) -> bool:
        """Tell whether this version's help for a command has a flag, the last word."""
        *command, flag = words
        called = [str(self.program), *command, "--help"]
        done = subprocess.run(called, capture_output=True, env=environment(), timeout=TIMEOUT)
        return flag.encode() in done.stdout


def commands(script: str, names: Mapping[str, int | str]) -> Iterator[str]:
    """Return the command lines of ``command ; command``, with ``{name}`` filled in."""
    for name, value in names.items():
        script = script.replace(f"{{{name}}}", str(value))
    yield from script.split(" ; ")


def reset(server: Server) -> Mapping[str, int]:
    """Leave a=9 (put twice), b=2 and c=3; return the revisions of the writes as r1 to r4."""
    with closing(Client(server.address)) as client:
        client.kv.DeleteRange(rpc_pb2.DeleteRangeRequest(key=b"\0", range_end=b"\0"))
        replies = [
            client.kv.Put(rpc_pb2.PutRequest(key=key, value=value))
            for key, value in ((b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"a", b"9"))
        ]
    return {f"r{i}": reply.header.revision for i, reply in enumerate(replies, 1)}


def _text(printed: bytes) -> str:
    return printed.decode(errors="backslashreplace")


# Where the two servers may differ, and where one differs from itself a moment later.
_NOISE = [
    # A table's columns are as wide as their widest cell.
    (r" {2,}", " "),
    (r"-{3,}|─{3,}", "---"),
    # Log lines of etcdctl's own.
    (r'"ts":(?:"[^"]*"|[0-9.]+)', '"ts":"TIME"'),
    (r'"caller":"[^"]*"', '"caller":"LINE"'),
    (r"LocalAddr: '[^']*'", "LocalAddr: 'PORT'"),
    (r"etcd-endpoints://0x[0-9a-f]+/", "etcd-endpoints://POINTER/"),
    # endpoint health
    (r"\b[0-9.]+(ms|µs|s)\b", "TOOK"),
    # snapshot save
    (r'"took":"[^"]*"', '"took":"TOOK"'),
    (r'"size":"[^"]*"', '"size":"SIZE"'),
    # endpoint status: as JSON and fields, then as a line of text and a table
    (r'("(?:dbSize|dbSizeInUse|raftIndex|raftAppliedIndex)":)\d+', r"\1NUMBER"),
    (r'("(?:DBSize|DBSizeInUse|RaftIndex|RaftAppliedIndex)" : )\d+', r"\1NUMBER"),
    (r"\b3\.\d+\.\d+\b", "VERSION"),
    (r"\b\d+(?:\.\d+)? [kM]?B\b", "SIZE"),
    (r"\b\d+%", "PERCENT"),
    (r"(, | [|│] )(\d+)\1\2\b", r"\1INDEX\1INDEX"),
    # How Go writes a message, here an alarm, depends on its version.
    (r"(alarm:[A-Z]+) *", r"\1"),
]


def _without_noise(printed: str, server: Server) -> str:
    printed = printed.replace(server.address, "ENDPOINT")
    for pattern, replacement in _NOISE:
        printed = re.sub(pattern, replacement, printed)
    return printed
