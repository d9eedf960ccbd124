"""
The commands of docs/outgrowing.md, run as they stand there, on one machine.

A page's machine is a directory with a shell's variables of its own; its addresses are free ports
of 127.0.0.1. What a command would go on doing for ever (a server, a mirror) runs until it is ended.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from etcdpy.pb import rpc_pb2 as pb
from tests.conformance.locking import wait_for
from tests.interop import ROOT
from tests.interop.etcdctl import Etcdctl
from tests.support.client import Client
from tests.support.ports import free_port
from tests.support.servers import reference_binary

PAGE = ROOT / "docs" / "outgrowing.md"

#: The section whose commands set the variables of all others.
SETTING = "Outgrowing one node"
#: The section about stores where one has to log in.
WITH_USERS = "With users and roles"

NODES = ("one", "two", "three")
#: The prompt of commands for each of them, and the machines that it means.
EACH = {"each": NODES}
#: Where etcdpy is, for everybody and for the mirror; and the nodes.
OLD, SECOND_DOOR = "10.0.0.9:2379", "127.0.0.1:2479"
CLUSTER = tuple(f"10.0.0.{number}:2379" for number in (1, 2, 3))

TIMEOUT = 60.0

_ADDRESS = re.compile(r"\b(?:10\.0\.0\.\d|127\.0\.0\.1):\d+\b")
_COMMAND = re.compile(r"(\w*)\$ +(.*)")
_VARIABLES = re.compile(r"(?:export +)?\w+=\S+(?: +\w+=\S+)*|\w+=\$\(.*\)")

#: For nodes that get little of the processor and of the disk: no election because of that.
_PATIENT = {
    "ETCD_HEARTBEAT_INTERVAL": "200",
    "ETCD_ELECTION_TIMEOUT": "3000",
    "ETCD_UNSAFE_NO_FSYNC": "true",
    "ETCD_LOG_LEVEL": "warn",
}


@dataclass(frozen=True)
class Command:
    """One line of the page, and the machines that it is for."""

    prompt: str
    line: str

    @property
    def machines(self) -> tuple[str, ...]:
        return EACH.get(self.prompt, (self.prompt,))

    @property
    def is_running_on(self) -> bool:
        words = shlex.split(self.line)
        is_server = words[0] == "etcd" or (words[0] == "etcdpy" and words[1].startswith("--"))
        return is_server or "make-mirror" in words


def sections(page: Path = PAGE) -> dict[str, list[list[Command]]]:
    """Return a page's blocks of commands by the heading that they are under."""
    found: dict[str, list[list[Command]]] = {}
    for part in re.split(r"^##? ", page.read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = part.partition("\n")
        blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        found[title] = [[_command(line) for line in block.splitlines()] for block in blocks]
    return found


def _command(line: str) -> Command:
    found = _COMMAND.fullmatch(line)
    assert found, f"not a prompt and a command: {line!r}"
    return Command(*found.groups())


@dataclass
class _Machine:
    directory: Path
    #: Lines that set the variables of its shell.
    variables: list[str] = field(default_factory=list)
    running: dict[str, Running] = field(default_factory=dict)


class Running:
    """A server or a mirror, and what it says."""

    def __init__(self, command: list[str], directory: Path, environment: dict[str, str]) -> None:
        self._said = directory / f"{free_port()}.log"
        with self._said.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=directory,
                env=environment,
            )

    @property
    def said(self) -> str:
        return self._said.read_text(errors="replace")

    def check(self) -> None:
        assert self._process.poll() is None, f"ended by itself:\n{self.said[-5000:]}"

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        try:
            self._process.wait(TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Play:
    """
    Sections of a page, block after block; the test looks at what it left in between.

    Attributes:
        printed: What the last block's commands that ended have printed, in order.

    """

    def __init__(self, titles: Sequence[str], directory: Path, page: Path = PAGE) -> None:
        found = sections(page)
        (self._setting,) = found.get(SETTING, [[]])
        self._blocks = iter([block for title in titles for block in found[title]])
        self._directory = directory
        self._machines: dict[str, _Machine] = {}
        self._ports: dict[str, int] = {}
        self._programs = _programs(directory)
        self.printed: list[str] = []

    def __enter__(self) -> Play:
        for command in self._setting:
            self._run(command)
        return self

    def __exit__(self, *_: object) -> None:
        for machine in self._machines.values():
            for running in machine.running.values():
                running.kill()

    def step(self) -> list[str]:
        """Run the commands of the next block."""
        self.printed = []
        for command in next(self._blocks):
            self._run(command)
        return self.printed

    def begin(self, line: str, machine: str = "old") -> None:
        """Start what the page takes for granted, on the machine of etcdpy."""
        self._run(Command(machine, line))

    def end(self) -> None:
        """Check that nothing of the section is left."""
        left = list(self._blocks)
        assert not left, f"not run: {left}"

    def address(self, of_the_page: str) -> str:
        """Return where an address of the page is."""
        if of_the_page not in self._ports:
            self._ports[of_the_page] = free_port()
        return f"127.0.0.1:{self._ports[of_the_page]}"

    def cluster(self) -> tuple[str, ...]:
        return tuple(self.address(node) for node in CLUSTER)

    def stop(self, program: str, number: signal.Signals = signal.SIGTERM) -> None:
        """End what runs of a program, as an operator does."""
        for machine in self._machines.values():
            if program in machine.running:
                machine.running.pop(program).end(number)

    def path(self, machine: str, name: str) -> Path:
        return self._machines[machine].directory / name

    def copy(self, name: str) -> None:
        """Copy a file of etcdpy's machine to the nodes."""
        for node in NODES:
            self.path(node, name).write_bytes(self.path("old", name).read_bytes())

    def wait_until_served(self, *addresses: str) -> None:
        """Wait until each can be asked, and all servers are still there."""
        for address in addresses:
            wait_for(partial(self._serves, address), f"{address} serves")

    def wait_until_ready(self, machine: str = "old") -> None:
        """Wait until the etcdpy of a machine says that it is ready, however it is reached."""
        etcdpy = self._machines[machine].running["etcdpy"]

        def is_ready() -> bool:
            etcdpy.check()
            return "ready to serve client requests" in etcdpy.said

        wait_for(is_ready, "etcdpy to be ready")

    def _serves(self, address: str) -> bool:
        for machine in self._machines.values():
            for running in machine.running.values():
                running.check()
        # A new connection each time: gRPC itself would wait for a second between two attempts.
        with closing(Client(self.address(address))) as client:
            try:
                client.kv.Range(pb.RangeRequest(key=b"k"), timeout=5)
            except grpc.RpcError as error:
                # Where one has to log in, who does not is answered by a server that serves.
                refused: Any = error
                return bool(refused.code() is grpc.StatusCode.INVALID_ARGUMENT)
            return True

    def _run(self, command: Command) -> None:
        for name in command.machines:
            self._run_on(name, command)

    def _run_on(self, name: str, command: Command) -> None:
        machine = self._machine(name)
        line = _ADDRESS.sub(lambda found: self.address(found[0]), command.line)
        environment = self._environment(name)
        if command.is_running_on:
            script = "\n".join([*machine.variables, f"exec {line}"])
            program = "mirror" if "make-mirror" in line else line.split()[0]
            assert program not in machine.running, f"{program} runs on {name} already"
            words = ["/bin/bash", "-c", script]
            machine.running[program] = Running(words, machine.directory, environment)
            return
        if _VARIABLES.fullmatch(line):
            machine.variables.append(line)
            return
        script = "\n".join([*machine.variables, line])
        done = subprocess.run(
            ["/bin/bash", "-c", script],
            capture_output=True,
            text=True,
            cwd=machine.directory,
            env=environment,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        self.printed.append(done.stdout)

    def _environment(self, name: str) -> dict[str, str]:
        return {
            # The machine's own, without which its Python may not run, and none of an etcd's.
            **{
                key: text
                for key, text in os.environ.items()
                if not key.startswith(("ETCD_", "ETCDCTL_"))
            },
            **(_PATIENT if name in NODES else {}),
            "PATH": f"{self._programs}:{os.environ['PATH']}",
            "NO_PROXY": "127.0.0.1",
        }

    def _machine(self, name: str) -> _Machine:
        if name not in self._machines:
            directory = self._directory / (name or "any")
            directory.mkdir()
            self._machines[name] = _Machine(directory)
        return self._machines[name]


def _programs(directory: Path) -> Path:
    """Return a directory with the programs that the page calls by name."""
    programs = directory / "bin"
    programs.mkdir()
    for name in ("etcd", "etcdutl"):
        (programs / name).symlink_to(reference_binary(name))
    (programs / "etcdctl").symlink_to(Etcdctl.found().program)
    etcdpy = programs / "etcdpy"
    words = shlex.join([sys.executable, "-m", "etcdpy"])
    etcdpy.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {words} "$@"\n')
    etcdpy.chmod(0o755)
    return programs


def hashes(printed: str) -> Iterator[int]:
    """Read what ``etcdctl endpoint hashkv`` prints: an endpoint and its hash to a line."""
    for line in printed.splitlines():
        yield int(line.split(", ")[1])
