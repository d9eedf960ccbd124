"""Servers are lent to one test at a time, as new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etcdpy.testing.pool import MOST, Pool, settings_of


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool({"max_txn_ops": 5})
    yield pool
    pool.close()


def test_one_server_serves_tests_with_the_same_settings(pool: Pool) -> None:
    with pool.lent({}) as first:
        assert first.settings.flags == {"max-txn-ops": "5"}
        first.put("a", "1")
    with pool.lent({"clock": "frozen"}) as other, pool.lent({}) as again:
        assert again is first
        assert other is not first
        assert again.data == {}


def test_server_that_somebody_has_used_meanwhile_is_reset(pool: Pool) -> None:
    with pool.lent({}) as server:
        pass
    server.put("a", "1")
    with pool.lent({}) as again:
        assert (again is server, again.data) == (True, {})


def test_server_of_a_failed_test_is_not_lent_again(pool: Pool) -> None:
    with pytest.raises(ValueError, match="mistake"), pool.lent({}) as server:
        raise ValueError("mistake")
    with pool.lent({}) as other:
        assert other is not server


def test_those_that_were_not_used_for_longest_are_stopped(pool: Pool) -> None:
    servers = []
    for number in range(MOST + 1):
        with pool.lent({"max_txn_ops": number + 1}) as server:
            servers.append(server)
    with pytest.raises(RuntimeError, match="does not run"):
        servers[0].put("a", "1")
    servers[-1].put("a", "1")


def test_what_is_kept_or_has_a_port_is_nobody_else_s(pool: Pool, tmp_path: Path) -> None:
    with pool.lent({"data_dir": tmp_path / "d", "unsafe_no_fsync": True}) as server:
        server.put("a", "1")
    with pool.made({}) as made:
        assert made.data == {}
    with pool.lent({"data_dir": tmp_path / "d", "unsafe_no_fsync": True}) as again:
        assert again.data == {"a": "1"}


def test_settings_stand_in_an_ini_file() -> None:
    lines = ["clock = frozen", "tls=true", "max_txn_ops = 12", "auto_compaction_retention = 1h"]
    assert settings_of(lines) == {
        "clock": "frozen",
        "tls": True,
        "max_txn_ops": 12,
        "auto_compaction_retention": "1h",
    }
    with pytest.raises(ValueError, match="name = value"):
        settings_of(["frozen"])
