"""
The v2 tree of an earlier run, from its rows.

Parents have lower ids than what is in them, so they come first. A node without its parent was
below a directory that was removed, and only its row was still to be deleted: it is an orphan.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from etcdpy.v2.history import History
from etcdpy.v2.node import ROOT_ID, Node, child_path
from etcdpy.v2.records import EVENT, NODE, StoredEvent, decode_event, decode_node
from etcdpy.v2.tree import FIRST_INDEX, Tree

__all__ = ["Restored", "restore"]


class Restored(NamedTuple):
    """
    What there was.

    Attributes:
        tree: The nodes.
        history: The last events.
        orphans: Nodes that are not in the tree any more, and whose rows are still there.

    """

    tree: Tree
    history: History
    orphans: list[Node]


def restore(rows: Iterable[tuple[bytes, bytes]]) -> Restored:
    """
    Return what some rows are about.

    Args:
        rows: Keys and values, in the order of the keys.

    """
    events: list[StoredEvent] = []
    nodes: list[Node] = []
    for key, row in rows:
        if key.startswith(EVENT):
            events.append(decode_event(row))
        elif key.startswith(NODE):
            nodes.append(decode_node(key, row))
    events.sort(key=lambda stored: stored.event.index)
    history = History(FIRST_INDEX)
    history.restore([stored.event for stored in events])
    last_id = max((stored.last_id for stored in events), default=ROOT_ID)
    tree = Tree(history.index, last_id)
    return Restored(tree, history, _plant(tree, nodes))


def _plant(tree: Tree, nodes: list[Node]) -> list[Node]:
    """Put nodes into the tree, and return those that have no place there."""
    planted = {ROOT_ID: tree.root}
    orphans = []
    for node in nodes:
        parent = planted.get(node.parent_id)
        if parent is None or parent.children is None:
            orphans.append(node)
            continue
        planted[node.node_id] = node
        path = _path(planted, node) if node.expires is not None else ""
        tree.restore(node, parent, path)
    return orphans


def _path(planted: dict[int, Node], node: Node) -> str:
    parts = [node.name]
    while node.parent_id != ROOT_ID:
        node = planted[node.parent_id]
        parts.append(node.name)
    path = "/"
    for part in reversed(parts):
        path = child_path(path, part)
    return path
