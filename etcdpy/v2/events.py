"""
What a write has done, as clients are told: an event, and the nodes that it shows.

The line of an event is made once, for the client that wrote, for all who watch and for the disk::

    {"action":"set","node":{"key":"/a","value":"1","modifiedIndex":5,"createdIndex":5},
     "prevNode":{"key":"/a","value":"0","modifiedIndex":4,"createdIndex":4}}

(etcd 3.5: ``server/etcdserver/api/v2store/event.go``, ``node_extern.go``)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

from etcdpy.v2.gojson import quote, timestamp
from etcdpy.v2.node import Node, child_path

__all__ = [
    "COMPARE_AND_DELETE",
    "COMPARE_AND_SWAP",
    "CREATE",
    "DELETE",
    "EXPIRE",
    "SECOND",
    "SET",
    "UPDATE",
    "Event",
    "NodeView",
    "line_of",
    "listing",
    "seconds_left",
    "view_of",
]

SET: Final = "set"
CREATE: Final = "create"
UPDATE: Final = "update"
COMPARE_AND_SWAP: Final = "compareAndSwap"
DELETE: Final = "delete"
COMPARE_AND_DELETE: Final = "compareAndDelete"
EXPIRE: Final = "expire"

#: In nanoseconds.
SECOND: Final = 1_000_000_000

#: Nodes of a listing in one piece.
PIECE_NODES: Final = 256


class NodeView(NamedTuple):
    """
    A node as it was when something happened to it.

    Attributes:
        key: Its path.
        value: Of a key; None of a directory, and of what was just removed.
        is_directory: Whether it is one.
        expires: When it ends, in nanoseconds since 1970; None for never.
        ttl: Seconds that were left then, rounded up; 0 for none.
        modified: The index of its last change.
        created: The index at which it was made.

    """

    key: str
    value: str | None
    is_directory: bool
    expires: int | None
    ttl: int
    modified: int
    created: int

    def json(self) -> str:
        """Return it as an object of JSON."""
        key, value, is_directory, expires, ttl, modified, created = self
        shown = f'{{"key":{quote(key)}'
        if value is not None:
            shown += f',"value":{quote(value)}'
        if is_directory:
            shown += ',"dir":true'
        if expires is not None:
            shown += f',"expiration":"{timestamp(expires)}"'
            if ttl:
                shown += f',"ttl":{ttl}'
        return f'{shown},"modifiedIndex":{modified},"createdIndex":{created}}}'


class Event:
    """
    A write that was done.

    Args:
        action: What it was, such as ``set``.
        node: The node, as it is since.
        prev: As it was before, None if it was not there.
        is_refresh: Whether it is only in the history, and no watcher hears of it.
        removed: The directory that was removed with all below, None for any other write.

    Attributes:
        index: The index of the write.
        key: The path of the node.
        removes_directory: Whether a directory was removed, by a delete or by its time to live.

    """

    __slots__ = (
        "_line",
        "_node",
        "_prev",
        "action",
        "index",
        "is_refresh",
        "key",
        "removed",
        "removes_directory",
    )

    def __init__(
        self,
        action: str,
        node: NodeView,
        prev: NodeView | None,
        *,
        is_refresh: bool = False,
        removed: Node | None = None,
    ) -> None:
        self.action = action
        self.index = node.modified
        self.key = node.key
        self.is_refresh = is_refresh
        self.removes_directory = removed is not None
        self.removed = removed
        self._node: NodeView | None = node
        self._prev = prev
        self._line: bytes | None = None

    @classmethod
    def restored(
        cls,
        action: str,
        index: int,
        key: str,
        line: bytes,
        *,
        is_refresh: bool,
        removes_directory: bool,
    ) -> Event:
        """Return an event of an earlier run, of which there is only what was kept."""
        event = cls.__new__(cls)
        event.action = action
        event.index = index
        event.key = key
        event.is_refresh = is_refresh
        event.removes_directory = removes_directory
        event.removed = None
        event._node = event._prev = None
        event._line = line
        return event

    @property
    def line(self) -> bytes:
        """The event as JSON, with the end of a line."""
        line = self._line
        if line is None:
            assert self._node is not None
            shown = f'{{"action":"{self.action}","node":{self._node.json()}'
            if self._prev is not None:
                shown += f',"prevNode":{self._prev.json()}'
            line = self._line = f"{shown}}}\n".encode()
        return line

    @property
    def node(self) -> NodeView:
        """The node, as it is since; of an earlier run what its JSON says of it."""
        if self._node is None:
            self._parse()
        assert self._node is not None
        return self._node

    @property
    def prev(self) -> NodeView | None:
        """The node as it was before, None if it was not there."""
        if self._node is None:
            self._parse()
        return self._prev

    @property
    def is_created(self) -> bool:
        """Whether it made a node where there was none. (etcd: ``Event.IsCreated``)"""
        return self.action == CREATE or (self.action == SET and self.prev is None)

    def _parse(self) -> None:
        shown = json.loads(self.line)
        self._node = _parsed(shown["node"])
        before = shown.get("prevNode")
        self._prev = None if before is None else _parsed(before)

    def __repr__(self) -> str:
        return f"<Event {self.line.decode().rstrip()}>"


def _parsed(shown: dict[str, Any]) -> NodeView:
    expires = None
    if "expiration" in shown:
        moment, _, fraction = shown["expiration"].rstrip("Z").partition(".")
        whole = datetime.fromisoformat(moment).replace(tzinfo=timezone.utc).timestamp()
        expires = int(whole) * SECOND + int(fraction.ljust(9, "0"))
    return NodeView(
        shown["key"],
        shown.get("value"),
        shown.get("dir", False),
        expires,
        shown.get("ttl", 0),
        shown["modifiedIndex"],
        shown["createdIndex"],
    )


def seconds_left(expires: int, now: int) -> int:
    """Return whole seconds, rounded up, from now until a node ends; both in nanoseconds."""
    return -((now - expires) // SECOND)


def view_of(node: Node, path: str, now: int) -> NodeView:
    """Return a node as it is, without what is below it."""
    expires = node.expires
    is_directory = node.children is not None
    return NodeView(
        path,
        None if is_directory else node.value,
        is_directory,
        expires,
        0 if expires is None else seconds_left(expires, now),
        node.modified,
        node.created,
    )


def listing(node: Node, path: str, now: int, *, recursive: bool) -> Iterator[bytes]:
    """
    Yield what a read of a node says, in pieces: the node, its children, and all below if asked.

    Hidden nodes are left out but where one is asked for itself. Children are in order. While the
    pieces are made, nothing may be written.

    Args:
        node: What was found.
        path: Where.
        now: Nanoseconds since 1970.
        recursive: Whether to go on below the children.

    """
    out = ['{"action":"get","node":']
    if node.children is None:
        out.append(view_of(node, path, now).json())
    else:
        # No recursion of Python's: there may be more levels than it has.
        open_lists: list[tuple[Iterator[Node], str, str]] = []
        _begin(out, open_lists, node, path, now)
        made = 0
        while open_lists:
            children, directory, end = open_lists[-1]
            child = next(children, None)
            if child is None:
                open_lists.pop()
                out.append(end)
                continue
            if out[-1] != "[":
                out.append(",")
            below = child_path(directory, child.name)
            if child.children is None or not recursive:
                out.append(view_of(child, below, now).json())
            else:
                _begin(out, open_lists, child, below, now)
            made += 1
            if made == PIECE_NODES:
                yield "".join(out[:-1]).encode()
                out, made = out[-1:], 0
    out.append("}\n")
    yield "".join(out).encode()


def line_of(node: Node, path: str) -> bytes:
    """Return what ``listing`` yields for a key without a time to live, quickly."""
    return (
        f'{{"action":"get","node":{{"key":{quote(path)},"value":{quote(node.value)},'
        f'"modifiedIndex":{node.modified},"createdIndex":{node.created}}}}}\n'
    ).encode()


def _begin(
    out: list[str],
    open_lists: list[tuple[Iterator[Node], str, str]],
    node: Node,
    path: str,
    now: int,
) -> None:
    """Write a directory as far as its children, which come next."""
    # The root has neither key nor indexes.
    head = '{"dir":true}' if path == "/" else view_of(node, path, now).json()
    children = node.listed()
    if not children:
        out.append(head)
        return
    # "nodes" comes behind the time to live, and before the indexes.
    at = head.rfind(',"modifiedIndex"') if path != "/" else len(head) - 1
    out.append(f'{head[:at]},"nodes":')
    out.append("[")
    open_lists.append((iter(children), path, f"]{head[at:]}"))
