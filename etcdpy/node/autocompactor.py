"""Compacts the store when the policy says so, and tells of it in etcd's log lines."""

from __future__ import annotations

import logging
from typing import Final

from etcdpy.clock import Clock
from etcdpy.errors import CompactedError, EtcdError
from etcdpy.gostd.durations import go_duration
from etcdpy.mvcc.store import Store
from etcdpy.node.api import NodeApi
from etcdpy.node.autocompact import Policy, policy
from etcdpy.node.caller import Internal
from etcdpy.node.periodic import Periodic
from etcdpy.pb.rpc_pb2 import CompactionRequest

logger = logging.getLogger(__name__)

_SELF: Final = Internal("automatic compaction")


def keep_compacting(
    mode: str, retention: int, node: NodeApi, store: Store, clock: Clock
) -> Periodic:
    """
    Compact a store again and again, as a server's settings have it; whoever wants that closes it.

    Args:
        mode: ``periodic`` or ``revision``.
        retention: Nanoseconds, or revisions; above 0.
        node: Compacts, as for any caller.
        store: Knows the current revision.
        clock: When.

    """
    chosen = policy(mode, retention, store.durable_revision, clock.monotonic())
    return Periodic(chosen.interval, AutoCompactor(chosen, node, store, clock).tick, clock)


class AutoCompactor:
    """
    Asks the policy at every ``tick``, and does what it says.

    Args:
        policy: Says when, and where.
        node: Does it, as for any caller.
        store: Knows the current revision.

    """

    def __init__(self, policy: Policy, node: NodeApi, store: Store, clock: Clock) -> None:
        self._policy = policy
        self._node = node
        self._store = store
        self._clock = clock

    async def tick(self) -> None:
        """Compact if it is time to; a failure is logged, and tried again at the next tick."""
        policy, began = self._policy, self._clock.monotonic()
        revision = policy.tick(self._store.durable_revision, began)
        if revision is None:
            return
        kind = f"auto {policy.name} compaction"
        fields: dict[str, object] = {"revision": revision, **policy.fields}
        logger.info(f"starting {kind}", fields)
        try:
            await self._compact(revision)
        except EtcdError as error:
            fields["retry-interval"] = go_duration(policy.interval)
            logger.warning(f"failed {kind}", fields | {"error": str(error)})
            return
        now = self._clock.monotonic()
        policy.succeeded(revision, now)
        logger.info(f"completed {kind}", fields | {"took": go_duration(now - began)})

    async def _compact(self, revision: int) -> None:
        try:
            await self._node.compact(CompactionRequest(revision=revision), _SELF)
        except CompactedError:
            return  # somebody else was first
