"""Events and listings are JSON in etcd's order, with what is empty left out."""

from __future__ import annotations

import json

import pytest

from etcdpy.v2.events import SECOND, Event, NodeView, line_of, listing, seconds_left, view_of
from etcdpy.v2.node import Node
from etcdpy.v2.tree import Tree

NOW = 1_700_000_000 * SECOND


def listed(tree: Tree, path: str, *, recursive: bool = False) -> str:
    pieces = listing(tree.find(path), path, NOW, recursive=recursive)
    return b"".join(pieces).decode()


def test_event_shows_the_node_and_what_it_was_before() -> None:
    tree = Tree()
    assert tree.set("/m", "Hello", now=NOW).line == (
        b'{"action":"set","node":{"key":"/m","value":"Hello","modifiedIndex":4,"createdIndex":4}}\n'
    )
    assert tree.set("/m", "", now=NOW).line == (
        b'{"action":"set","node":{"key":"/m","value":"","modifiedIndex":5,"createdIndex":5},'
        b'"prevNode":{"key":"/m","value":"Hello","modifiedIndex":4,"createdIndex":4}}\n'
    )


def test_removed_node_has_indexes_alone() -> None:
    tree = Tree()
    tree.set("/d/k", "v", now=NOW)
    assert tree.delete("/d", recursive=True, now=NOW).line == (
        b'{"action":"delete","node":{"key":"/d","dir":true,"modifiedIndex":5,"createdIndex":4},'
        b'"prevNode":{"key":"/d","dir":true,"modifiedIndex":4,"createdIndex":4}}\n'
    )


def test_time_to_live_comes_before_the_indexes() -> None:
    event = Tree().set("/k", "v", expires=NOW + 5 * SECOND + 1, now=NOW)
    assert event.line == (
        b'{"action":"set","node":{"key":"/k","value":"v",'
        b'"expiration":"2023-11-14T22:13:25.000000001Z","ttl":6,'
        b'"modifiedIndex":4,"createdIndex":4}}\n'
    )


def test_seconds_left_are_rounded_up_and_fall_below_zero_a_second_late() -> None:
    lefts = [seconds_left(NOW + left, NOW) for left in (SECOND, 1, 0, 1 - SECOND, -SECOND)]
    assert lefts == [1, 1, 0, 0, -1]


def test_time_to_live_that_has_ended_shows_when_and_no_seconds() -> None:
    view = view_of(Node(1, 0, "k", "", 4, 4, NOW), "/k", NOW)
    assert "expiration" in json.loads(view.json())
    assert "ttl" not in json.loads(view.json())


def test_event_of_an_earlier_run_shows_the_same_nodes() -> None:
    tree = Tree()
    tree.set("/k", "<v>", expires=NOW + SECOND // 4, now=NOW)
    event = tree.set("/k", "w", expires=NOW + 9 * SECOND, now=NOW)
    restored = Event.restored(
        event.action, event.index, event.key, event.line, is_refresh=False, removes_directory=False
    )
    assert restored.prev == event.prev
    assert restored.node == event.node
    assert restored.line == event.line


def test_event_that_made_a_node_says_so() -> None:
    tree = Tree()
    assert tree.set("/a", "", now=NOW).is_created
    assert not tree.set("/a", "", now=NOW).is_created
    assert tree.create("/b", "", now=NOW).is_created
    assert not tree.update("/b", "", now=NOW).is_created


def test_root_is_listed_without_key_and_indexes() -> None:
    tree = Tree()
    assert listed(tree, "/") == '{"action":"get","node":{"dir":true}}\n'
    tree.set("/a", "1", now=NOW)
    assert listed(tree, "/") == (
        '{"action":"get","node":{"dir":true,"nodes":['
        '{"key":"/a","value":"1","modifiedIndex":4,"createdIndex":4}]}}\n'
    )


def test_listing_goes_one_level_down_unless_it_is_recursive() -> None:
    tree = Tree()
    tree.set("/d/e/k", "v", now=NOW)
    tree.set("/d/empty", "", directory=True, now=NOW)
    tree.set("/d/_h/k", "v", now=NOW)
    e = '{"key":"/d/e","dir":true,"modifiedIndex":4,"createdIndex":4}'
    k = '{"key":"/d/e/k","value":"v","modifiedIndex":4,"createdIndex":4}'
    empty = '{"key":"/d/empty","dir":true,"modifiedIndex":5,"createdIndex":5}'
    head, tail = '{"action":"get","node":{"key":"/d","dir":true,"nodes":[', '],"modifiedIndex":4'
    assert listed(tree, "/d") == f'{head}{e},{empty}{tail},"createdIndex":4}}}}\n'
    opened = e.replace('"dir":true', f'"dir":true,"nodes":[{k}]')
    assert (
        listed(tree, "/d", recursive=True) == f'{head}{opened},{empty}{tail},"createdIndex":4}}}}\n'
    )


def test_key_is_read_alone() -> None:
    tree = Tree()
    tree.set("/d/k", "v", now=NOW)
    assert listed(tree, "/d/k", recursive=True) == (
        '{"action":"get","node":{"key":"/d/k","value":"v","modifiedIndex":4,"createdIndex":4}}\n'
    )


@pytest.mark.parametrize("value", ["", "v", "<&>\n", "\udcff"])
def test_key_is_read_alike_the_quick_way(value: str) -> None:
    tree = Tree()
    tree.set("/d/é", "", now=NOW)
    tree.update("/d/é", value, now=NOW)
    assert line_of(tree.find("/d/é"), "/d/é").decode() == listed(tree, "/d/é")


def test_hidden_directory_is_listed_when_it_is_asked_for() -> None:
    tree = Tree()
    tree.set("/_a/_b", "", now=NOW)
    tree.set("/_a/c", "", now=NOW)
    nodes = json.loads(listed(tree, "/_a"))["node"]["nodes"]
    assert [node["key"] for node in nodes] == ["/_a/c"]


def test_long_listing_comes_in_pieces_that_are_one_object() -> None:
    tree = Tree()
    for number in range(700):
        tree.set(f"/d{number % 3}/k{number:03}", "v", now=NOW)
    pieces = list(listing(tree.root, "/", NOW, recursive=True))
    assert len(pieces) > 2
    shown = json.loads(b"".join(pieces))["node"]["nodes"]
    assert sum(len(directory["nodes"]) for directory in shown) == 700


def test_very_deep_tree_can_be_listed() -> None:
    tree = Tree()
    depth = 3000
    tree.set("/a" * depth, "leaf", now=NOW)
    shown = listed(tree, "/", recursive=True)
    assert shown.count('"nodes":[') == depth
    assert shown.count("]") == depth


def test_view_is_what_the_node_was_then() -> None:
    node = Node(1, 0, "k", "old", 4, 4)
    view = view_of(node, "/k", NOW)
    node.value = "new"
    assert view == NodeView("/k", "old", False, None, 0, 4, 4)
