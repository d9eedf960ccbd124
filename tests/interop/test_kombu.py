"""kombu, which Celery's messages go through, carries them over etcd's v2 API."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.interop.conftest import reachable, start_v2
from tests.interop.environment import outside
from tests.interop.v2_environment import ENVIRONMENT

SESSION = Path(__file__).with_name("kombu_session.py")
TIMEOUT = 60.0


@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
def test_each_message_comes_once(kind: str) -> None:
    python = ENVIRONMENT.interpreter()
    with start_v2(kind, *reachable()) as server:
        done = subprocess.run(
            [str(python), "-W", "ignore", str(SESSION), server.address],
            env=outside(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    assert done.returncode == 0, done.stderr
    received, left = json.loads(done.stdout)
    # In which order is as etcd happens to list them.
    assert (sorted(received), left) == (list(range(20)), 0)
