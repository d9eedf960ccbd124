"""Sizes are written as go-humanize does, which etcd's logs and etcdutl's tables use."""

from __future__ import annotations

import pytest

from etcdpy.gostd.sizes import human_size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (9, "9 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9949, "9.9 kB"),
        (9950, "10 kB"),
        (12288, "12 kB"),
        (52060160, "52 MB"),
        (2_500_000_000, "2.5 GB"),
    ],
)
def test_sizes_are_rounded_as_etcdutl_rounds_them(size: int, text: str) -> None:
    assert human_size(size) == text
