"""kill -9 of a process that does nothing but store."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from etcdpy.storage import Backend
from tests.crash.storing import SEGMENT_BYTES, row_key, value_of
from tests.support.seeds import SEED

ROUNDS = 10
#: Rows that are durable in each of them, however slow the machine.
LEAST = 20


@pytest.mark.parametrize("fsync", ["fsync", "no-fsync"])
def test_what_is_left_is_a_prefix_with_all_that_was_durable(tmp_path: Path, fsync: str) -> None:
    chance = random.Random(SEED)
    newest = 1
    for number in range(ROUNDS):
        durable = store_until_killed(tmp_path, newest + 1, fsync, chance.uniform(0, 0.15))
        left = newest_stored(tmp_path)
        assert left >= durable >= newest + LEAST, f"round {number}"
        newest = left


def store_until_killed(data_dir: Path, first: int, fsync: str, seconds: float) -> int:
    """Return the highest revision reported durable by a process that lived so long."""
    command = [sys.executable, "-m", "tests.crash.storing", str(data_dir), str(first), fsync]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reported = ""
        for reported in process.stdout:  # The time begins when it works.
            if int(reported) >= first + LEAST:
                break
        end = threading.Timer(seconds, process.kill)
        end.start()
        try:
            reported += process.stdout.read()
        finally:
            process.kill()
            end.cancel()
    return max(map(int, reported.split()))


def newest_stored(data_dir: Path) -> int:
    """Check every row and return the revision of the last; there may be no gap."""
    backend = Backend.open(data_dir, segment_bytes=SEGMENT_BYTES)
    revision = 1
    for revision, (key, value) in enumerate(backend.scan_rows(b""), 2):
        assert key == row_key(revision)
        assert value == value_of(revision)
    backend.close()
    return revision
