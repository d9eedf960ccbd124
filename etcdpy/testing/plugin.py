"""
etcd for pytest: fixtures ``etcd``, ``etcd_session`` and ``etcd_factory``, and the mark ``etcd``.

A suite that asks for none of them pays for reading this file alone: the server is imported by the
first fixture that is asked for. Servers are kept for the session and reset between tests, one for
each set of settings.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from etcdpy.testing.etcd import Etcd
    from etcdpy.testing.pool import Pool

__all__ = ["etcd", "etcd_factory", "etcd_session"]

_USED = pytest.StashKey[list[Any]]()


class _AsTheyAre(MetaPathFinder):
    """
    Has the modules of the server imported as Python does it.

    pytest takes whatever is installed together with a plugin for helpers of tests, and rewrites
    their assertions. For a server that takes a second of the first session, and of each one
    where Python writes no bytecode.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module is imported that is ours; of others it knows nothing."""
        if not fullname.startswith("etcdpy."):
            return None
        return PathFinder.find_spec(fullname, path, target)


# As soon as this is loaded: a conftest may import what a hook would be too late for.
sys.meta_path.insert(0, _AsTheyAre())


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let settings be given to all tests."""
    about = "settings of the etcd that tests get, one a line: name = value"
    parser.addini("etcd", about, type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers",
        "etcd(**settings): settings of the test's etcd, such as clock='frozen' or tls=True; any "
        "flag of etcd's by its name with underscores",
    )


@pytest.fixture(scope="session")
def _etcd_pool(pytestconfig: pytest.Config) -> Iterator[Pool]:
    from etcdpy.testing.garbage import garbage_kept

    with garbage_kept():
        from etcdpy.testing.pool import Pool, settings_of

    pool = Pool(settings_of(pytestconfig.getini("etcd")))
    yield pool
    pool.close()


@pytest.fixture
def etcd(request: pytest.FixtureRequest, _etcd_pool: Pool) -> Iterator[Etcd]:
    """
    An etcd that is the test's alone: empty, at revision 1, without anything of a test before.

    ``@pytest.mark.etcd(...)`` gives it settings, as the ini option ``etcd`` does for all tests.
    """
    settings: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("etcd"))):
        settings.update(mark.kwargs)
    with _etcd_pool.lent(settings) as server:
        _note_use(request, server)
        yield server


@pytest.fixture(scope="session")
def etcd_session(_etcd_pool: Pool) -> Iterator[Etcd]:
    """One etcd for the session, of each worker of xdist its own. Nobody resets it."""
    with _etcd_pool.made({}) as server:
        yield server


@pytest.fixture
def etcd_factory(request: pytest.FixtureRequest, _etcd_pool: Pool) -> Iterator[Callable[..., Etcd]]:
    """Makes as many as are wanted: ``etcd_factory(**settings)``. They end with the test."""
    from contextlib import ExitStack

    with ExitStack() as made:

        def make(**settings: Any) -> Etcd:
            server: Etcd = made.enter_context(_etcd_pool.made(settings))
            _note_use(request, server)
            return server

        yield make


def _note_use(request: pytest.FixtureRequest, server: Etcd) -> None:
    request.node.stash.setdefault(_USED, []).append(server)


# The old way: whatever pytest there is loads this file, though it may have no use for it.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add to the report of a test that has failed what its etcd has seen."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    used = item.stash.get(_USED, None)
    if used and report.failed and report.when == "call":
        from etcdpy.testing.report import sections

        for server in used:
            report.sections += sections(server)
