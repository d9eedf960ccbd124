"""
The attacker's process.

``python -m tests.fairness.attacker NAME HOST:PORT SECONDS`` prepares, prints ``ready``, waits for
a line, attacks for so many seconds, and ends; what it prints then is added to its line.
"""

from __future__ import annotations

import resource
import sys

from tests.fairness.attacks import ATTACKS
from tests.fairness.papers import client_context
from tests.fairness.wire import Crowd


def main(name: str, address: str, seconds: float) -> None:
    """Attack."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    attack = ATTACKS[name]
    crowd = Crowd(address, 600.0, client_context() if attack.is_secure else None)
    if attack.prepare is not None:
        attack.prepare(crowd)
    print("ready", flush=True)
    sys.stdin.readline()
    crowd.restart(seconds)
    attack.run(crowd)
    print(" ".join([f"{crowd.ended} answered, {len(crowd.pipes)} open", *crowd.notes]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
