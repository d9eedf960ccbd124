"""Each operation does, and answers, what etcd's table of them says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from etcdpy.errors import V2Error
from etcdpy.v2.events import SECOND, Event
from etcdpy.v2.tree import Tree

NOW = 1_700_000_000 * SECOND


@pytest.fixture
def tree() -> Tree:
    """A tree with a key, an empty directory and one with a key in it."""
    tree = Tree()
    tree.set("/k", "v", now=NOW)
    tree.set("/empty", "", directory=True, now=NOW)
    tree.set("/d/k", "v", now=NOW)
    return tree


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(V2Error) as refused:
        call()
    return refused.value.code, refused.value.cause


OPERATIONS: dict[str, Callable[[Tree, str], Event]] = {
    "set": lambda tree, path: tree.set(path, "w", now=NOW),
    "set dir": lambda tree, path: tree.set(path, "", directory=True, now=NOW),
    "create": lambda tree, path: tree.create(path, "w", now=NOW),
    "update": lambda tree, path: tree.update(path, "w", now=NOW),
    "cas": lambda tree, path: tree.compare_and_swap(path, "w", prev_value="v", now=NOW),
    "bad cas": lambda tree, path: tree.compare_and_swap(path, "w", prev_value="x", now=NOW),
    "delete": lambda tree, path: tree.delete(path, now=NOW),
    "delete dir": lambda tree, path: tree.delete(path, directory=True, now=NOW),
    "delete all": lambda tree, path: tree.delete(path, recursive=True, now=NOW),
    "cad": lambda tree, path: tree.compare_and_delete(path, prev_value="v", now=NOW),
    "bad cad": lambda tree, path: tree.compare_and_delete(path, prev_index=99, now=NOW),
}

#: Operation, path, and the action or the refusal.
TABLE: list[tuple[str, str, Any]] = [
    ("set", "/new", "set"),
    ("set", "/k", "set"),
    ("set", "/d", (102, "/d")),
    ("set", "/", (107, "/")),
    ("set", "/k/x", (104, "/k")),
    ("set dir", "/new", "set"),
    ("set dir", "/k", "set"),
    ("set dir", "/d", (102, "/d")),
    ("create", "/new/a", "create"),
    ("create", "/k", (105, "/k")),
    ("create", "/d", (105, "/d")),
    ("create", "/", (107, "/")),
    ("create", "/k/x", (104, "/k")),
    ("update", "/new", (100, "/new")),
    ("update", "/new/a", (100, "/new")),
    ("update", "/k", "update"),
    ("update", "/d", (102, "/d")),
    ("update", "/", (107, "/")),
    ("update", "/k/x", (104, "/k")),
    ("cas", "/new", (100, "/new")),
    ("cas", "/k", "compareAndSwap"),
    ("bad cas", "/k", (101, "[x != v]")),
    ("cas", "/d", (102, "/d")),
    ("cas", "/", (107, "/")),
    ("cas", "/k/x", (104, "/k")),
    ("delete", "/new", (100, "/new")),
    ("delete", "/k", "delete"),
    ("delete dir", "/k", "delete"),
    ("delete all", "/k", "delete"),
    ("delete", "/empty", (102, "/empty")),
    ("delete dir", "/empty", "delete"),
    ("delete dir", "/d", (108, "/d")),
    ("delete all", "/d", "delete"),
    ("delete", "/", (107, "/")),
    ("delete all", "/", (107, "/")),
    ("delete", "/k/x", (104, "/k")),
    ("cad", "/new", (100, "/new")),
    ("cad", "/k", "compareAndDelete"),
    ("bad cad", "/k", (101, "[99 != 4]")),
    ("cad", "/d", (102, "/d")),
    ("cad", "/", (102, "")),
]


@pytest.mark.parametrize(("operation", "path", "expected"), TABLE)
def test_operation_answers(tree: Tree, operation: str, path: str, expected: Any) -> None:
    before = tree.index
    if isinstance(expected, tuple):
        assert refusal(lambda: OPERATIONS[operation](tree, path)) == expected
        assert tree.index == before
    else:
        event = OPERATIONS[operation](tree, path)
        assert event.action == expected
        assert event.index == tree.index == before + 1


@pytest.mark.parametrize(("operation", "path", "expected"), TABLE)
def test_refused_operation_has_changed_nothing(
    tree: Tree, operation: str, path: str, expected: Any
) -> None:
    if isinstance(expected, tuple):
        tree.changes.changed.clear()
        before = _dump(tree)
        refusal(lambda: OPERATIONS[operation](tree, path))
        assert _dump(tree) == before
        assert tree.changes.changed == tree.changes.removed == []


def _dump(tree: Tree) -> list[tuple[object, ...]]:
    nodes = [tree.root, *tree.root.descendants()]
    return [(n.name, n.value, n.created, n.modified, n.expires) for n in nodes]


def test_first_write_of_a_fresh_store_is_number_four() -> None:
    assert Tree().set("/a", "", now=NOW).index == 4


def test_set_is_a_replacement_and_resets_when_it_was_made(tree: Tree) -> None:
    event = tree.set("/k", "w", now=NOW)
    assert (event.node.created, event.node.modified) == (7, 7)
    assert event.prev is not None
    assert event.prev.value == "v"


@pytest.mark.parametrize("operation", ["update", "cas"])
def test_change_keeps_when_it_was_made(tree: Tree, operation: str) -> None:
    node = OPERATIONS[operation](tree, "/k").node
    assert (node.created, node.modified) == (4, 7)


def test_parents_do_not_change_with_their_children(tree: Tree) -> None:
    tree.set("/d/other", "", now=NOW)
    assert tree.find("/d").modified == 6


def test_directories_on_the_way_are_as_old_as_the_write() -> None:
    tree = Tree()
    tree.set("/a/b/c", "", now=NOW)
    assert [tree.find(path).created for path in ("/a", "/a/b", "/a/b/c")] == [4, 4, 4]


def test_names_of_children_in_order_are_their_index(tree: Tree) -> None:
    first = tree.create("/q", "1", unique=True, now=NOW)
    second = tree.create("/q", "2", unique=True, now=NOW)
    of_root = tree.create("/", "3", unique=True, now=NOW)
    assert first.key == "/q/00000000000000000007"
    assert second.key == "/q/00000000000000000008"
    assert of_root.key == "/00000000000000000009"
    assert refusal(lambda: tree.create("/k", "", unique=True, now=NOW)) == (104, "/k")


def test_directory_can_take_the_place_of_a_key(tree: Tree) -> None:
    event = tree.set("/k", "ignored", directory=True, now=NOW)
    assert event.node.is_directory
    assert event.node.value is None
    assert event.prev is not None
    tree.set("/k/x", "", now=NOW)


@pytest.mark.parametrize(
    ("value", "index", "cause"),
    [
        ("two", 0, "[two != v]"),
        ("", 13, "[13 != 4]"),
        ("two", 13, "[two != v] [13 != 4]"),
        ("v", 999, "[999 != 4]"),
    ],
)
def test_failed_comparison_says_what_differs(
    tree: Tree, value: str, index: int, cause: str
) -> None:
    for call in (
        lambda: tree.compare_and_swap("/k", "", prev_value=value, prev_index=index, now=NOW),
        lambda: tree.compare_and_delete("/k", prev_value=value, prev_index=index, now=NOW),
    ):
        assert refusal(call) == (101, cause)


def test_comparison_that_asks_for_nothing_succeeds(tree: Tree) -> None:
    assert tree.compare_and_swap("/k", "w", now=NOW).node.value == "w"


def test_refresh_keeps_the_value_and_is_marked(tree: Tree) -> None:
    for event in (
        tree.set("/k", "", expires=NOW + SECOND, refresh=True, now=NOW),
        tree.update("/k", "", expires=NOW + SECOND, refresh=True, now=NOW),
        tree.compare_and_swap("/k", "", expires=NOW + SECOND, refresh=True, now=NOW),
    ):
        assert event.is_refresh
        assert event.node.value == "v"
        assert event.node.ttl == 1
    assert refusal(lambda: tree.set("/new", "", refresh=True, now=NOW)) == (100, "/new")


def test_time_to_live_of_a_directory_changes_and_not_its_index(tree: Tree) -> None:
    event = tree.update("/d", "", expires=NOW + 60 * SECOND, now=NOW)
    assert event.action == "update"
    assert event.node.ttl == 60
    assert (event.node.modified, tree.find("/d").modified) == (7, 6)
    assert tree.find("/d").expires == NOW + 60 * SECOND


def test_node_ends_when_its_time_has_come(tree: Tree) -> None:
    tree.set("/t", "v", expires=NOW + SECOND, now=NOW)
    assert tree.expire(NOW) is None
    event = tree.expire(NOW + SECOND)
    assert event is not None
    shown = json.loads(event.line)
    assert shown["action"] == "expire"
    assert shown["node"] == {"key": "/t", "modifiedIndex": 8, "createdIndex": 7}
    assert shown["prevNode"]["value"] == "v"
    assert "expiration" in shown["prevNode"]
    assert refusal(lambda: tree.find("/t")) == (100, "/t")
    assert tree.expire(NOW + SECOND) is None
    assert tree.stats.expire_count == 1


def test_directory_ends_with_all_below_as_one_event(tree: Tree) -> None:
    tree.update("/d", "", expires=NOW + SECOND, now=NOW)
    tree.set("/d/t", "", expires=NOW + SECOND, now=NOW)
    event = tree.expire(NOW + SECOND)
    assert event is not None
    assert event.key == "/d"
    assert event.removes_directory
    assert tree.expire(NOW + SECOND) is None


def test_node_in_the_place_of_one_that_went_with_its_directory_stays(tree: Tree) -> None:
    tree.set("/d/t", "", expires=NOW + SECOND, now=NOW)
    tree.delete("/d", recursive=True, now=NOW)
    tree.set("/d/t", "", now=NOW)
    assert tree.expire(NOW + SECOND) is None
    assert tree.find("/d/t").expires is None


def test_changes_say_what_has_to_be_written(tree: Tree) -> None:
    tree.changes.changed.clear()
    tree.set("/x/y", "", now=NOW)
    assert [node.name for node in tree.changes.changed] == ["x", "y"]
    gone = tree.find("/d")
    tree.delete("/d", recursive=True, now=NOW)
    assert tree.changes.removed == [gone]


def test_ids_grow_from_parents_to_children(tree: Tree) -> None:
    tree.set("/a/b/c", "", now=NOW)
    ids = [tree.find(path).node_id for path in ("/", "/a", "/a/b", "/a/b/c")]
    assert ids == sorted(set(ids))
    assert tree.find("/a/b").parent_id == tree.find("/a").node_id


def test_operations_are_counted_as_etcd_counts_them(tree: Tree) -> None:
    tree.get("/k")
    refusal(lambda: tree.get("/none"))
    refusal(lambda: tree.create("/k", "", now=NOW))
    # In etcd a key in the way of a create counts for both.
    refusal(lambda: tree.create("/k/x", "", now=NOW))
    OPERATIONS["update"](tree, "/k")
    tree.delete("/k", now=NOW)
    shown = {name: number for name, number in tree.stats.shown().items() if number}
    assert shown == {
        "getsSuccess": 1,
        "getsFail": 1,
        "setsSuccess": 3,
        "setsFail": 1,
        "deleteSuccess": 1,
        "updateSuccess": 1,
        "createFail": 2,
    }
