"""The table of settings: its defaults are etcd's, and so is what follows from others."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from etcdpy.config import SETTINGS, Config
from tests.unit.config.loading import loaded


def test_defaults_are_etcds() -> None:
    config = loaded()
    assert config.name == "default"
    assert [str(url) for url in config.listen_client_urls] == ["http://localhost:2379"]
    assert [str(url) for url in config.advertise_client_urls] == ["http://localhost:2379"]
    assert [str(url) for url in config.initial_advertise_peer_urls] == ["http://localhost:2380"]
    assert config.initial_cluster == "default=http://localhost:2380"
    assert config.initial_cluster_token == "etcd-cluster"
    assert config.initial_cluster_state == "new"
    assert config.max_request_bytes == 1572864
    assert config.max_txn_ops == 128
    assert config.max_concurrent_streams == 4294967295
    assert config.grpc_keepalive_min_time == 5
    assert config.grpc_keepalive_interval == 7200
    assert config.grpc_keepalive_timeout == 20
    assert config.quota_backend_bytes == 0
    assert config.log_level == "info"
    assert config.unsafe_no_fsync is False
    assert config.transport == "native"


def test_every_field_is_a_flag() -> None:
    config = Config()
    for flag, row in SETTINGS.items():
        assert getattr(config, flag.replace("-", "_")) == row.default


def test_settings_are_equal_by_what_they_say() -> None:
    one = Config(name="a", given=frozenset({"name"}))
    assert one == Config(name="a")
    assert hash(one) == hash(Config(name="a"))
    assert one != Config(name="b")
    assert one != Config(name="a", accepted={"max-wals": 3})
    assert one != "a"


def test_settings_are_changed_in_a_copy_alone() -> None:
    config = Config(name="a", accepted={"max-wals": 3})
    assert replace(config, name="b").accepted == {"max-wals": 3}
    with pytest.raises(FrozenInstanceError):
        config.name = "b"  # type: ignore[misc]
    assert config.name == "a"


def test_what_is_no_setting_is_refused() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        Config(nonsense=1)


def test_settings_share_nothing_that_can_be_changed() -> None:
    assert Config().accepted is not Config().accepted


@pytest.mark.parametrize(
    ("heartbeat", "election", "election_seconds", "shortest"),
    [(100, 1000, 1.0, 2), (500, 5000, 5.0, 8), (100, 500, 0.5, 1), (300, 1700, 1.5, 3)],
)
def test_what_follows_from_the_election_timeout(
    heartbeat: int, election: int, election_seconds: float, shortest: int
) -> None:
    config = Config(heartbeat_interval=heartbeat, election_timeout=election)
    assert config.election_seconds == election_seconds
    assert config.request_timeout == 5 + 2 * election_seconds
    assert config.min_lease_ttl == shortest


def test_message_has_half_a_megabyte_around_the_largest_request() -> None:
    assert Config(max_request_bytes=1000).max_message_bytes == 1000 + 512 * 1024


@pytest.mark.parametrize(
    ("asked", "interval"), [(0, 600), (-1, 600), (0.001, 0.1), (0.1, 0.1), (5, 5)]
)
def test_progress_is_told_of_no_more_often_than_ten_times_a_second(
    asked: float, interval: float
) -> None:
    assert Config(watch_progress_notify_interval=asked).progress_interval == interval


def test_slow_request_has_a_limit_always() -> None:
    assert Config(warning_unary_request_duration=0).slow_request_seconds == 0.3
    assert Config(warning_unary_request_duration=2).slow_request_seconds == 2
