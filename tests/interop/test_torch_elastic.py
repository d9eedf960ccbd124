"""
Two workers of PyTorch's meet over etcd's v2 API, by themselves and started by ``torchrun``.

``ETCDPY_TORCH=1`` runs it: PyTorch is 0.8 GB.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import reachable, start_v2
from tests.interop.environment import outside
from tests.interop.torch_environment import ENVIRONMENT

VARIABLE = "ETCDPY_TORCH"

SESSION = Path(__file__).with_name("torch_session.py")
JOB = Path(__file__).with_name("torch_job.py")
TIMEOUT = 180.0

pytestmark = [
    pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"{VARIABLE} is not set: it is 0.8 GB"),
    pytest.mark.timeout(1200),
    pytest.mark.parametrize("backend", ["etcd-v2", "etcd"]),
    pytest.mark.parametrize("kind", ["etcdpy", "etcd"]),
]


def test_two_workers_meet_and_reckon_together(kind: str, backend: str) -> None:
    with start_v2(kind, *reachable()) as server:
        told = _both(str(SESSION), backend, server.address)
    assert told == [[0, 2, "1 greets", 3, True], [1, 2, "0 greets", 3, True]]


def test_both_start_again_when_one_is_killed(kind: str, backend: str, tmp_path: Path) -> None:
    with start_v2(kind, *reachable()) as server:
        told = _both(
            *("-m", "torch.distributed.run", "--nnodes=2", "--nproc_per_node=1"),
            *("--max_restarts=3", "--rdzv_id=job", f"--rdzv_backend={backend}"),
            *(f"--rdzv_endpoint={server.address}", str(JOB), str(tmp_path / "mark")),
        )
    assert (tmp_path / "mark").exists()
    assert told == [[0, 2, 3], [1, 2, 3]]


def _both(*arguments: str) -> list[Any]:
    """Run the same command twice, side by side, and return what either prints, sorted."""
    command = [str(ENVIRONMENT.interpreter()), "-W", "ignore", *arguments]
    with ExitStack() as running:
        workers = [running.enter_context(_worker(command)) for _ in range(2)]
        try:
            outputs = [worker.communicate(timeout=TIMEOUT) for worker in workers]
        finally:
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)  # with those it has started
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    return sorted(json.loads(output) for output, _ in outputs)


def _worker(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        env=outside(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
