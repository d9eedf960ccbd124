"""Compacts the store when the policy says so, and tells of it in etcd's log lines."""

from __future__ import annotations

import logging
from collections.abc import Callable

from etcdpy.errors import CompactedError, EtcdError
from etcdpy.gostd.durations import go_duration
from etcdpy.mvcc.compaction import Compactor
from etcdpy.mvcc.store import Store
from etcdpy.node.alarms import Alarms
from etcdpy.node.autocompact import Policy

logger = logging.getLogger(__name__)


class AutoCompactor:
    """
    Asks the policy at every ``look``, and does what it says.

    Args:
        clock: Returns monotonic seconds.

    """

    def __init__(
        self,
        policy: Policy,
        store: Store,
        compactor: Compactor,
        alarms: Alarms,
        clock: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._store = store
        self._compactor = compactor
        self._alarms = alarms
        self._clock = clock

    async def look(self) -> None:
        """Compact if it is time to; a failure is logged, and tried again at the next look."""
        await self._store.idle()
        policy, began = self._policy, self._clock()
        revision = policy.look(self._store.durable_revision, began)
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
        now = self._clock()
        policy.succeeded(revision, now)
        logger.info(f"completed {kind}", fields | {"took": go_duration(now - began)})

    async def _compact(self, revision: int) -> None:
        self._alarms.check_write(grows=False)
        try:
            decided, _ = self._compactor.schedule(revision)
        except CompactedError:
            return  # somebody else was first
        await decided
