"""
The tree: what each operation does to it, and what it answers.

Knows no loop and no disk, and is told the time. Each operation that succeeds is a new index and
returns an event; one that fails raises a ``V2Error`` and has changed nothing. What has to be
written of it is in ``changes``, for whoever keeps the tree.
(etcd 3.5: ``server/etcdserver/api/v2store/store.go``)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from etcdpy.errors import V2Error
from etcdpy.v2 import codes
from etcdpy.v2.events import (
    COMPARE_AND_DELETE,
    COMPARE_AND_SWAP,
    CREATE,
    DELETE,
    EXPIRE,
    SET,
    UPDATE,
    Event,
    NodeView,
    view_of,
)
from etcdpy.v2.node import ROOT_ID, Node, child_path, parts_of
from etcdpy.v2.stats import Stats
from etcdpy.v2.ttl import Expiries

__all__ = ["FIRST_INDEX", "Changes", "Tree"]

#: Of a store that nobody has written to. In etcd the server itself has, by the time it serves.
FIRST_INDEX: Final = 3


@dataclass
class Changes:
    """
    What the disk does not know yet.

    Attributes:
        changed: Nodes that are new or others than before.
        removed: Nodes that are gone. A directory among them stands for all that was below it.

    """

    changed: list[Node] = field(default_factory=list)
    removed: list[Node] = field(default_factory=list)


class Tree:
    """
    All nodes.

    Paths are clean (``/a/b``, ``/`` for the root); times are nanoseconds since 1970.

    Attributes:
        index: Of the newest write.
        last_id: The highest id that a node was given.
        root: The directory of all.
        expiries: The nodes that have a time to live.
        stats: How often what was done.
        changes: What is new since whoever writes it down has emptied it.

    """

    def __init__(self, index: int = FIRST_INDEX, last_id: int = ROOT_ID) -> None:
        self.index = index
        self.last_id = last_id
        self.root = Node(ROOT_ID, ROOT_ID, "", None, 0, 0)
        self.expiries = Expiries()
        self.stats = Stats()
        self.changes = Changes()

    # -------------------------------------------------------------------- reading

    def find(self, path: str) -> Node:
        """
        Return a node, which is not to be changed.

        Raises:
            V2Error: 100 if it is not there, 104 if a key is in the way.

        """
        node, at = self.root, ""
        for part in parts_of(path):
            if node.children is None:
                raise V2Error(codes.NOT_DIRECTORY, at, self.index)
            at += f"/{part}"
            child = node.children.get(part)
            if child is None:
                raise V2Error(codes.KEY_NOT_FOUND, at, self.index)
            node = child
        return node

    def get(self, path: str) -> Node:
        """
        Return a node for a client, who is counted.

        Raises:
            V2Error: As ``find`` does.

        """
        try:
            node = self.find(path)
        except V2Error:
            self.stats.gets_fail += 1
            raise
        self.stats.gets_success += 1
        return node

    # -------------------------------------------------------------------- writing

    def set(
        self,
        path: str,
        value: str,
        *,
        directory: bool = False,
        expires: int | None = None,
        refresh: bool = False,
        now: int,
    ) -> Event:
        """
        Make a key, or put it in the place of one; or make a directory, in the place of a key.

        Args:
            path: Where.
            value: Of the key; a directory has none.
            directory: Whether to make a directory.
            expires: When it ends, None for never.
            refresh: Whether to keep the value that is there, and to tell no watcher.
            now: What time it is.

        Raises:
            V2Error: 102 if a directory is there, 104 if a key is in the way, 107 for the root;
                100 if what is to be refreshed is not there.

        """
        try:
            try:
                before: Node | None = self.find(path)
            except V2Error as error:
                if error.code != codes.KEY_NOT_FOUND or refresh:
                    raise
                before = None
            if before is not None:
                if path == "/":
                    raise self._root_is_read_only()
                if before.is_directory:
                    raise V2Error(codes.NOT_FILE, path, self.index)
                if refresh:
                    value = before.value
            event = self._make(
                SET, path, None if directory else value, before, expires, now, refresh=refresh
            )
        except V2Error:
            self.stats.sets_fail += 1
            raise
        self.stats.sets_success += 1
        return event

    def create(
        self,
        path: str,
        value: str,
        *,
        directory: bool = False,
        unique: bool = False,
        expires: int | None = None,
        now: int,
    ) -> Event:
        """
        Make a key or a directory where there is none.

        Args:
            path: Where; the directory to make it in, if it is to be ``unique``.
            value: Of the key.
            directory: Whether to make a directory.
            unique: Whether to name it by its index, so that names are in order.
            expires: When it ends, None for never.
            now: What time it is.

        Raises:
            V2Error: 105 if something is there, 104 if a key is in the way, 107 for the root.

        """
        if unique:
            path = child_path(path, f"{self.index + 1:020}")
        try:
            if path == "/":
                raise self._root_is_read_only()
            try:
                self.find(path)
            except V2Error as error:
                if error.code != codes.KEY_NOT_FOUND:
                    # etcd counts it for both.
                    self.stats.sets_fail += 1
                    raise
            else:
                raise V2Error(codes.NODE_EXISTS, path, self.index)
            event = self._make(CREATE, path, None if directory else value, None, expires, now)
        except V2Error:
            self.stats.create_fail += 1
            raise
        self.stats.create_success += 1
        return event

    def update(
        self,
        path: str,
        value: str,
        *,
        expires: int | None = None,
        refresh: bool = False,
        now: int,
    ) -> Event:
        """
        Change the value and the time to live of a key, or only the latter of a directory.

        Args:
            path: Where.
            value: The new one; ``""`` for a directory.
            expires: When it ends, None for never.
            refresh: Whether to keep the value, and to tell no watcher.
            now: What time it is.

        Raises:
            V2Error: 100 if it is not there, 102 if a directory is given a value, 104 if a key is
                in the way, 107 for the root.

        """
        try:
            if path == "/":
                raise self._root_is_read_only()
            node = self.find(path)
            if node.is_directory and value:
                raise V2Error(codes.NOT_FILE, path, self.index)
        except V2Error:
            self.stats.update_fail += 1
            raise
        self.stats.update_success += 1
        return self._change(UPDATE, node, path, value, expires, now, refresh=refresh)

    def compare_and_swap(
        self,
        path: str,
        value: str,
        *,
        prev_value: str = "",
        prev_index: int = 0,
        expires: int | None = None,
        refresh: bool = False,
        now: int,
    ) -> Event:
        """
        Change a key if it is as it is thought to be.

        Args:
            path: Where.
            value: The new one.
            prev_value: What its value has to be, ``""`` for anything.
            prev_index: What its ``modified`` has to be, 0 for anything.
            expires: When it ends, None for never.
            refresh: Whether to keep the value, and to tell no watcher.
            now: What time it is.

        Raises:
            V2Error: 101 if it is not, 100 if it is not there, 102 if it is a directory, 104 if a
                key is in the way, 107 for the root.

        """
        try:
            if path == "/":
                raise self._root_is_read_only()
            node = self._compared(path, prev_value, prev_index)
        except V2Error:
            self.stats.compare_and_swap_fail += 1
            raise
        self.stats.compare_and_swap_success += 1
        return self._change(COMPARE_AND_SWAP, node, path, value, expires, now, refresh=refresh)

    def delete(
        self, path: str, *, directory: bool = False, recursive: bool = False, now: int
    ) -> Event:
        """
        Remove a key, or a directory.

        Args:
            path: Where.
            directory: Whether it may be a directory, which has to be empty.
            recursive: Whether it may be a directory, whatever is below.
            now: What time it is.

        Raises:
            V2Error: 100 if it is not there, 102 if it is a directory and may be none, 108 if it is
                not empty and has to be, 104 if a key is in the way, 107 for the root.

        """
        try:
            if path == "/":
                raise self._root_is_read_only()
            node = self.find(path)
            if node.is_directory:
                if not directory and not recursive:
                    raise V2Error(codes.NOT_FILE, path, self.index)
                if node.children and not recursive:
                    raise V2Error(codes.DIRECTORY_NOT_EMPTY, path, self.index)
        except V2Error:
            self.stats.delete_fail += 1
            raise
        self.stats.delete_success += 1
        return self._remove(DELETE, node, path, now)

    def compare_and_delete(
        self, path: str, *, prev_value: str = "", prev_index: int = 0, now: int
    ) -> Event:
        """
        Remove a key if it is as it is thought to be.

        Raises:
            V2Error: As ``compare_and_swap`` does; 102 without a cause for the root.

        """
        try:
            if path == "/":
                raise V2Error(codes.NOT_FILE, "", self.index)
            node = self._compared(path, prev_value, prev_index)
        except V2Error:
            self.stats.compare_and_delete_fail += 1
            raise
        self.stats.compare_and_delete_success += 1
        return self._remove(COMPARE_AND_DELETE, node, path, now)

    def expire(self, now: int) -> Event | None:
        """Remove the node whose time to live ended first; None if there is none any more."""
        while (due := self.expiries.pop_due(now)) is not None:
            node, path = due
            # It may have gone with a directory, and there may be another one in its place.
            if self.root.find(parts_of(path)) is node:
                self.stats.expire_count += 1
                return self._remove(EXPIRE, node, path, now)
        return None

    # ------------------------------------------------------------------- restoring

    def restore(self, node: Node, parent: Node, path: str) -> None:
        """Put a node where it was in an earlier run; parents come first."""
        assert parent.children is not None
        parent.children[node.name] = node
        self.expiries.add(node, path)

    # --------------------------------------------------------------------- steps

    def _root_is_read_only(self) -> V2Error:
        return V2Error(codes.ROOT_READ_ONLY, "/", self.index)

    def _make(
        self,
        action: str,
        path: str,
        value: str | None,
        before: Node | None,
        expires: int | None,
        now: int,
        *,
        refresh: bool = False,
    ) -> Event:
        """Make a node, and the directories that it is in, where there is a key or nothing."""
        self.index = index = self.index + 1
        changed = self.changes.changed
        *directories, name = parts_of(path)
        parent = self.root
        for part in directories:
            assert parent.children is not None
            child = parent.children.get(part)
            if child is None:
                child = Node(self._next_id(), parent.node_id, part, None, index, index)
                parent.children[part] = child
                changed.append(child)
            parent = child
        assert parent.children is not None
        prev = None
        if before is not None:
            prev = view_of(before, path, now)
            self.expiries.forget(before)
        if before is not None and value is not None:
            # As it is replaced as a whole, the node itself can go on.
            node = before
            node.value, node.created, node.modified, node.expires = value, index, index, expires
        else:
            if before is not None:
                self.changes.removed.append(before)
            node_id = self._next_id()
            node = Node(node_id, parent.node_id, name, value, index, index, expires)
            parent.children[name] = node
        changed.append(node)
        self.expiries.add(node, path)
        return Event(action, view_of(node, path, now), prev, is_refresh=refresh)

    def _change(
        self,
        action: str,
        node: Node,
        path: str,
        value: str,
        expires: int | None,
        now: int,
        *,
        refresh: bool,
    ) -> Event:
        """Change a node, which keeps the index at which it was made."""
        self.index = index = self.index + 1
        prev = view_of(node, path, now)
        if not node.is_directory:
            if not refresh:
                node.value = value
            node.modified = index
        self.expiries.set(node, path, expires)
        self.changes.changed.append(node)
        shown = view_of(node, path, now)
        if node.is_directory:
            # The event has an index of its own, while the directory keeps that of before.
            shown = shown._replace(modified=index)
        return Event(action, shown, prev, is_refresh=refresh)

    def _compared(self, path: str, prev_value: str, prev_index: int) -> Node:
        node = self.find(path)
        if node.is_directory:
            raise V2Error(codes.NOT_FILE, path, self.index)
        wrong = []
        if prev_value not in ("", node.value):
            wrong.append(f"[{prev_value} != {node.value}]")
        if prev_index not in (0, node.modified):
            wrong.append(f"[{prev_index} != {node.modified}]")
        if wrong:
            raise V2Error(codes.TEST_FAILED, " ".join(wrong), self.index)
        return node

    def _remove(self, action: str, node: Node, path: str, now: int) -> Event:
        self.index = index = self.index + 1
        prev = view_of(node, path, now)
        *directories, name = parts_of(path)
        parent = self.root.find(directories)
        assert parent is not None
        assert parent.children is not None
        del parent.children[name]
        self.expiries.forget(node)
        self.changes.removed.append(node)
        is_directory = node.is_directory
        shown = NodeView(path, None, is_directory, None, 0, index, node.created)
        return Event(action, shown, prev, removed=node if is_directory else None)

    def _next_id(self) -> int:
        self.last_id += 1
        return self.last_id
