"""Nodes end in the order of their times to live, as they are by then."""

from __future__ import annotations

from etcdpy.v2.node import Node
from etcdpy.v2.ttl import Expiries


def node(name: str, expires: int | None) -> Node:
    return Node(1, 0, name, "", 4, 4, expires)


def ended(expiries: Expiries, now: int) -> list[str]:
    paths = []
    while (due := expiries.pop_due(now)) is not None:
        paths.append(due[1])
        expiries.forget(due[0])
    return paths


def test_nodes_end_in_order_and_not_early() -> None:
    expiries = Expiries()
    for name, expires in (("a", 30), ("b", 10), ("c", 20), ("d", None)):
        expiries.add(node(name, expires), f"/{name}")
    assert len(expiries) == 3
    assert expiries.next_due() == 10
    assert ended(expiries, 9) == []
    assert ended(expiries, 20) == ["/b", "/c"]
    assert ended(expiries, 99) == ["/a"]
    assert expiries.next_due() is None
    assert len(expiries) == 0


def test_those_that_end_together_end_in_the_order_in_which_they_were_told() -> None:
    expiries = Expiries()
    for name in "cab":
        expiries.add(node(name, 10), f"/{name}")
    assert ended(expiries, 10) == ["/c", "/a", "/b"]


def test_renewed_node_outlives_its_first_end() -> None:
    expiries, a = Expiries(), node("a", 10)
    expiries.add(a, "/a")
    expiries.set(a, "/a", 20)
    assert ended(expiries, 10) == []
    assert ended(expiries, 20) == ["/a"]


def test_node_made_permanent_or_forgotten_does_not_end() -> None:
    expiries, a, b = Expiries(), node("a", 10), node("b", 10)
    expiries.add(a, "/a")
    expiries.add(b, "/b")
    expiries.set(a, "/a", None)
    expiries.forget(b)
    assert len(expiries) == 0
    assert expiries.next_due() is None


def test_renewing_for_ever_does_not_fill_the_memory() -> None:
    expiries, a = Expiries(), node("a", 1)
    expiries.add(a, "/a")
    for expires in range(2, 10_000):
        expiries.set(a, "/a", expires)
    assert len(expiries._heap) < 100
    assert ended(expiries, 10_000) == ["/a"]
