"""Counters have the names and the order of etcd's."""

from __future__ import annotations

from etcdpy.v2.stats import Stats


def test_counters_are_shown_in_etcds_order() -> None:
    assert list(Stats(gets_fail=3).shown().items()) == [
        ("getsSuccess", 0),
        ("getsFail", 3),
        ("setsSuccess", 0),
        ("setsFail", 0),
        ("deleteSuccess", 0),
        ("deleteFail", 0),
        ("updateSuccess", 0),
        ("updateFail", 0),
        ("createSuccess", 0),
        ("createFail", 0),
        ("compareAndSwapSuccess", 0),
        ("compareAndSwapFail", 0),
        ("compareAndDeleteSuccess", 0),
        ("compareAndDeleteFail", 0),
        ("expireCount", 0),
    ]
