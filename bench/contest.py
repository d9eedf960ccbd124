"""
Two servers measured in turns, so that what disturbs the machine disturbs both.

Rounds of seconds are enough where much differs. The processors of a virtual machine are faster
and slower by half, though, for tenths of a second. Where a hundredth counts, both servers stay
connected, and turns are as short as their loads allow::

    contest            |      etcd       | pause |     etcdpy      | pause |      etcd ...
    contest_in_turns   |old|new|old|new|old|new|old|new|old|new|old|new|old|new|old|new| ...
                       `-------------- a round -------------'
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.http2 import LoadError
from bench.load import Sample, uncollected
from bench.measure import WARM_UP, Drive, LoadWorkload, Measurement, Workload, in_turns
from bench.servers import Program, Server

#: Between rounds: time for the server just measured to come to rest.
PAUSE = 0.3
#: Seconds of a short turn, in which 100 connections get some replies each.
TURN = 0.03

Rounds = dict[str, list[Measurement]]


def contest(
    workload: Workload, programs: Sequence[Program], directory: Path, rounds: int
) -> Rounds:
    """
    Measure one workload on fresh servers, a round each in turn; return them by their names.

    Raises:
        LoadError: A server, which is named, did not do what the workload needs.
        ServerError: A server did not start.

    """
    with _prepared(workload, programs, directory) as servers:
        return _rounds(workload, servers, rounds)


def contest_in_turns(
    workload: Workload, programs: Sequence[Program], directory: Path, rounds: int
) -> Rounds:
    """
    Do the same in short turns, if the workload is a load that can be interrupted.

    Raises:
        LoadError: A server, which is named, did not do what the workload needs.
        ServerError: A server did not start.

    """
    with _prepared(workload, programs, directory) as servers:
        if not isinstance(workload, LoadWorkload):
            return _rounds(workload, servers, rounds)
        return _rounds_in_turns(workload, servers, rounds)


@contextmanager
def _prepared(
    workload: Workload, programs: Sequence[Program], directory: Path
) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server.started(program, directory / program.name))
            for program in programs
        ]
        for server in servers:
            with _naming(server):
                workload.prepare(server)
        yield servers


def _rounds(workload: Workload, servers: Sequence[Server], rounds: int) -> Rounds:
    measured: Rounds = {server.program.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            time.sleep(PAUSE)
            with _naming(server):
                measured[server.program.name].append(workload.round(server))
    return measured


def _rounds_in_turns(workload: LoadWorkload, servers: Sequence[Server], rounds: int) -> Rounds:
    measured: Rounds = {server.program.name: [] for server in servers}
    with ExitStack() as stack:
        sides = []
        for server in servers:
            with _naming(server):
                drive = _named(server, stack.enter_context(workload.connected(server)))
            sides.append((server, drive))
        in_turns(sides, workload.seconds * WARM_UP, TURN)
        for _ in range(rounds):
            with uncollected():
                taken = in_turns(sides, workload.seconds, TURN)
            for server, measurement in zip(servers, taken, strict=True):
                measured[server.program.name].append(measurement)
    return measured


def _named(server: Server, drive: Drive) -> Drive:
    def named(seconds: float) -> Sample:
        with _naming(server):
            return drive(seconds)

    return named


@contextmanager
def _naming(server: Server) -> Iterator[None]:
    try:
        yield
    except (LoadError, OSError) as error:
        raise LoadError(f"{server.program.name}: {error}") from error
