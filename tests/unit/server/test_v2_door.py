"""What is served of v2, with its flag and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from etcdpy.concurrency.v2_locks import V2Locks
from etcdpy.config import Config
from etcdpy.pb import rpc_pb2 as pb
from etcdpy.server.http_doors import open_http
from etcdpy.server.v2_door import open_v2
from etcdpy.testing.clock import MovableClock
from etcdpy.transport import HttpHandler
from tests.unit.http.v2.asking import ask, new_node, opened
from tests.unit.node.nodes import ANYBODY

PATHS = [
    "/v2/members",
    "/v2/members/",
    "/v2/members/leader",
    "/v2/machines",
    "/v2/stats/self",
    "/v2/stats/leader",
    "/v2/auth/enable",
    "/v2/auth/users",
    "/v2/auth/roles",
]
#: What is no path of v2 either.
OTHERS = [
    "/v2/keysx",
    "/v2",
    "/v2/",
    "/v2/membersx",
    "/v2/machines/",
    "/v2/stats",
    "/v2/stats/self/",
    "/v2/auth",
    "/v2/auth/enable/",
    "/v2/leader",
    "/v2/peers",
]


def clients(*, enable_v2: bool) -> HttpHandler:
    return open_http(Config(enable_v2=enable_v2), new_node()).clients


@pytest.mark.parametrize("path", PATHS)
async def test_v2_is_there_if_it_is_asked_for(path: str) -> None:
    assert (await ask(clients(enable_v2=True), path)).status == 200
    assert (await ask(clients(enable_v2=False), path)).body == b"404 page not found\n"


async def test_modules_and_the_store_are_there_with_a_store(tmp_path: Path) -> None:
    async with opened(tmp_path) as node:
        assert node.parts.v2 is not None
        door = open_v2(node, V2Locks(node.parts.v2, MovableClock()))
        assert "/v2/stats/store" in door.paths
        assert {"/mod/v2/lock/", "/mod/v2/leader/"} <= door.trees.keys()


@pytest.mark.parametrize("path", ["/v2/keys", "/v2/keys/", "/v2/keys?recursive=true"])
async def test_keys_are_there_with_their_store(tmp_path: Path, path: str) -> None:
    async with opened(tmp_path) as node:
        served = open_http(Config(enable_v2=True), node).clients
        assert (await ask(served, path)).body == b'{"action":"get","node":{"dir":true}}\n'


@pytest.mark.parametrize("path", OTHERS)
async def test_other_paths_are_not_there(path: str) -> None:
    answer = await ask(clients(enable_v2=True), path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")


async def test_every_path_is_roots_where_callers_are_asked(tmp_path: Path) -> None:
    async with opened(tmp_path) as node:
        await node.role_add(pb.AuthRoleAddRequest(name="root"), ANYBODY)
        await node.user_add(pb.AuthUserAddRequest(name="root", password="pw"), ANYBODY)
        await node.user_grant_role(pb.AuthUserGrantRoleRequest(user="root", role="root"), ANYBODY)
        await node.auth_enable(pb.AuthEnableRequest(), ANYBODY)
        door = open_v2(node)
        for path, handler in {**door.paths, **door.trees}.items():
            assert (await ask(handler, path)).status == 401
