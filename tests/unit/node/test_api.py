"""The interface behind every door."""

from __future__ import annotations

from inspect import Parameter, signature

import pytest

from etcdpy.mvcc.store import Store
from etcdpy.node.api import LocalApi, NodeApi
from etcdpy.node.node import Node
from tests.unit.mvcc.fake_log import FakeLog
from tests.unit.node.nodes import make_node


def _methods(api: type) -> list[str]:
    return [name for name in vars(api) if not name.startswith("_")]


@pytest.mark.parametrize("name", _methods(NodeApi))
async def test_every_method_is_a_nodes_and_is_told_who_asks(name: str) -> None:
    log = FakeLog()
    # Of an open one: some are not of its class.
    taken = [*signature(getattr(make_node(Store(log), log), name)).parameters]
    assert ["self", *taken] == [*signature(getattr(NodeApi, name)).parameters]
    assert taken[-1] == "caller"


@pytest.mark.parametrize("name", _methods(LocalApi))
def test_what_only_the_server_asks_is_a_nodes_too(name: str) -> None:
    ours = signature(getattr(Node, name)).parameters
    wanted = signature(getattr(LocalApi, name)).parameters
    assert [*ours] == [*wanted]
    assert all(parameter.kind is Parameter.POSITIONAL_OR_KEYWORD for parameter in ours.values())
