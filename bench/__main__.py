"""
``python -m bench [NAME ...]``: etcdpy and a real etcd side by side, in one run.

Each workload gets a fresh server of each program, on the same disk, with fsync on. Short
rounds alternate between the two, so that what disturbs the machine disturbs both; the
table shows the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from bench import ceiling, machine, report
from bench.http2 import LoadError
from bench.load import Sample
from bench.measure import Measurement, Workload
from bench.servers import Program, Server, ServerError, etcd, etcdpy
from bench.workloads import FULL, GROUPS, NORMAL, QUICK, SHAPES, chosen, workloads

#: Between rounds: time for the server just measured to come to rest.
PAUSE = 0.3
#: Connections of the widest shape, on both ends, and some for everything else.
OPEN_FILES = 4096


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    if sys.platform != "linux":
        print("bench: runs on Linux only (epoll, /proc)", file=sys.stderr)
        return 2
    scale = QUICK if options.quick else FULL if options.full else NORMAL
    everything = workloads(scale)
    if options.list:
        print("\n".join(f"{w.name:20} {w.metrics[0].title}" for w in everything))
        print("\n".join(f"{group:20} {', '.join(names)}" for group, names in GROUPS.items()))
        return 0
    try:
        selected = chosen(everything, options.names)
        programs = [etcd(), etcdpy(*options.flag)]
    except (ValueError, ServerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    _allow_open_files()
    # A default SIGTERM would leave the servers behind.
    signal.signal(signal.SIGTERM, _exit)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=options.dir) as directory:
        complete = _run(selected, programs, Path(directory), options)
    return 0 if complete else 1


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="workloads: put, range/100x1, …")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each server (3)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="short rounds, small keyspaces")
    size.add_argument("--full", action="store_true", help="long rounds, a million keys too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    parser.add_argument("--list", action="store_true", help="say what workloads there are")
    parser.add_argument("--no-ceiling", action="store_true", help="leave out the generator's own")
    parser.add_argument(
        "--dir", type=Path, default=Path(), help="where data goes: a real disk (this directory)"
    )
    parser.add_argument(
        "--flag", action="append", default=[], help="one more flag for etcdpy, as --flag=--x=y"
    )
    return parser.parse_args(arguments)


def _run(
    selected: Sequence[Workload],
    programs: Sequence[Program],
    directory: Path,
    options: argparse.Namespace,
) -> bool:
    """Measure and print; false if a workload failed, which costs the others nothing."""
    facts = machine.facts(directory)
    facts |= {program.name: program.version() for program in programs}
    print(report.facts_list(facts), end="\n\n", flush=True)
    if machine.filesystem(directory) in ("tmpfs", "ramfs"):
        print("WARNING: fsync costs nothing in memory; give --dir a real disk.\n")
    ceilings: dict[tuple[int, int], Sample] = {}
    if not options.no_ceiling:
        ceilings = {shape: ceiling.measure(shape, 1.0) for shape in SHAPES}
        print("The load generator alone, against a server that does nothing:\n")
        print(report.ceiling_table(ceilings), end="\n\n", flush=True)
    results = []
    for number, workload in enumerate(selected):
        try:
            result = contest(workload, programs, directory / str(number), options.rounds)
        except (LoadError, ServerError, OSError) as error:
            print(f"{workload.name}: FAILED: {error}", file=sys.stderr, flush=True)
            continue
        results.append(result)
        _progress(result)
    if not results:
        return False
    print("Above 1, the ratio says that etcdpy does better:\n")
    tables = [report.main_table, report.cpu_table, report.detail_table]
    print("\n\n".join(filter(None, (table(results) for table in tables))))
    if options.json:
        data = report.as_json(facts, ceilings, results)
        options.json.write_text(json.dumps(data, indent=1) + "\n")
    return len(results) == len(selected)


def contest(
    workload: Workload, programs: Sequence[Program], directory: Path, rounds: int
) -> report.Result:
    """
    Measure one workload on fresh servers, in turns.

    Raises:
        LoadError: A server, which is named, did not do what the workload needs.
        ServerError: A server did not start.

    """
    measured: dict[str, list[Measurement]] = {program.name: [] for program in programs}
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server.started(program, directory / program.name))
            for program in programs
        ]
        for server in servers:
            with _naming(server):
                workload.prepare(server)
        for _ in range(rounds):
            for server in servers:
                time.sleep(PAUSE)
                with _naming(server):
                    measured[server.program.name].append(workload.round(server))
    return report.Result(workload, measured)


@contextmanager
def _naming(server: Server) -> Iterator[None]:
    try:
        yield
    except (LoadError, OSError) as error:
        raise LoadError(f"{server.program.name}: {error}") from error


def _progress(result: report.Result) -> None:
    ratios = ", ".join(f"{result.ratio(i):.2f}" for i in range(len(result.workload.metrics)))
    if result.has_cpu:
        ratios += f", CPU {statistics.median(result.cpu_ratios()):.3f}"
    print(f"{result.workload.name}: {ratios}", file=sys.stderr, flush=True)


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


if __name__ == "__main__":
    sys.exit(main())
