"""etcdctl prints, and exits with, the same against etcdpy as against a real etcd."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.interop.conftest import Pair
from tests.interop.etcdctl import Etcdctl, commands, reset
from tests.interop.etcdctl_commands import ANSWERED, REFUSED


@pytest.fixture
def revisions(pair: Pair) -> Mapping[str, int]:
    """Give both servers the same few keys, and return the revisions those were written at."""
    at, reference = reset(pair.etcdpy), reset(pair.etcd)
    assert at == reference, "the servers were not given the same writes"
    return at


@pytest.mark.parametrize("script", ANSWERED)
def test_etcdctl_prints_the_same(
    etcdctl: Etcdctl, pair: Pair, revisions: Mapping[str, int], script: str
) -> None:
    for command in commands(script, revisions):
        got = etcdctl.run(pair.etcdpy, command)
        assert got == etcdctl.run(pair.etcd, command)
        assert got.status == 0, got.stderr


@pytest.mark.parametrize("script", REFUSED)
def test_etcdctl_is_refused_in_the_same_words(
    etcdctl: Etcdctl, pair: Pair, revisions: Mapping[str, int], script: str
) -> None:
    *before, refused = commands(script, revisions)
    for command in before:
        assert etcdctl.run(pair.etcdpy, command) == etcdctl.run(pair.etcd, command)
    got = etcdctl.run(pair.etcdpy, refused)
    assert got == etcdctl.run(pair.etcd, refused)
    assert got.status == 1
    assert "Error: etcdserver: " in got.stderr
