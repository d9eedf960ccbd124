"""Settings are etcd's flags by their names, and what tests want besides."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from etcdpy.testing.settings import Settings


def test_flags_have_the_values_that_python_has_for_them() -> None:
    settings = Settings.of(
        quota_backend_bytes=1 << 20,
        auto_compaction_mode="periodic",
        auto_compaction_retention=timedelta(hours=2),
        grpc_keepalive_min_time=3,
        pre_vote=True,
    )
    config = settings.config("/d", 1234)
    assert config.quota_backend_bytes == 1 << 20
    assert config.auto_compaction_retention == "7200.0s"
    assert config.grpc_keepalive_min_time == 3
    assert [str(url) for url in config.advertise_client_urls] == ["http://127.0.0.1:1234"]
    assert config.data_dir == "/d"


def test_nothing_is_synced_but_what_is_kept() -> None:
    assert Settings.of().config("/d", 1).unsafe_no_fsync
    assert not Settings.of(data_dir="/d").config("/d", 1).unsafe_no_fsync


def test_unknown_setting_is_called_that() -> None:
    with pytest.raises(TypeError, match="did you mean quota_backend_bytes"):
        Settings.of(quota_backend_bites=1)


def test_value_that_etcd_refuses_is_refused_in_its_words() -> None:
    with pytest.raises(ValueError, match="auto-compaction-mode"):
        Settings.of(auto_compaction_mode="sometimes")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"clock": "slow"}, "'running' or 'frozen'"),
        ({"auth": {"alice": "a"}}, "password for root"),
    ],
)
def test_what_tests_want_is_checked_too(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.of(**given)


def test_lists_are_joined_and_what_is_no_setting_refused() -> None:
    flags = Settings.of(
        initial_advertise_peer_urls=["http://a:1", "http://b:2"], log_outputs=Path("/x")
    ).flags
    assert flags["initial-advertise-peer-urls"] == "http://a:1,http://b:2"
    assert flags["log-outputs"] == "/x"
    with pytest.raises(TypeError, match="cannot be a setting"):
        Settings.of(name=object())


def test_hashing_is_cheap_unless_it_is_wanted_otherwise() -> None:
    assert Settings.of().config("/d", 1).bcrypt_cost == 4
    assert Settings.of(bcrypt_cost=5).config("/d", 1).bcrypt_cost == 5


@pytest.mark.parametrize("name", ["listen_client_urls", "transport", "config_file"])
def test_what_the_kit_decides_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a test's to set"):
        Settings.of(**{name: "http://127.0.0.1:1"})
