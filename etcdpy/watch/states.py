"""
What can become of a watcher.

                    sync
        UNSYNCED ──────────▶ SYNCED        A new one is UNSYNCED. CANCEL leads to CANCELED
          │   ▲                │           from each of the three others.
          │   └────────────────┘
          │ compact   refuse
          ▼
        COMPACTED
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class IllegalMoveError(RuntimeError):
    """Something happened to a watcher that cannot in its state: a mistake of ours."""


class WatcherState(IntEnum):
    """
    Where a watcher gets its events from.

    SYNCED: From the hub, as changes become durable.
    UNSYNCED: From the history in the store, until it has read all of it.
    COMPACTED: From nowhere. Its history was compacted away, and its client was told so.
    CANCELED: From nowhere. Its client cancelled it, or has gone.
    """

    SYNCED = 0
    UNSYNCED = 1
    COMPACTED = 2
    CANCELED = 3


class WatcherInput(IntEnum):
    """
    What happens to a watcher.

    SYNC: It was sent everything that is durable.
    REFUSE: Its stream had no room for what became durable, or too much waited for its turn.
    COMPACT: What it was to read next has been compacted away.
    CANCEL: Its client wants no more of it.
    """

    SYNC = 0
    REFUSE = 1
    COMPACT = 2
    CANCEL = 3


WATCHER_MOVES: Final = {
    (WatcherState.UNSYNCED, WatcherInput.SYNC): WatcherState.SYNCED,
    (WatcherState.UNSYNCED, WatcherInput.COMPACT): WatcherState.COMPACTED,
    (WatcherState.UNSYNCED, WatcherInput.CANCEL): WatcherState.CANCELED,
    (WatcherState.SYNCED, WatcherInput.REFUSE): WatcherState.UNSYNCED,
    (WatcherState.SYNCED, WatcherInput.CANCEL): WatcherState.CANCELED,
    (WatcherState.COMPACTED, WatcherInput.CANCEL): WatcherState.CANCELED,
}
