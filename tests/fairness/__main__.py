"""
Run attacks, all unless some are named, on etcdpy and, where there is one, on a real etcd.

``python -m tests.fairness [--seconds 3] [--etcd PROGRAM] [NAME ...]``; the exit status is 1 if a
bystander of etcdpy's was not served well.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fairness.attacks import ATTACKS
from tests.fairness.contest import contest, flags
from tests.support.servers import etcd, etcdpy_server


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fairness")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ATTACKS))
    parser.add_argument("--seconds", type=float, default=3.0, help="of each attack")
    parser.add_argument("--settling", type=float, default=10.0, help="seconds after it")
    parser.add_argument("--etcd", type=Path, help="a real etcd to run them on as well")
    parser.add_argument("--only-etcd", action="store_true", help="... and on nothing else")
    asked = parser.parse_args()
    is_good = True
    for name in asked.names or ATTACKS:
        if not asked.only_etcd:
            server = etcdpy_server(args=flags(name))
            line = contest(name, server, asked.seconds, asked.settling)
            is_good = is_good and line.is_good
            print("etcdpy", line, flush=True)
        if asked.etcd is not None and _has(asked.etcd, ATTACKS[name].is_for):
            reference = etcd(asked.etcd, flags(name))
            print("etcd  ", contest(name, reference, asked.seconds, asked.settling), flush=True)
    return 0 if is_good else 1


def _has(program: Path, flag: str) -> bool:
    """Return whether an etcd knows a flag, as ``--help`` has it; ``""`` any knows."""
    said = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    return flag in said.stdout + said.stderr


if __name__ == "__main__":
    sys.exit(main())
