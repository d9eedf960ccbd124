"""Rows of nodes and events come back as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from etcdpy.v2.node import Node
from etcdpy.v2.records import (
    decode_event,
    decode_node,
    encode_event,
    encode_node,
    event_key,
    node_key,
)
from etcdpy.v2.tree import Tree

U64 = st.integers(0, 2**64 - 1)
#: Any bytes at all, as names and values may be.
TEXTS = st.binary(max_size=40).map(lambda data: data.decode("utf-8", "surrogateescape"))


@given(U64, U64, TEXTS, st.none() | TEXTS, U64, U64, st.none() | st.integers(1, 2**63))
def test_node_comes_back(
    node_id: int,
    parent_id: int,
    name: str,
    value: str | None,
    created: int,
    modified: int,
    expires: int | None,
) -> None:
    node = Node(node_id, parent_id, name, value, created, modified, expires)
    decoded = decode_node(node_key(node_id), encode_node(node))
    fields = list(Node.__slots__)
    assert [getattr(decoded, field) for field in fields] == [
        getattr(node, field) for field in fields
    ]


def test_event_comes_back_as_what_watchers_are_told() -> None:
    tree = Tree()
    tree.set("/d/k", "v", now=0)
    for event in (
        tree.set("/d/k", "w", refresh=True, now=0),
        tree.delete("/d", recursive=True, now=0),
        tree.create("/q", "é", unique=True, now=0),
        tree.set("/\udcff", "\udcff", now=0),
    ):
        stored = decode_event(encode_event(event, tree.last_id))
        assert stored.last_id == tree.last_id
        for field in ("action", "index", "key", "line", "is_refresh", "removes_directory"):
            assert getattr(stored.event, field) == getattr(event, field)


def test_rows_of_nodes_are_in_the_order_of_their_ids() -> None:
    keys = [node_key(node_id) for node_id in (1, 255, 256, 2**40)]
    assert keys == sorted(keys)


def test_events_go_round_in_a_ring_of_a_thousand() -> None:
    assert event_key(4) == event_key(1004) != event_key(5)
    assert len({event_key(index) for index in range(5000)}) == 1000
