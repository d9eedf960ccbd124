"""
Which intervals hold a point.

A treap ordered by where intervals start, then stop; each node also knows how far the intervals
below it reach, so a search leaves out whole branches that end too early: finding the *m*
intervals that hold a point takes O(log n + m) steps.

            [d, h) reach z
           /              \\
    [b, z) reach z     [k, m) reach p
                              \\
                            [l, p) reach p
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class _End:
    """A stop above every key."""

    def __gt__(self, other: object) -> bool:
        return not isinstance(other, _End)

    def __lt__(self, other: object) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _End)

    def __hash__(self) -> int:
        return 0


_END = _End()


class _Node(Generic[T]):
    __slots__ = ("left", "order", "priority", "reach", "right", "start", "stop", "values")

    def __init__(self, start: bytes, stop: bytes | _End, priority: float) -> None:
        self.start = start
        self.stop = stop
        self.order = (start, stop)
        self.reach = stop
        self.priority = priority
        self.values: dict[T, None] = {}
        self.left: _Node[T] | None = None
        self.right: _Node[T] | None = None

    def update(self) -> None:
        """Recompute how far this branch reaches."""
        reach = self.stop
        for child in (self.left, self.right):
            if child is not None and child.reach > reach:
                reach = child.reach
        self.reach = reach


class Intervals(Generic[T]):
    """Values filed under half-open intervals [start, stop) of keys; stop None has no end."""

    def __init__(self) -> None:
        self._root: _Node[T] | None = None
        self._nodes: dict[tuple[bytes, bytes | None], _Node[T]] = {}
        # Only the shape of the tree depends on it; a fixed seed makes runs repeatable.
        self._random = Random(0)  # noqa: S311

    def __bool__(self) -> bool:
        """Tell whether there is any interval."""
        return self._root is not None

    def add(self, start: bytes, stop: bytes | None, value: T) -> None:
        """File ``value`` under an interval."""
        node = self._nodes.get((start, stop))
        if node is None:
            node = _Node(start, _END if stop is None else stop, self._random.random())
            self._nodes[start, stop] = node
            lower, upper = _split(self._root, node)
            self._root = _join(_join(lower, node), upper)
        node.values[value] = None

    def remove(self, start: bytes, stop: bytes | None, value: T) -> None:
        """Take ``value``, which is filed under that interval, out."""
        node = self._nodes[start, stop]
        del node.values[value]
        if not node.values:
            del self._nodes[start, stop]
            self._root = _without(self._root, node)

    def groups(self, point: bytes) -> Iterator[dict[T, None]]:
        """Iterate over what is filed under each interval that holds ``point``."""
        branches = [self._root]
        while branches:
            node = branches.pop()
            if node is None or not node.reach > point:
                continue
            branches.append(node.left)
            if node.start <= point:
                branches.append(node.right)
                if node.stop > point:
                    yield node.values


def _split(root: _Node[T] | None, at: _Node[T]) -> tuple[_Node[T] | None, _Node[T] | None]:
    """Return the nodes that come before ``at``, and the others."""
    if root is None:
        return None, None
    if root.order < at.order:
        root.right, after = _split(root.right, at)
        root.update()
        return root, after
    before, root.left = _split(root.left, at)
    root.update()
    return before, root


def _join(before: _Node[T] | None, after: _Node[T] | None) -> _Node[T] | None:
    """Return one tree of two, all of whose nodes are in this order."""
    if before is None:
        return after
    if after is None:
        return before
    if before.priority < after.priority:
        before.right = _join(before.right, after)
        before.update()
        return before
    after.left = _join(before, after.left)
    after.update()
    return after


def _without(root: _Node[T] | None, node: _Node[T]) -> _Node[T] | None:
    """Return the tree without one of its nodes."""
    assert root is not None
    if root is node:
        return _join(root.left, root.right)
    if node.order < root.order:
        root.left = _without(root.left, node)
    else:
        root.right = _without(root.right, node)
    root.update()
    return root
