"""
Which nodes end next.

Whoever changes a node's end pushes it again; the entry of before stays where it is, and counts for
nothing, as it does not name the node's end any more::

    push(a, 30)  push(b, 10)  push(b, 20)    heap  b@10 (stale)  b@20  a@30
"""

from __future__ import annotations

import heapq
from typing import Final, NamedTuple

from etcdpy.v2.node import Node

__all__ = ["Expiries"]

#: So many stale entries are always kept: fewer are not worth going through all.
_LEAST_STALE: Final = 64


class _Entry(NamedTuple):
    expires: int
    #: For an order among those that end together: the first pushed comes first.
    number: int
    node: Node
    path: str


class Expiries:
    """The nodes that have a time to live, the next to end first."""

    def __init__(self) -> None:
        self._heap: list[_Entry] = []
        self._number = 0
        #: How many nodes there are with a time to live.
        self._live = 0

    def __len__(self) -> int:
        return self._live

    def set(self, node: Node, path: str, expires: int | None) -> None:
        """Let a node end at another time, or (None) never."""
        before = node.expires
        node.expires = expires
        self._live += (expires is not None) - (before is not None)
        if expires is not None and expires != before:
            self._push(node, path, expires)

    def add(self, node: Node, path: str) -> None:
        """Take in a new node."""
        if node.expires is not None:
            self._live += 1
            self._push(node, path, node.expires)

    def forget(self, node: Node) -> None:
        """Let go of a node that was removed."""
        if node.expires is not None:
            node.expires = None
            self._live -= 1

    def next_due(self) -> int | None:
        """Return when the next node ends, in nanoseconds since 1970; None if none does."""
        self._drop_stale()
        return self._heap[0].expires if self._heap else None

    def pop_due(self, now: int) -> tuple[Node, str] | None:
        """
        Take out the node that ended first and return it with its path, None if none has ended.

        It may be one that was removed together with a directory and is not forgotten yet.
        """
        self._drop_stale()
        if not self._heap or self._heap[0].expires > now:
            return None
        entry = heapq.heappop(self._heap)
        return entry.node, entry.path

    def _push(self, node: Node, path: str, expires: int) -> None:
        self._number += 1
        heapq.heappush(self._heap, _Entry(expires, self._number, node, path))
        if len(self._heap) > 2 * self._live + _LEAST_STALE:
            self._heap = [entry for entry in self._heap if entry.node.expires == entry.expires]
            heapq.heapify(self._heap)

    def _drop_stale(self) -> None:
        heap = self._heap
        while heap and heap[0].node.expires != heap[0].expires:
            heapq.heappop(heap)
