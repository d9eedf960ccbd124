"""
``python -m bench [NAME ...]``: etcdpy and a real etcd side by side, in one run.

With ``--against DIR``, another working copy's etcdpy takes the place of etcd: ``old`` is that
one, ``new`` this one.

Each workload gets a fresh server of each program, on the same disk, with fsync on. Short
rounds alternate between the two, so that what disturbs the machine disturbs both; the
table shows the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bench import ceiling, machine, report, testkit, v2
from bench.contest import contest, contest_in_turns
from bench.http2 import LoadError
from bench.load import Sample
from bench.measure import Workload
from bench.servers import HERE, Program, ServerError, check_origin, etcd, etcdpy
from bench.workloads import FULL, GROUPS, NORMAL, QUICK, SHAPES, TURNS, Scale, chosen, workloads

#: Connections of the widest shape, on both ends, and some for everything else.
OPEN_FILES = 4096
#: Rounds of each server: beside etcd, and beside another working copy.
ROUNDS, TURNS_ROUNDS = 3, 11
#: What is measured by itself.
TEST_KIT = "testkit"
V2 = "v2"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    if sys.platform != "linux":
        print("bench: runs on Linux only (epoll, /proc)", file=sys.stderr)
        return 2
    if options.names == [TEST_KIT]:
        return _measure_alone(_test_kit)
    if options.names == [V2]:
        return _measure_alone(lambda: v2.table(v2.measure()))
    everything = workloads(_scale(options))
    if options.list:
        print("\n".join(f"{w.name:20} {w.metrics[0].title}" for w in everything))
        print("\n".join(f"{group:20} {', '.join(names)}" for group, names in GROUPS.items()))
        return 0
    try:
        selected = chosen(everything, options.names)
        programs = [replace(one, is_secure=options.tls) for one in _programs(options)]
    except (ValueError, ServerError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    _allow_open_files()
    # A default SIGTERM would leave the servers behind.
    signal.signal(signal.SIGTERM, _exit)
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=options.dir.resolve()) as directory:
        complete = _run(selected, programs, Path(directory), options)
    if not options.names and not options.against:
        print()
        _measure_alone(_test_kit)
    return 0 if complete else 1


def _test_kit() -> str:
    """Return what a suite of tests waits for, which is no load."""
    return testkit.table(testkit.measure())


def _measure_alone(measure: Callable[[], str]) -> int:
    """Print the table of what is measured in a way of its own."""
    try:
        print(measure())
    except (ServerError, LoadError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="workloads: put, range/100x1, …")
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"rounds of each server ({ROUNDS}, with --against {TURNS_ROUNDS})",
    )
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="compare with the working copy in DIR"
    )
    parser.add_argument(
        "--users",
        action="store_true",
        help="compare this working copy with itself: old without users, new with authentication on",
    )
    parser.add_argument(
        "--of", type=Path, metavar="DIR", default=HERE, help="instead of this working copy"
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="short rounds, small keyspaces")
    size.add_argument("--full", action="store_true", help="long rounds, a million keys too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    parser.add_argument("--list", action="store_true", help="say what workloads there are")
    parser.add_argument("--no-ceiling", action="store_true", help="leave out the generator's own")
    parser.add_argument(
        "--dir", type=Path, default=Path(), help="where data goes: a real disk (this directory)"
    )
    parser.add_argument("--tls", action="store_true", help="have clients connect over TLS")
    parser.add_argument(
        "--flag", action="append", default=[], help="one more flag for etcdpy, as --flag=--x=y"
    )
    options = parser.parse_args(arguments)
    if options.users and options.against is None:
        options.against = options.of
    if options.rounds is None:
        options.rounds = TURNS_ROUNDS if options.against else ROUNDS
    return options


def _scale(options: argparse.Namespace) -> Scale:
    if options.quick or options.full:
        return QUICK if options.quick else FULL
    return TURNS if options.against else NORMAL


def _programs(options: argparse.Namespace) -> list[Program]:
    """
    The two that are compared.

    Raises:
        ServerError: There is no such program, or a working copy has not all of its own.

    """
    if not options.against:
        return [etcd(), etcdpy(*options.flag, copy=options.of)]
    copies = {"old": options.against, "new": options.of}
    own, servers = _divide_cpus()
    programs = [
        replace(
            etcdpy(*options.flag, copy=copy),
            name=name,
            cpus=servers,
            has_users=options.users and name == "new",
        )
        for name, copy in copies.items()
    ]
    for program in programs:
        check_origin(program)
    os.sched_setaffinity(0, own)
    return programs


def _divide_cpus() -> tuple[set[int], frozenset[int]]:
    """
    Processors for the generator, and one for both servers: all for each if there is but one.

    How fast a processor of a virtual machine is depends on who else is on it. Two servers that
    take turns on the same one are slowed down alike.
    """
    everything = os.sched_getaffinity(0)
    if len(everything) == 1:
        return everything, frozenset()
    first = min(everything)
    return everything - {first}, frozenset([first])


def _run(
    selected: Sequence[Workload],
    programs: Sequence[Program],
    directory: Path,
    options: argparse.Namespace,
) -> bool:
    """Measure and print; false if a workload failed, which costs the others nothing."""
    facts = machine.facts(directory)
    facts |= {program.name: _description(program) for program in programs}
    print(report.facts_list(facts), end="\n\n", flush=True)
    if machine.filesystem(directory) in ("tmpfs", "ramfs"):
        print("WARNING: fsync costs nothing in memory; give --dir a real disk.\n")
    ceilings: dict[tuple[int, int], Sample] = {}
    if not (options.no_ceiling or options.against):
        ceilings = {shape: ceiling.measure(shape, 1.0) for shape in SHAPES}
        print("The load generator alone, against a server that does nothing:\n")
        print(report.ceiling_table(ceilings), end="\n\n", flush=True)
    results = []
    hold = contest_in_turns if options.against else contest
    for number, workload in enumerate(selected):
        try:
            measured = hold(workload, programs, directory / str(number), options.rounds)
        except (LoadError, ServerError, OSError) as error:
            print(f"{workload.name}: FAILED: {error}", file=sys.stderr, flush=True)
            continue
        results.append(report.Result(workload, measured, plain=bool(options.against)))
        _progress(results[-1])
    if not results:
        return False
    if options.against:
        print("The ratio is the new figure to the old one:\n")
    else:
        print("Above 1, the ratio says that etcdpy does better:\n")
    tables = [report.main_table, report.cpu_table, report.detail_table]
    print("\n\n".join(filter(None, (table(results) for table in tables))))
    if options.json:
        data = report.as_json(facts, ceilings, results)
        options.json.write_text(json.dumps(data, indent=1) + "\n")
    return len(results) == len(selected)


def _description(program: Program) -> str:
    if program.copy is None:
        return program.version()
    return f"{program.version()}, {program.copy}, commit {machine.commit(program.copy)}"


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
