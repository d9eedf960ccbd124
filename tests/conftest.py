"""Makes ``tests.support`` importable from every test, and has the store check itself."""

from __future__ import annotations

import os

import hypothesis
import pytest

from tests.support import seeds

# Its examples, too, are the same each time unless they are to be drawn.
hypothesis.settings.register_profile("etcdpy", derandomize=not seeds.is_drawn, deadline=None)
hypothesis.settings.load_profile("etcdpy")

# Of this process and of the servers that it starts: see ``etcdpy.mvcc.invariants``.
os.environ.setdefault("ETCDPY_VERIFY", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers a core, as half of a test's time is waiting for a server; four at most."""
    return min(4, 2 * (os.cpu_count() or 1))
