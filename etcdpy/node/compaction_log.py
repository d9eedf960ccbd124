"""What the log says of each compaction, in etcd's line."""

from __future__ import annotations

import logging
from collections.abc import Callable

from etcdpy.clock import Clock
from etcdpy.gostd.durations import go_duration
from etcdpy.gostd.sizes import human_size
from etcdpy.mvcc.hashing import KeyHash
from etcdpy.node.compactor import Ended
from etcdpy.node.parts import Database

__all__ = ["compaction_logger"]

logger = logging.getLogger(__name__)


def compaction_logger(database: Database, clock: Clock) -> Callable[[int], Ended]:
    """
    Return what a compactor calls when it begins, so that the log has its end.

    (etcd: ``mvcc/kvstore_compaction.go``, scheduleCompaction)
    """

    def began(revision: int) -> Ended:
        at = clock.monotonic()

        def ended(dropped: int, found: KeyHash | None) -> None:
            size, in_use = database.size(), database.size_in_use()
            fields: dict[str, object] = {
                "compact-revision": revision,
                "took": go_duration(clock.monotonic() - at),
                "number-of-keys-compacted": dropped,
                **({} if found is None else {"hash": found.hash}),
                "current-db-size-bytes": size,
                "current-db-size": human_size(size),
                "current-db-size-in-use-bytes": in_use,
                "current-db-size-in-use": human_size(in_use),
            }
            logger.info("finished scheduled compaction", fields)

        return ended

    return began
