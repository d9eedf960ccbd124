"""
Patroni has one of two PostgreSQL servers be the primary, over v2 and over the JSON gateway.

``ETCDPY_PATRONI=1`` runs it: it takes two minutes for each API, as a key has to expire.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.interop.conftest import reachable, start, start_v2
from tests.interop.patroni_nodes import TTL, two_nodes

VARIABLE = "ETCDPY_PATRONI"

#: What Patroni calls the APIs, and how to start a server that has them.
STARTS = {"etcd": start_v2, "etcd3": start}


@pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"{VARIABLE} is not set: it takes minutes")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["etcdpy", "etcd"])
@pytest.mark.parametrize("api", STARTS)
def test_standby_takes_over_when_the_primary_is_killed_and_not_when_etcd_is_restarted(
    api: str, kind: str
) -> None:
    with (
        STARTS[api](kind, *reachable()) as server,
        two_nodes({api: {"host": server.address}}) as (first, second),
    ):
        first.start()
        first.wait_until_primary()
        second.start()
        second.wait_until_standby()
        first.sql("CREATE TABLE words (word text); INSERT INTO words VALUES ('before')")

        server.restart()
        restarted = time.time()
        first.sql("INSERT INTO words VALUES ('meanwhile')")
        # Time for whatever has not survived to be missed.
        first.wait_until_seen_etcd(restarted + TTL)
        second.wait_until_seen_etcd(restarted + TTL)
        assert (first.state["role"], second.state["role"]) == ("primary", "replica")
        assert (first.state["timeline"], first.history()) == (1, [])

        second.wait_until_has(["before", "meanwhile"])
        first.kill()
        killed = time.monotonic()
        second.wait_until_primary()
        print(f"the standby took over after {time.monotonic() - killed:.1f} s")
        second.sql("INSERT INTO words VALUES ('then')")

        first.start()
        first.wait_until_standby()
        print(f"both were back after {time.monotonic() - killed:.1f} s")
        first.wait_until_has(["before", "meanwhile", "then"])
        assert (first.state["role"], second.state["role"]) == ("replica", "primary")
        assert first.state["timeline"] == 2
