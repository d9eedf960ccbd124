"""Servers for the comparison, shared by as many tests as can share them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.conformance.pair import Pair
from tests.conformance.peers import Peer
from tests.conformance.pending import PENDING
from tests.conformance.store import Store
from tests.support import servers

# Compares this etcd instead of etcdpy with the reference: the suite's own proof.
SUBJECT_VARIABLE = "ETCDPY_CONFORMANCE_SUBJECT"

# The reference keeps nothing that a test needs after a crash of the machine.
REFERENCE_ARGS = ("--unsafe-no-fsync",)

SUBJECTS = ("etcd",) if SUBJECT_VARIABLE in os.environ else ("native", "grpcio")

StartPair: TypeAlias = Callable[..., AbstractContextManager[Pair]]


def is_served(method: str) -> bool:
    """Whether the server under test has a method, such as "KV/Range"."""
    return SUBJECTS == ("etcd",) or method not in PENDING


@pytest.fixture(scope="session", params=SUBJECTS)
def start_pair(request: pytest.FixtureRequest) -> StartPair:
    """Start a pair of servers on empty data directories, with extra arguments for both."""

    @contextmanager
    def start(args: Sequence[str] = ()) -> Iterator[Pair]:
        with ExitStack() as stack:
            reference = stack.enter_context(servers.reference_etcd([*REFERENCE_ARGS, *args]))
            subject = stack.enter_context(subject_server(request.param, args))
            pair = Pair(subject, reference, request.param)
            stack.callback(pair.close)
            yield pair

    return start


def steps_of(pair: Pair, count: int) -> int:
    """
    Return how many of ``count`` random steps are made with a pair.

    Behind grpcio is the same node, of which the steps with its own transport have told: a third
    of them meet every method and every error.
    """
    return count // 3 if pair.kind == "grpcio" else count


def subject_server(kind: str, args: Sequence[str]) -> AbstractContextManager[servers.Server]:
    """Run what is under test, one of ``SUBJECTS``, until the block ends."""
    if kind == "etcd":
        return servers.etcd(Path(os.environ[SUBJECT_VARIABLE]), [*REFERENCE_ARGS, *args])
    return servers.etcdpy_server("grpcio" if kind == "grpcio" else "native", args)


@pytest.fixture(scope="session")
def shared_pair(start_pair: StartPair) -> Iterator[Pair]:
    with start_pair() as pair:
        yield pair


@pytest.fixture
def store(shared_pair: Pair) -> Store:
    """The state of ``Store``, on servers that other tests used before."""
    shared_pair.settle()
    return Store(shared_pair)


@pytest.fixture
def fresh(start_pair: StartPair) -> Iterator[Pair]:
    """Two servers that have just been started for the first time."""
    with start_pair() as pair:
        yield pair


@pytest.fixture(scope="module")
def etcdpy() -> Iterator[Peer]:
    """An etcdpy without a reference, for the tests of one module."""
    if SUBJECT_VARIABLE in os.environ:
        pytest.skip(f"{SUBJECT_VARIABLE} takes the place of etcdpy")
    with servers.etcdpy_server() as server:
        peer = Peer(server.address)
        yield peer
        peer.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a service that is not served yet."""
    for item in items:
        for marker in item.iter_markers("needs"):
            if not is_served(marker.args[0]):
                item.add_marker(pytest.mark.skip(reason=PENDING[marker.args[0]]))
