"""
The nodes of the tree: keys, and directories of nodes.

A node knows its name and not its path, which whoever comes to it has walked; so a path of many
parts costs memory once for each part, and nothing points upwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

__all__ = ["ROOT_ID", "Node", "child_path", "parts_of"]

#: The id of the root, which no row is written of.
ROOT_ID: Final = 0


class Node:
    """
    A key or a directory.

    Attributes:
        node_id: Unique in the store, and larger than that of the directory that it is in.
        parent_id: Of that directory; the root's own.
        name: The last part of its path.
        value: Of a key; ``""`` for a directory.
        children: Of a directory, by name; None for a key.
        created: The index of the write that made it.
        modified: The index of the write that changed it last.
        expires: When its time to live ends, in nanoseconds since 1970; None for never.

    """

    __slots__ = (
        "children",
        "created",
        "expires",
        "modified",
        "name",
        "node_id",
        "parent_id",
        "value",
    )

    def __init__(
        self,
        node_id: int,
        parent_id: int,
        name: str,
        value: str | None,
        created: int,
        modified: int,
        expires: int | None = None,
    ) -> None:
        self.node_id = node_id
        self.parent_id = parent_id
        self.name = name
        self.value = value or ""
        #: No value makes a directory.
        self.children: dict[str, Node] | None = {} if value is None else None
        self.created = created
        self.modified = modified
        self.expires = expires

    @property
    def is_directory(self) -> bool:
        """Whether it holds nodes and has no value."""
        return self.children is not None

    def listed(self) -> list[Node]:
        """Return the children that a listing shows, in order; none of a key."""
        children = self.children
        if not children:
            return []
        return [children[name] for name in sorted(children) if not name.startswith("_")]

    def find(self, parts: list[str]) -> Node | None:
        """Return the node that is these parts below this one, None if there is none."""
        node = self
        for part in parts:
            found = None if node.children is None else node.children.get(part)
            if found is None:
                return None
            node = found
        return node

    def descendants(self) -> Iterator[Node]:
        """Yield all nodes below, each before those below it."""
        ahead = [self]
        while ahead:
            node = ahead.pop()
            if node.children:
                yield from node.children.values()
                ahead.extend(child for child in node.children.values() if child.children)


def parts_of(path: str) -> list[str]:
    """
    Return the parts of a path: none of the root's.

    Args:
        path: Such as ``/a/b``, clean: see ``http.v2.path``.

    """
    return path[1:].split("/") if len(path) > 1 else []


def child_path(path: str, name: str) -> str:
    """Return the path of a child of a directory."""
    return f"{path}/{name}" if len(path) > 1 else f"/{name}"
