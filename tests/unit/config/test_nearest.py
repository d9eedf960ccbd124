"""A name that there is not leads to one that there is."""

from __future__ import annotations

import pytest

from etcdpy.config import FLAGS
from etcdpy.config.nearest import nearest


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("listen-client-url", "listen-client-urls"),
        ("data_dir", "data-dir"),
        ("LOG-LEVEL", "log-level"),
        ("advertise-clint-urls", "advertise-client-urls"),
        ("bogus", None),
        ("x", None),
    ],
)
def test_nearest_flag_is_found_if_one_is_near(given: str, meant: str | None) -> None:
    assert nearest(given, FLAGS) == meant
