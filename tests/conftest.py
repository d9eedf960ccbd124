"""Makes ``tests.support`` importable from every test, and has the store check itself."""

from __future__ import annotations

import os
import signal

import hypothesis
import pytest

from etcdpy.version import IS_COMPILED
from tests.support import seeds
from tests.support.compiled import skip_what_needs_python

if IS_COMPILED:
    from tests.support.compiled import monkeypatch_compiled as monkeypatch_compiled

# Its examples, too, are the same each time unless they are to be drawn. On a busy machine they, and
# the tables that those of text are drawn from, take longer than it thinks is right.
hypothesis.settings.register_profile(
    "etcdpy",
    derandomize=not seeds.is_drawn,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("etcdpy")

# A shell has what it runs in the background ignore SIGINT, and all that tests start would too.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Of this process and of the servers that it starts: see ``etcdpy.mvcc.invariants``.
os.environ.setdefault("ETCDPY_VERIFY", "1")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two workers a core, as half of a test's time is waiting for a server; four at most."""
    return min(4, 2 * (os.cpu_count() or 1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what compiled modules cannot be asked."""
    skip_what_needs_python(items)
