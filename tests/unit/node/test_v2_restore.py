"""A tree comes back from its rows, and what has no place in it is told."""

from __future__ import annotations

from etcdpy.node.v2_restore import restore
from etcdpy.v2.node import Node
from etcdpy.v2.records import encode_event, encode_node, event_key, node_key
from etcdpy.v2.tree import Tree


def rows_of(tree: Tree) -> list[tuple[bytes, bytes]]:
    nodes = tree.root.descendants()
    return sorted((node_key(node.node_id), encode_node(node)) for node in nodes)


def test_no_rows_are_a_fresh_store() -> None:
    restored = restore([])
    assert (restored.tree.index, restored.tree.last_id) == (3, 0)
    assert restored.tree.root.children == {}
    assert restored.history.index == 3


def test_nodes_are_where_they_were() -> None:
    tree = Tree()
    tree.set("/a/b/c", "v", now=0)
    tree.set("/x", "", expires=10**9, now=0)
    restored = restore(rows_of(tree)).tree
    assert restored.find("/a/b/c").value == "v"
    assert restored.find("/a/b").is_directory
    assert restored.find("/x").expires == 10**9


def test_what_has_a_time_to_live_ends_where_it_is() -> None:
    tree = Tree()
    tree.set("/a/b/c", "", expires=5, now=0)
    event = restore(rows_of(tree)).tree.expire(5)
    assert event is not None
    assert event.key == "/a/b/c"


def test_newest_event_says_how_far_it_went() -> None:
    tree = Tree()
    events = [tree.set("/k", "", now=0) for _ in range(1500)]
    ring = {event_key(event.index): encode_event(event, tree.last_id) for event in events}
    restored = restore([*sorted(ring.items()), *rows_of(tree)])
    assert restored.tree.index == restored.history.index == 1503
    assert restored.history.oldest == 504
    assert restored.tree.last_id == 1


def test_nodes_without_their_directory_are_orphans() -> None:
    tree = Tree()
    tree.set("/d/e/k", "", now=0)
    tree.set("/x", "", now=0)
    gone = tree.find("/d")
    rows = [row for row in rows_of(tree) if row[0] != node_key(gone.node_id)]
    restored = restore(rows)
    assert [node.name for node in restored.orphans] == ["e", "k"]
    assert [node.name for node in restored.tree.root.descendants()] == ["x"]


def test_node_below_a_key_is_an_orphan() -> None:
    nodes = [Node(1, 0, "k", "v", 4, 4), Node(2, 1, "x", "v", 4, 4)]
    rows = [(node_key(node.node_id), encode_node(node)) for node in nodes]
    assert [node.name for node in restore(rows).orphans] == ["x"]
