"""
Random writes and watches: watcher by watcher both servers tell the same.

``ETCDPY_SEED`` repeats a run, ``ETCDPY_WATCH_STEPS`` sets its length.
"""

from __future__ import annotations

import os
from random import Random

from tests.conformance.conftest import StartPair, steps_of
from tests.conformance.watch_scenario import Scenario
from tests.support.seeds import SEED

STEPS = int(os.environ.get("ETCDPY_WATCH_STEPS") or 800)

# Then a new scenario begins on the same servers.
STEPS_EACH = 200


def test_random_watches(start_pair: StartPair) -> None:
    with start_pair() as pair:
        for number in range(0, steps_of(pair, STEPS), STEPS_EACH):
            print(f"ETCDPY_SEED={SEED}, from step {number} on")
            scenario = Scenario(pair, Random(f"{SEED}/{number}"))
            try:
                scenario.run(STEPS_EACH)
            finally:
                scenario.close()
            assert scenario.events > 0
