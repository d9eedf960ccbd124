"""Nodes are found by their parts and list what is not hidden."""

from __future__ import annotations

import pytest

from etcdpy.v2.node import Node, child_path, parts_of


def directory(name: str = "", *children: Node) -> Node:
    made = Node(1, 0, name, None, 4, 4)
    assert made.children is not None
    made.children.update({child.name: child for child in children})
    return made


def key(name: str, value: str = "") -> Node:
    return Node(2, 1, name, value, 5, 5)


def test_node_with_a_value_is_a_key_even_if_that_is_empty() -> None:
    assert not key("a").is_directory
    assert directory("a").is_directory


def test_node_is_found_by_its_parts() -> None:
    leaf = key("c")
    root = directory("", directory("b", leaf))
    assert root.find(["b", "c"]) is leaf
    assert root.find([]) is root
    assert root.find(["b", "x"]) is None
    assert root.find(["b", "c", "d"]) is None


def test_listing_is_in_order_and_without_what_is_hidden() -> None:
    children = (key("b"), key("_h"), key("a10"), key("a9"))
    assert [child.name for child in directory("d", *children).listed()] == ["a10", "a9", "b"]
    assert key("a").listed() == []


def test_descendants_are_all_that_is_below_parents_first() -> None:
    root = directory("", directory("b", directory("c", key("d"))), key("_e"))
    names = [node.name for node in root.descendants()]
    assert sorted(names) == ["_e", "b", "c", "d"]
    assert names.index("b") < names.index("c") < names.index("d")


@pytest.mark.parametrize(("path", "parts"), [("/", []), ("/a", ["a"]), ("/a/b c", ["a", "b c"])])
def test_path_has_parts(path: str, parts: list[str]) -> None:
    assert parts_of(path) == parts
    rebuilt = "/"
    for part in parts:
        rebuilt = child_path(rebuilt, part)
    assert rebuilt == path
