"""The table of names."""

from __future__ import annotations

import re

from etcdpy.metrics.names import ALWAYS_ZERO, EMPTY_HISTOGRAMS, FAMILIES


def test_every_name_is_one_of_prometheus() -> None:
    assert [name for name in FAMILIES if not re.fullmatch("[a-z][a-z0-9_]*", name)] == []


def test_kinds_are_those_of_the_format() -> None:
    assert {family.kind for family in FAMILIES.values()} == {"counter", "gauge", "histogram"}


def test_what_is_always_zero_is_in_the_table() -> None:
    assert set(ALWAYS_ZERO) <= FAMILIES.keys()
    assert {FAMILIES[name].kind for name in EMPTY_HISTOGRAMS} == {"histogram"}
    assert not {FAMILIES[name].kind for name in ALWAYS_ZERO} & {"histogram"}
