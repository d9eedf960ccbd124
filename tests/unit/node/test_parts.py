"""What the methods of a node share."""

from __future__ import annotations

from tests.unit.mvcc.stores import new_store
from tests.unit.node.nodes import IDENTITY, make_node


async def test_headers_name_the_cluster_the_member_and_its_life() -> None:
    async with new_store() as (store, log):
        header = make_node(store, log).header(7)
        assert (header.cluster_id, header.member_id) == (IDENTITY.cluster_id, IDENTITY.member_id)
        assert (header.raft_term, header.revision) == (IDENTITY.raft_term, 7)


async def test_identity_is_as_of_now() -> None:
    async with new_store() as (store, log):
        node = make_node(store, log)
        node.parts.membership.update(["http://127.0.0.1:1"])
        assert node.identity.peer_urls == ("http://127.0.0.1:1",)
