"""The limit of open files is as high as it can be, and clients cannot have all of them."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from etcdpy.server import descriptors

NOFILE = resource.RLIMIT_NOFILE


@pytest.fixture
def hard() -> Iterator[int]:
    """The hard limit; afterwards both limits are as they were."""
    soft, hard = resource.getrlimit(NOFILE)
    yield hard
    resource.setrlimit(NOFILE, (soft, hard))


def test_the_soft_limit_becomes_the_hard_one(hard: int) -> None:
    resource.setrlimit(NOFILE, (200, hard))
    descriptors.raise_limit()
    assert resource.getrlimit(NOFILE) == (hard, hard)


def test_a_system_that_does_not_let_us_leaves_it(
    hard: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource.setrlimit(NOFILE, (200, hard))

    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    with monkeypatch.context() as patched:
        patched.setattr(resource, "setrlimit", refuse)
        descriptors.raise_limit()
    assert resource.getrlimit(NOFILE) == (200, hard)


def test_clients_have_what_the_reserve_leaves(hard: int) -> None:
    resource.setrlimit(NOFILE, (descriptors.RESERVED + 7, hard))
    assert descriptors.for_clients() == 7


def test_no_limit_is_none_for_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)
    assert descriptors.for_clients() is None


@pytest.mark.parametrize("limit", [100, descriptors.RESERVED])
def test_a_limit_without_room_for_clients_is_refused(hard: int, limit: int) -> None:
    resource.setrlimit(NOFILE, (limit, hard))
    with pytest.raises(descriptors.TooFewDescriptorsError, match="is too low") as refused:
        descriptors.for_clients()
    assert refused.value.fields == {"limit": limit, "recommended-limit": 150}
