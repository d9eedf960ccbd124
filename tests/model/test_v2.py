"""The v2 tree does what a dictionary of paths does, and is written down as it is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from etcdpy.errors import V2Error
from etcdpy.node.v2_restore import restore
from etcdpy.v2.events import Event
from etcdpy.v2.history import History
from etcdpy.v2.node import Node, parts_of
from etcdpy.v2.records import encode_event, encode_node, event_key, node_key
from etcdpy.v2.tree import FIRST_INDEX, Tree

#: Few, so that they meet.
PATHS = st.lists(st.sampled_from(["a", "b", "_c"]), min_size=0, max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)
VALUES = st.sampled_from(["", "1", "2"])
TTLS = st.none() | st.integers(0, 5)


@dataclass
class Model:
    """What there should be: a value for each key, None for each directory."""

    nodes: dict[str, str | None] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Do what an event says was done."""
        key = event.key
        if event.action in ("delete", "compareAndDelete", "expire"):
            assert key in self.nodes
            for path in list(self.nodes):
                if path == key or path.startswith(f"{key}/"):
                    del self.nodes[path]
            return
        parts = parts_of(key)
        for depth in range(1, len(parts)):
            above = "/" + "/".join(parts[:depth])
            assert self.nodes.setdefault(above, None) is None, "a key is in the way"
        if event.prev is None:
            assert key not in self.nodes
        else:
            assert event.prev.value == self.nodes[key]
        self.nodes[key] = None if event.node.is_directory else event.node.value


def nodes_of(tree: Tree) -> dict[str, Node]:
    found: dict[str, Node] = {}

    def walk(node: Node, path: str) -> None:
        for name, child in (node.children or {}).items():
            assert name == child.name
            assert child.parent_id == node.node_id < child.node_id <= tree.last_id
            assert child.created <= child.modified <= tree.index
            found[f"{path}/{name}"] = child
            walk(child, f"{path}/{name}")

    walk(tree.root, "")
    return found


class Written:
    """The rows of a tree, as they are on the disk."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def take(self, tree: Tree, event: Event) -> None:
        for node in tree.changes.changed:
            self.rows[node_key(node.node_id)] = encode_node(node)
        for node in tree.changes.removed:
            for gone in (node, *node.descendants()):
                del self.rows[node_key(gone.node_id)]
                tree.expiries.forget(gone)
        tree.changes.changed.clear()
        tree.changes.removed.clear()
        self.rows[event_key(event.index)] = encode_event(event, tree.last_id)


@st.composite
def operations(draw: st.DrawFn) -> tuple[str, str, str, int | None, bool, int]:
    name = draw(st.sampled_from(["set", "create", "post", "update", "cas", "delete", "cad"]))
    return (
        name,
        draw(PATHS),
        draw(VALUES),
        draw(TTLS),
        draw(st.booleans()),
        draw(st.integers(0, 9)),
    )


def do(tree: Tree, operation: tuple[str, str, str, int | None, bool, int], now: int) -> Event:
    name, path, value, ttl, flag, number = operation
    expires = None if ttl is None else now + ttl
    if name == "set":
        return tree.set(path, value, directory=flag, expires=expires, now=now)
    if name in ("create", "post"):
        unique = name == "post"
        return tree.create(path, value, directory=flag, unique=unique, expires=expires, now=now)
    if name == "update":
        return tree.update(path, value, expires=expires, refresh=flag, now=now)
    if name == "cas":
        return tree.compare_and_swap(
            path, value, prev_value=str(number % 3), expires=expires, now=now
        )
    if name == "delete":
        return tree.delete(path, directory=number % 2 == 0, recursive=flag, now=now)
    return tree.compare_and_delete(path, prev_index=tree.index - number, now=now)


@settings(max_examples=150, deadline=None)
@given(st.lists(operations(), max_size=60))
def test_any_operations_leave_what_they_say_and_come_back(
    asked: list[tuple[str, str, str, int | None, bool, int]],
) -> None:
    tree, model, written = Tree(), Model(), Written()
    history = History(FIRST_INDEX)

    def happened(event: Event) -> None:
        assert event.index == tree.index
        model.apply(event)
        written.take(tree, event)
        history.add(event)

    for now, operation in enumerate(asked, 1):
        while (event := tree.expire(now)) is not None:
            happened(event)
        before = tree.index
        with suppress(V2Error):
            happened(do(tree, operation, now))
            before += 1
        assert tree.index == before, "a refusal costs no index, and a write one"
        assert tree.changes.changed == tree.changes.removed == []

    nodes = nodes_of(tree)
    shown = {path: None if n.is_directory else n.value for path, n in nodes.items()}
    assert shown == model.nodes
    assert len(tree.expiries) == sum(node.expires is not None for node in nodes.values())

    restored = restore(sorted(written.rows.items()))
    assert restored.orphans == []
    assert restored.tree.index == tree.index
    again = nodes_of(restored.tree)
    assert again.keys() == nodes.keys()
    fields = ("node_id", "value", "created", "modified", "expires")
    for path, node in nodes.items():
        assert [getattr(again[path], name) for name in fields] == [
            getattr(node, name) for name in fields
        ]
    assert len(restored.tree.expiries) == len(tree.expiries)
    assert [event.line for event in restored.history] == [event.line for event in history]
