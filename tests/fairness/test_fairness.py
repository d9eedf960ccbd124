"""
A few of the attacks, each for a second: whoever else is there goes on being served.

The bounds are those of a machine that does much else; ``make fairness`` has the others, all of the
attacks, and how a real etcd does. What it costs to be fair is counted in the tests of the parts.
"""

from __future__ import annotations

import pytest

from tests.fairness.contest import contest, flags
from tests.support.servers import etcdpy_server

#: Half a minute was the worst of any of these; a call beside them takes milliseconds, but for what
#: a busy machine does meanwhile.
WORST_MS = 10_000.0
GROWTH_MB = 256.0


@pytest.mark.parametrize(
    "name",
    [
        "undecodable_txns",
        "locks_of_one_name",
        "one_byte_data",
        "gzip_keepalives",
        "watches_of_nothing_in_the_past",
        "deep_json",
        "v2_spaces_in_types",
    ],
)
def test_everybody_else_is_served_beside(name: str) -> None:
    line = contest(name, etcdpy_server(args=flags(name)), 1.0, 0.0, aftermath=0.5)
    assert not line.failed, line
    assert line.wait <= WORST_MS, line
    assert line.growth <= GROWTH_MB, line


def test_forty_thousand_calls_sent_at_once_are_all_answered() -> None:
    name = "pipelined_puts"
    line = contest(name, etcdpy_server(args=flags(name)), 1.0, 0.0, aftermath=0.5)
    assert line.said.startswith("40000 answered"), line
