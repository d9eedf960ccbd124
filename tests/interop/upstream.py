"""Running the tests that a client's own authors wrote."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.interop.environment import outside

SUITE = Path(__file__).with_name("upstream_suite.py")
TIMEOUT = 240.0


def tell(python: Path, pattern: str, *modules: str, **variables: str) -> dict[str, str]:
    """
    Run modules of tests and return what became of each test: ``ok``, ``skipped: ...`` or why not.

    Args:
        python: That of the client's environment.
        pattern: What the names of tests have to match, such as ``^Class``.
        variables: Of the environment, from which the tests know where the server is.

    """
    command = [str(python), str(SUITE), pattern, *modules]
    done = subprocess.run(
        command, env=outside(variables), capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
