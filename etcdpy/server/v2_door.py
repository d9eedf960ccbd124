"""Putting v2 together: what answers below ``/v2`` and ``/mod``, with ``--enable-v2``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etcdpy.concurrency.v2_locks import V2Locks
from etcdpy.http.v2 import leader, lock
from etcdpy.http.v2.authentication import RootOnly, auth_endpoints
from etcdpy.http.v2.keys import Keys
from etcdpy.http.v2.machines import machines_endpoint
from etcdpy.http.v2.members import Members
from etcdpy.http.v2.stats import stats_endpoints
from etcdpy.node.node import Node
from etcdpy.transport import HttpHandler

__all__ = ["V2Door", "open_v2"]


@dataclass(frozen=True)
class V2Door:
    """
    Who answers requests of v2.

    Attributes:
        paths: Handlers of single paths.
        trees: Handlers of all paths that begin in a way.

    """

    paths: Mapping[str, HttpHandler]
    trees: Mapping[str, HttpHandler]


def open_v2(node: Node, locks: V2Locks | None = None) -> V2Door:
    """
    Return what answers requests of v2 about a node: of root, where callers are asked.

    Args:
        node: What is asked.
        locks: What its modules are about, if they are served.

    """
    table = {
        **Members(node).endpoint(),
        **machines_endpoint(node),
        **stats_endpoints(node),
        **auth_endpoints(node),
    }
    v2 = node.parts.v2
    if v2 is not None:
        table.update(Keys(node, v2).endpoint())
    if locks is not None:
        table[lock.PREFIX] = lock.LockModule(locks)
        table[leader.PREFIX] = leader.LeaderModule(locks)
    served = RootOnly(node).guarded(table)
    return V2Door(
        {path: handler for path, handler in served.items() if not path.endswith("/")},
        {path: handler for path, handler in served.items() if path.endswith("/")},
    )
