"""
Random runs keep every promise to watchers, also over crashes.

``ETCDPY_WATCH_EVENTS`` sets how many events a run delivers, ``ETCDPY_SEED`` repeats one
as far as time allows. ``ETCDPY_WATCH_REFERENCE`` has it run against a real etcd of 3.6 or later,
as the checker's own proof.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.support.seeds import SEED
from tests.support.servers import etcdpy_server, reference_etcd
from tests.watch.run import Plan, Run, describe
from tests.watch.workload import FLAGS

EVENTS = int(os.environ.get("ETCDPY_WATCH_EVENTS") or 30_000)
IS_REFERENCE = "ETCDPY_WATCH_REFERENCE" in os.environ


@pytest.mark.parametrize("transport", ["native", "grpcio"])
async def test_a_random_run_keeps_all_promises(
    transport: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = Plan(EVENTS, SEED, crashes=2 + EVENTS // 50_000)
    if IS_REFERENCE:
        # etcd 3.5.1 does not pass: it tells of progress early.
        starting = reference_etcd(FLAGS)
    else:
        starting = etcdpy_server("grpcio" if transport == "grpcio" else "native", FLAGS)
    started = time.monotonic()
    with starting as server:
        run = Run(server, plan)
        await run.perform()
    seconds = time.monotonic() - started
    checked = run.check()
    with capsys.disabled():
        print(f"\n{describe(run, seconds)}")
    assert checked >= EVENTS
    assert run.crashes == plan.crashes
    # Nobody was left waiting.
    assert sum(log.is_open for log in run.logs) > plan.streams
