"""
Two workers of PyTorch's meet over etcd's v2 API, as those that ``torchrun`` starts do.

``ETCDPY_TORCH=1`` runs it: PyTorch is 0.8 GB.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.conftest import reachable, start_v2
from tests.interop.environment import outside
from tests.interop.torch_environment import ENVIRONMENT

VARIABLE = "ETCDPY_TORCH"

SESSION = Path(__file__).with_name("torch_session.py")
TIMEOUT = 120.0


@pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"{VARIABLE} is not set: it is 0.8 GB")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("backend", ["etcd-v2", "etcd"])
@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_two_workers_meet_and_reckon_together(kind: str, backend: str) -> None:
    command = [str(ENVIRONMENT.interpreter()), "-W", "ignore", str(SESSION), backend]
    with start_v2(kind, *reachable()) as server, ExitStack() as running:
        workers = [running.enter_context(_worker([*command, server.address])) for _ in range(2)]
        try:
            outputs = [worker.communicate(timeout=TIMEOUT) for worker in workers]
        finally:
            for worker in workers:
                worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    told = sorted(json.loads(output) for output, _ in outputs)
    assert told == [[0, 2, "1 greets", 3, True], [1, 2, "0 greets", 3, True]]


def _worker(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, env=outside(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
